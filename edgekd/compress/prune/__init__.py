"""Structured pruning: whole units, layers and dimensions go, and the tensors shrink.

- ``structure``: which units a model has, and which numbers belong to each; ``size``: what a model costs without some.
- ``importance``: how much each is needed; ``order`` and ``plan``: which go for a budget.
- ``remove``, ``select``, ``shape``: the smaller model, and its shape in its configuration.
- ``layers``, ``dims``: whole layers; hidden size and token vectors.
"""

from edgekd.compress.prune.dims import narrow, reduce_embedding_dim
from edgekd.compress.prune.importance import importance
from edgekd.compress.prune.layers import drop_layers, leave_one_out
from edgekd.compress.prune.plan import Plan, plan
from edgekd.compress.prune.remove import remove, zeroed
from edgekd.compress.prune.size import macs
from edgekd.compress.prune.structure import Group, Slice, find_groups

__all__ = [
    "Group",
    "Plan",
    "Slice",
    "drop_layers",
    "find_groups",
    "importance",
    "leave_one_out",
    "macs",
    "narrow",
    "plan",
    "reduce_embedding_dim",
    "remove",
    "zeroed",
]
