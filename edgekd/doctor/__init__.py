"""What a machine really is and can do. Needs Python alone; measuring needs numpy, onnxruntime and tokenizers."""

from edgekd.doctor.diagnose import diagnose
from edgekd.doctor.diagnosis import Diagnosis

__all__ = ["Diagnosis", "diagnose"]
