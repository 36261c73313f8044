"""Which rules make a graph of which flavour, and in which order."""

from __future__ import annotations

import onnx_ir as ir
import onnx_ir.passes.common as passes

from edgekd.export.fused.activations import fuse_gelus, order_gelus
from edgekd.export.fused.attention import pack_projections
from edgekd.export.fused.embeddings import fold_token_types, merge_tables, slice_positions
from edgekd.export.fused.first_token import ask_once, read_first_token
from edgekd.export.fused.lowering import lower_attention
from edgekd.export.fused.masks import merge_casts, narrow_inputs
from edgekd.export.fused.norms import keep_norms
from edgekd.export.fused.shapes import drop_reshapes, fix_shapes, merge_unsqueezes
from edgekd.export.fused.values import MICROSOFT

BOTH = (
    drop_reshapes,
    fix_shapes,
    merge_unsqueezes,
    fold_token_types,
    slice_positions,
    merge_tables,
    merge_casts,
    read_first_token,
    ask_once,
)
RULES = {
    "portable": (*BOTH, order_gelus, lower_attention),
    "ort-fused": (*BOTH, fuse_gelus, pack_projections, keep_norms, narrow_inputs),
}


def rewrite(model: ir.Model, flavour: str) -> None:
    """Make a graph of one flavour of what the exporter wrote, in place."""
    for rule in RULES[flavour]:
        rule(model.graph)
        passes.RemoveUnusedNodesPass()(model)
    if any(node.domain == MICROSOFT for node in model.graph):
        model.opset_imports.setdefault(MICROSOFT, 1)
    else:
        model.opset_imports.pop(MICROSOFT, None)
