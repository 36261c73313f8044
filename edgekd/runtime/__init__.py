"""Running a bundle: tokenizer and ONNX session. Imports neither torch nor transformers."""

from edgekd.runtime.onnx_session import OnnxSession

__all__ = ["OnnxSession"]
