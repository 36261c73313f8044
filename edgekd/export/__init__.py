"""Export to ONNX with a parity gate."""
