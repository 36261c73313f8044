"""What is left of a failed parity check: a folder beside the target, for a person to see what went wrong."""

from __future__ import annotations

import csv
import io
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd.analysis.parity import answers_in_words, shown
from edgekd.artifacts import publish_folder, write_json_atomic, write_text_atomic

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgekd.tasks import Calibration, Task

Logits = np.ndarray[Any, Any]

SUFFIX = ".failed"
ROWS = 100  # of worst.csv
TEXT_CHARACTERS = 500

_README = """{name} failed its parity check
{line}
The graph in this folder does not say what the model that it was made from says:

{reasons}

parity.json   the figures, the limits, and the reasons above
worst.csv     the {rows} texts with the largest differences: what was expected, what the graph said
logits.npz    all logits, expected_NAME and actual_NAME, of the checks in worst.csv ({checks})
{graph}
Checks: "alone" is one text a call, "padded" short texts in a batch with long ones, "hostile" texts that break
tokenizers and graphs. Nothing was published. A later export that passes removes this folder.
"""


@dataclass(frozen=True)
class Compared:
    """Some texts, what the model said, and what the graph said; logits ``(texts, outputs)``."""

    check: str  # "alone", "padded", "hostile"
    texts: Sequence[str]
    expected: Logits
    actual: Logits

    @property
    def difference(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Largest difference of a logit of each text; infinite where one is not finite or the shapes differ."""
        if self.expected.shape != self.actual.shape:
            return np.full(len(self.texts), np.inf)
        with np.errstate(invalid="ignore"):
            apart = np.abs(self.expected.astype(np.float64) - self.actual.astype(np.float64)).max(axis=1)
        return np.where(np.isfinite(apart), apart, np.inf)


def evidence_folder(target: Path) -> Path:
    """Return where the evidence against ``target`` goes."""
    return target.with_name(target.name + SUFFIX)


def write_evidence(
    folder: Path,
    *,
    name: str,
    reasons: Sequence[str],
    figures: dict[str, Any],
    graph: Path,
    compared: Sequence[Compared],
    task: Task,
    calibration: Calibration,
) -> None:
    """Write the evidence; an older one is replaced.

    Args:
        folder: see :func:`evidence_folder`.
        name: of what failed.
        reasons: in sentences.
        figures: for ``parity.json``.
        graph: folder whose files are kept, without those of other stages.
        compared: what was asked; empty when the graph could not be run.
        task: what the logits are.
        calibration: how logits become answers.
    """
    with publish_folder(folder) as building:
        files = [path for path in sorted(graph.iterdir()) if path.is_file() and path.suffix != ".json"]
        for path in files:
            _keep(path, building / path.name)
        write_json_atomic(building / "parity.json", {"name": name, "reasons": list(reasons), **figures})
        rows = _worst(compared, task, calibration)
        write_text_atomic(building / "worst.csv", _as_csv(rows))
        arrays: dict[str, Any] = {}
        for part in compared:
            arrays |= {f"expected_{part.check}": part.expected, f"actual_{part.check}": part.actual}
        np.savez(building / "logits.npz", allow_pickle=False, **arrays)
        readme = _README.format(
            name=name,
            line="=" * (len(name) + 25) + "\n",
            reasons="\n".join(f"- {reason}" for reason in reasons),
            rows=len(rows) - 1,
            checks=", ".join(part.check for part in compared) or "none: the graph did not run",
            graph="".join(f"{path.name:14}the graph\n" for path in files),
        )
        write_text_atomic(building / "README.txt", readme)


def remove_evidence(folder: Path) -> None:
    """Remove the evidence of an earlier failure, if there is one."""
    shutil.rmtree(folder, ignore_errors=True)


def _keep(source: Path, target: Path) -> None:
    """Link a file, or copy it where links are not possible; graphs are large, and the source is about to go."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def _worst(compared: Sequence[Compared], task: Task, calibration: Calibration) -> list[list[str]]:
    """Return the rows of ``worst.csv``, the heading first."""
    found = [(float(apart), part, i) for part in compared for i, apart in enumerate(part.difference)]
    found.sort(key=lambda entry: -entry[0])
    rows = [["check", "text", "expected", "actual", "max_abs_diff", "expected_logits", "actual_logits"]]
    for apart, part, i in found[:ROWS]:
        said = [_in_words(task, logits[i], calibration) for logits in (part.expected, part.actual)]
        logits = [" ".join(f"{value:.6g}" for value in side[i]) for side in (part.expected, part.actual)]
        rows.append([part.check, shown(part.texts[i], TEXT_CHARACTERS), *said, f"{apart:.6g}", *logits])
    return rows


def _in_words(task: Task, logits: Logits, calibration: Calibration) -> str:
    """Return the answer of one text; nothing can be said where logits are not finite or too few."""
    if len(logits) != task.num_outputs or not np.isfinite(logits).all():
        return "?"
    return answers_in_words(task, logits[None], calibration)[0]


def _as_csv(rows: Sequence[Sequence[str]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()
