"""Every int8 flavour of an fp32 graph, to see on which processor which of them says something else.

Needs the ``train`` extra, because quantizing needs onnx. What a flavour costs in accuracy is not asked here, so static
int8 is calibrated with the very texts that are answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from edgekd.devices import Int8
from edgekd.errors import InvalidArtifact, MissingExtra, NotApplicable
from edgekd.runtime.tokenization import open_encoder, pad_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edgekd.bundle import Bundle
    from edgekd.progress import Progress


@dataclass(frozen=True)
class Flavour:
    """One way to make an int8 graph; ``precise``: opened as edgekd opens it on a processor where int8 saturates."""

    activation: str = "uint8"
    weight: str = "int8"
    static: bool = False
    per_channel: bool = False
    reduce_range: bool = False
    precise: bool = False

    @property
    def name(self) -> str:
        """How tables call it: "U8S8 dynamic, per channel, reduce_range"."""
        signs = "".join({"uint8": "U8", "int8": "S8"}[kind] for kind in (self.activation, self.weight))
        parts = [f"{signs} {'static QDQ' if self.static else 'dynamic'}"]
        parts += ["per channel"] * self.per_channel + ["reduce_range"] * self.reduce_range
        return ", ".join([*parts, *(["x64quantprecision"] * self.precise)])


FLAVOURS = (
    Flavour(),
    Flavour(reduce_range=True),
    Flavour(precise=True),
    Flavour(per_channel=True),
    Flavour(per_channel=True, reduce_range=True),
    Flavour(per_channel=True, precise=True),
    Flavour(weight="uint8"),
    Flavour(static=True, per_channel=True),
    Flavour(static=True, per_channel=True, reduce_range=True),
    Flavour(static=True, per_channel=True, precise=True),
    Flavour(activation="int8", static=True, per_channel=True),
)


@dataclass(frozen=True)
class Made:
    """A graph of a flavour.

    Attributes:
        name: of the flavour.
        path: of the graph; None when it cannot be made.
        precise: to be opened as on a processor where int8 saturates; else without any help.
        refusal: why it cannot be made.
    """

    name: str
    path: Path | None
    precise: bool = False
    refusal: str = ""


def make_flavours(bundle: Bundle, texts: Sequence[str], folder: Path, progress: Progress) -> Iterator[Made]:
    """Yield the graphs of all flavours of an fp32 bundle.

    Args:
        bundle: with an fp32 graph of ONNX Runtime.
        texts: calibrate static flavours.
        folder: where the graphs go.
        progress: told where the work stands.

    Raises:
        MissingExtra: when onnx is not installed.
    """
    if find_spec("onnx") is None:
        raise MissingExtra("onnx", "train")
    encoder = open_encoder(bundle.tokenizer_path, bundle.manifest.max_length, cached=False)
    rows = [row for text in texts if (row := encoder.ids(text))]
    for number, flavour in enumerate(FLAVOURS):
        path = folder / f"{number}.onnx"
        progress.say(f"{bundle.manifest.name}: making {flavour.name}")
        try:
            _make(bundle, flavour, rows, path)
        except (NotApplicable, InvalidArtifact) as error:
            yield Made(flavour.name, None, flavour.precise, error.message)
            continue
        yield Made(flavour.name, path, flavour.precise)


def _make(bundle: Bundle, flavour: Flavour, rows: list[list[int]], path: Path) -> None:
    from edgekd.compress.int8 import dynamic_int8
    from edgekd.compress.static_int8 import static_int8
    from edgekd.steps import StaticInt8Step

    int8 = Int8(
        activation=flavour.activation,
        weight=flavour.weight,
        format="qdq" if flavour.static else "integer-ops",
        per_channel=flavour.per_channel,
        reduce_range=flavour.reduce_range,
        reason="compared",
    )
    if not flavour.static:
        dynamic_int8(bundle.model_path, path, int8)
        return
    pad = pad_id(bundle.tokenizer_path)
    static_int8(bundle.model_path, path, int8, step=StaticInt8Step(), rows=rows, pad_token_id=pad)
