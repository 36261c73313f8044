"""The shape of a pruned model in its configuration, and opening models of that shape.

Our own students have a field for every width. A transformer of the library has one for the feed-forward width of all
layers and none for the heads of one, so what no field can say goes into ``edgekd_pruned``: the number of units of each
group that has fewer than the other fields say. Any tool can open a folder without that record, only ours one with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification
from transformers.utils import cached_file

from edgekd.compress import qat
from edgekd.compress.prune.select import select
from edgekd.compress.prune.structure import all_groups, hidden_and_heads
from edgekd.errors import InvalidArtifact

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

    from edgekd.compress.prune.structure import Group

RECORD = "edgekd_pruned"


def write_shape(model: PreTrainedModel) -> None:
    """Let the configuration of a model say how many units each of its groups has."""
    config, groups = model.config, all_groups(model)
    widths = [group.count for group in groups]
    if config.model_type == "edgekd-bag":
        config.hidden_dim = widths[0]
    elif config.model_type == "edgekd-cnn":
        config.filters = _one_if_equal(widths)
    elif config.model_type in ("edgekd-bilstm", "edgekd-bigru"):
        config.hidden_dim = _one_if_equal(widths[::2])  # both directions of a layer have as many
    else:
        _write_transformer(config, groups)


def _one_if_equal(widths: list[int]) -> int | list[int]:
    return widths[0] if len(set(widths)) == 1 else widths


def _write_transformer(config: PreTrainedConfig, groups: list[Group]) -> None:
    ffn_name = "hidden_dim" if config.model_type == "distilbert" else "intermediate_size"
    ffn = {group.count for group in groups if group.unit == "ffn"}
    if len(ffn) == 1:
        setattr(config, ffn_name, ffn.pop())
    usual = {"ffn": getattr(config, ffn_name), "heads": hidden_and_heads(config)[1]}
    record = {group.name: group.count for group in groups if group.count != usual[group.unit]}
    if record:
        setattr(config, RECORD, record)
    elif hasattr(config, RECORD):
        delattr(config, RECORD)


def is_recorded(config: PreTrainedConfig) -> bool:
    """Return whether only :func:`open_pruned` can open a model with this configuration."""
    return bool(getattr(config, RECORD, None))


def open_pruned(source: str, config: PreTrainedConfig, *, fresh_head: bool = False) -> PreTrainedModel:
    """Open a classifier whose configuration has a record of removed units; it rounds if it was trained to.

    Args:
        source: folder or hub id.
        config: its configuration.
        fresh_head: the configuration has other labels than the file, so a head of another size stays random.

    Raises:
        InvalidArtifact: when the weights cannot be read, or the record or the weights do not fit.
    """
    model = AutoModelForSequenceClassification.from_config(config)
    _shrink(model, getattr(config, RECORD), source)
    if qat.is_recorded(config):
        qat.insert_recorded(model)  # its ranges are among the weights
    try:
        state = load_file(str(cached_file(source, "model.safetensors")))
    except (OSError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InvalidArtifact(f"The weights of the pruned model '{source}' cannot be read: {reason}") from error
    own = model.state_dict()
    other = [name for name in state if name in own and state[name].shape != own[name].shape]
    if fresh_head and all(name.startswith("classifier.") for name in other):
        state |= {name: own[name] for name in other}
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).strip().splitlines()[-1].strip()
        raise InvalidArtifact(f"The weights of the pruned model '{source}' do not fit its {RECORD}: {first}") from error
    return model.eval()


def _shrink(model: PreTrainedModel, record: Any, source: str) -> None:
    groups = {group.name: group for group in all_groups(model)}
    if not isinstance(record, dict):
        raise InvalidArtifact(f"{RECORD} in the configuration of '{source}' is no table of numbers.")
    for name, count in record.items():
        if name not in groups:
            raise InvalidArtifact(
                f"{RECORD} in the configuration of '{source}' names '{name}', which it does not have."
            )
        if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= groups[name].count:
            raise InvalidArtifact(
                f"{RECORD} in the configuration of '{source}' has {count!r} units for '{name}'. "
                f"Allowed: 1 to {groups[name].count}."
            )
    select(model, {name: list(range(count)) for name, count in record.items()})
