"""The model card of a bundle: README.md as model hubs read it. Pure: a bundle and results in, text out.

Everything that a user named (labels, data, models) is escaped, and texts of the data are left out.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from edgekd import units
from edgekd.bundles.card_front import UNKNOWN, front_matter, licences
from edgekd.bundles.card_numbers import scores, speed
from edgekd.bundles.info import details_text, file_bytes, lengths_text, operators_text
from edgekd.bundles.marks import bullets, code, safe, table
from edgekd.bundles.runner import PACKAGES
from edgekd.results import Evidence
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.bundle import Bundle, Manifest
    from edgekd.results import BenchResult

_MEANING = {
    TaskKind.SINGLE_LABEL: "gives one of these labels to a text",
    TaskKind.MULTI_LABEL: "gives any number of these labels to a text, also none",
    TaskKind.REGRESSION: "gives a number to a text",
}
_OPTIMUM = {"onnxruntime": "ORTModelForSequenceClassification", "openvino": "OVModelForSequenceClassification"}


def model_card(bundle: Bundle, results: Sequence[BenchResult] = (), *, license_id: str = UNKNOWN) -> str:
    """Return the card.

    Args:
        bundle: what it is about.
        results: measurements of this bundle.
        license_id: of the model, as its owner says, for example "apache-2.0".
    """
    manifest = bundle.manifest
    parts = [
        front_matter(manifest, license_id),
        f"# {safe(manifest.name)}",
        _summary(bundle),
        "## Labels" if manifest.task is not TaskKind.REGRESSION else "## Output",
        _labels(manifest),
        "## How to run",
        _how_to_run(bundle),
        "## Scores",
        scores(manifest, results),
        "## Speed and memory",
        speed(manifest, results),
        "## Graph",
        _graph(bundle),
        "## How it was made",
        _lineage(manifest),
        "## Limits",
        bullets(_limits(manifest, results)),
        "## Licence",
        bullets(licences(manifest, license_id)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _summary(bundle: Bundle) -> str:
    manifest = bundle.manifest
    made = f"A text classifier ({manifest.task.value}) that {_MEANING[manifest.task]}."
    if manifest.role == "student":
        made += f" It is a small student ({safe(manifest.kind)}, {safe(manifest.precision)}) of a larger teacher"
        made += f", made with edgekd for the target `{code(manifest.target)}`."
    else:
        made += f" It is a teacher ({safe(manifest.precision)}), exported with edgekd for `{code(manifest.target)}`."
    count = f", {units.count(manifest.parameters)} parameters" if manifest.parameters else ""
    return f"{made} {units.size(bundle.size_bytes)} on disk{count}."


def _labels(manifest: Manifest) -> str:
    if manifest.task is TaskKind.REGRESSION:
        return f"One number: {safe(manifest.labels[0])}, in the units of the data."
    thresholds, temperature = manifest.calibration.thresholds, units.setting(manifest.calibration.temperature)
    if manifest.task is TaskKind.SINGLE_LABEL:
        rows = [(str(index), safe(label)) for index, label in enumerate(manifest.labels)]
        told = f"Probabilities: softmax of the logits divided by {temperature}, fitted on validation texts."
        return f"{table(('output', 'label'), rows)}\n\n{told}"
    chosen = [units.short_number(t) for t in thresholds] if thresholds else ["0.5"] * len(manifest.labels)
    rows3 = [(str(i), safe(label), chosen[i]) for i, label in enumerate(manifest.labels)]
    told = f"Probabilities: sigmoid of the logits divided by {temperature}; a label is given from its threshold on."
    return f"{table(('output', 'label', 'threshold'), rows3)}\n\n{told}"


def _how_to_run(bundle: Bundle) -> str:
    manifest = bundle.manifest
    lines = []
    if manifest.runtime in PACKAGES:
        lines += [
            "```sh",
            f"pip install numpy tokenizers {PACKAGES[manifest.runtime]}",
            'python run.py "a text" "another text"',
            "python run.py --json < texts.txt",
            "```",
            "",
            "`run.py` checks the hash of every file first.",
            "",
        ]
    lines += [
        "With edgekd installed, in the folder above this one:",
        "",
        "```python",
        "import edgekd",
        "",
        f"classify = edgekd.load({json.dumps(code(manifest.name), ensure_ascii=False)})",
        'classify("a text")',
        "```",
    ]
    if manifest.runtime in _OPTIMUM and not manifest.lengths and manifest.batch is None:
        opened = f"`{_OPTIMUM[manifest.runtime]}.from_pretrained`"
        lines += ["", f"Optimum opens the folder too ({opened}), without the calibration of the probabilities."]
    return "\n".join(lines)


def _graph(bundle: Bundle) -> str:
    manifest = bundle.manifest
    operators = operators_text(manifest)
    known = [f"Operators: {operators}" if operators else "", f"Opset {manifest.opset}" if manifest.opset else ""]
    facts = [
        f"Runtime: {safe(manifest.runtime)} ({safe(', '.join(manifest.providers))}).",
        *(f"{fact}." for fact in known if fact),
        f"Inputs: {safe(', '.join(manifest.inputs))}; {lengths_text(manifest)}.",
        f"Texts are cut at {manifest.max_length} tokens.",
    ]
    sizes = [(f"`{code(name)}`", units.size(size)) for name, size in file_bytes(bundle).items()]
    return f"{bullets(facts)}\n\n{table(('file', 'size'), sizes)}"


def _lineage(manifest: Manifest) -> str:
    rows = [
        (safe(s.step), safe(s.name), f"`{code(s.hash[:12])}`", safe(details_text(s.details))) for s in manifest.lineage
    ]
    steps = table(("step", "name", "sha256", "what"), rows) if rows else "No steps are recorded."
    libraries = ", ".join(f"{name} {version}" for name, version in sorted(manifest.libraries.items()))
    made = [steps, f"Data: {safe(manifest.data_name or UNKNOWN)}."]
    return "\n\n".join([*made, f"Made with {safe(libraries)}."] if libraries else made)


def _limits(manifest: Manifest, results: Sequence[BenchResult]) -> list[str]:
    said = [
        "It knows the kind of texts that it was trained on; which languages these were is not recorded.",
        f"Only the first {manifest.max_length} tokens of a text are read.",
    ]
    if manifest.metrics or results:
        said.append("Scores are those of the texts named above; on others they can be lower.")
    if manifest.precision != "fp32":
        said.append(
            f"It computes in {safe(manifest.precision)}: another kind of processor can answer a few texts differently."
        )
    if not any(result.evidence is Evidence.DEVICE for result in results):
        said.append("No number in this card was measured on a board.")
    return said
