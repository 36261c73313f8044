"""Bundles as things to hand over: checked, described, compared, packed with a runner and a model card, unpacked.

Imports neither torch nor transformers nor onnx. What a bundle is: :mod:`edgekd.bundle`.
"""
