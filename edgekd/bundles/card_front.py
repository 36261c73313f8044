"""What a model card says to hubs, and about the rights: what is known, and that the rest is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgekd.bundles.marks import safe
from edgekd.catalogue import ASSETS

if TYPE_CHECKING:
    from edgekd.bundle import Manifest
    from edgekd.catalogue import Asset

UNKNOWN = "unknown"
_ASSET = "asset:"
# Names that hubs know for our scores.
_HUB_METRICS = {"accuracy": "accuracy", "macro_f1": "f1", "micro_f1": "f1", "pearson": "pearsonr", "rmse": "rmse"}


def front_matter(manifest: Manifest, license_id: str) -> str:
    """Return the YAML block that hubs read.

    A base model is named only where it is a pinned one: of "a/b" in a recipe nobody knows any more whether it was a
    folder or a name on a hub.
    """
    import yaml

    student = ["knowledge-distillation"] if manifest.role == "student" else []
    library = "openvino" if manifest.runtime == "openvino" else "onnx"
    facts: dict[str, Any] = {
        "license": license_id,
        "pipeline_tag": "text-classification",
        "library_name": library,
        "tags": ["edgekd", library, "text-classification", *student, manifest.precision],
    }
    base = _asset(_teacher_source(manifest))
    if base is not None:
        facts["base_model"] = base.source
    if manifest.metrics:
        facts["metrics"] = sorted({_HUB_METRICS[m.name] for m in manifest.metrics if m.name in _HUB_METRICS})
        facts["model-index"] = [{"name": manifest.name, "results": _index_results(manifest)}]
    return f"---\n{yaml.safe_dump(facts, sort_keys=False, allow_unicode=True, width=1000)}---"


def _index_results(manifest: Manifest) -> list[dict[str, Any]]:
    splits = dict.fromkeys(m.split or UNKNOWN for m in manifest.metrics)
    return [
        {
            "task": {"type": "text-classification"},
            "dataset": {"type": manifest.data_name or UNKNOWN, "name": manifest.data_name or UNKNOWN, "split": split},
            "metrics": [
                {"type": _HUB_METRICS.get(m.name, m.name), "name": m.name, "value": round(m.value, 6)}
                for m in manifest.metrics
                if (m.split or UNKNOWN) == split
            ],
        }
        for split in splits
    ]


def licences(manifest: Manifest, license_id: str) -> list[str]:
    """Return what is known of the rights; a pinned asset's licence is known, any other's is not."""
    mine = "unknown: its owner has not said" if license_id == UNKNOWN else safe(license_id)
    said = [f"This model: {mine}."]
    for what, source in (("Base model", _teacher_source(manifest)), ("Data", _data_source(manifest))):
        asset = _asset(source)
        if asset is not None:
            said.append(f"{what}: {safe(asset.name)}, {safe(asset.licence)} ({safe(asset.source)}).")
        else:
            said.append(
                f"{what}: {safe(source or UNKNOWN)}; its licence is not recorded, so check it before you share this."
            )
    return said


def _asset(source: str) -> Asset | None:
    name = source.removeprefix(_ASSET)
    return ASSETS.get(name) if source.startswith(_ASSET) and name in ASSETS else None


def _teacher_source(manifest: Manifest) -> str:
    teacher = manifest.recipe.get("teacher")
    return str(teacher.get("model") or "") if isinstance(teacher, dict) else ""


def _data_source(manifest: Manifest) -> str:
    data = manifest.recipe.get("data")
    return str(data.get("train") or "") if isinstance(data, dict) else ""
