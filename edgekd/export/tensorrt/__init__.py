"""TensorRT for Jetson: a folder that builds its engine on the board, checked as far as a machine without GPU can."""

from edgekd.export.tensorrt.check import Findings, check_graph, check_shapes
from edgekd.export.tensorrt.folder import GUIDE_FILE, PRECISIONS, write_tensorrt

__all__ = ["GUIDE_FILE", "PRECISIONS", "Findings", "check_graph", "check_shapes", "write_tensorrt"]
