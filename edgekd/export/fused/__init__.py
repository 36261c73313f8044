"""What the exporter writes, made into the graph that a runtime wants: rules on ``onnx_ir`` graphs."""
