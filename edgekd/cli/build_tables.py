"""The tables that ``teach`` and ``distill`` end with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgekd.score_text import score_text

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from edgekd.bundle import Manifest
    from edgekd.pipeline import DistillOutcome
    from edgekd.tasks import TaskKind

# The columns of a score table by task: key and heading.
_COLUMNS = {
    "single-label": {
        "accuracy": "accuracy",
        "macro_precision": "precision",
        "macro_recall": "recall",
        "macro_f1": "F1",
        "ece": "ECE",
    },
    "multi-label": {
        "macro_f1": "macro F1",
        "micro_f1": "micro F1",
        "map": "mAP",
        "subset_accuracy": "subset accuracy",
        "ece": "ECE",
    },
    "regression": {"pearson": "Pearson", "spearman": "Spearman", "rmse": "RMSE", "mae": "MAE"},
}
_CLASS_KEYS = {
    "accuracy": None,
    "macro_precision": "precision",
    "macro_recall": "recall",
    "macro_f1": "f1",
    "micro_f1": None,
    "map": "average_precision",
}


def _number(scores: dict[str, Any], key: str | None) -> str:
    if key is None or scores.get(key) is None:
        return ""
    return score_text(key, scores[key])


def show_teacher(out: Path, metrics: dict[str, Any], task: TaskKind, as_json: bool) -> None:
    """Print a teacher's scores on validation, test and further data, label by label."""
    from rich.markup import escape
    from rich.table import Table

    from edgekd.cli.common import print_json, stdout_console

    if as_json:
        print_json({"teacher": str(out), **metrics})
        return
    columns = _COLUMNS[task.value]
    table = Table(title=f"Teacher {escape(str(out))}", title_justify="left")
    for heading in ("split", "texts", *columns.values()):
        table.add_column(heading, justify="left" if heading == "split" else "right")
    splits = {"validation": metrics["validation"], "test": metrics["test"], **metrics.get("evaluate", {})}
    for split, scores in splits.items():
        table.add_row(escape(split), f"{scores['count']:,}", *(_number(scores, key) for key in columns))
        for row in scores.get("classes", []) if split == "test" else []:
            cells = (_number(row, _CLASS_KEYS.get(key)) for key in columns)
            table.add_row(f"  {escape(row['label'])}", f"{row['support']:,}", *cells)
    stdout_console().print(table)


def _rows(outcome: DistillOutcome) -> list[dict[str, Any]]:
    metric = outcome.data.task.main_metric
    rows = []
    for target, bundles in outcome.bundles.items():
        for bundle in bundles:
            manifest = bundle.manifest
            proof = manifest.proof
            rows.append(
                {
                    "target": target,
                    "bundle": str(bundle.folder),
                    "name": manifest.name,
                    "size_bytes": bundle.size_bytes,
                    "label_flips": manifest.parity.label_flips if manifest.parity else None,
                    "parity_texts": manifest.parity.texts if manifest.parity else None,
                    "metric": metric,
                    "test_torch": _torch_score(manifest, metric),
                    "proof": proof.model_dump(mode="json") if proof else None,
                }
            )
    return rows


def _torch_score(manifest: Manifest, metric: str) -> float | None:
    """Return the test score of the model behind an fp32 bundle, as scored in torch."""
    found = [one.value for one in manifest.metrics if one.name == metric and one.split == "test"]
    return found[0] if found else None


def show_outcome(outcome: DistillOutcome, as_json: bool) -> None:
    """Print the bundles, whether the teacher helped, scores on further data, what was dropped, and what to do next."""
    from rich.markup import escape

    from edgekd.cli.common import print_json, stdout_console

    if as_json:
        further = {"tasks": {name: _as_dict(part) for name, part in outcome.tasks.items()}} if outcome.tasks else {}
        print_json({**_as_dict(outcome), **further})
        return
    console = stdout_console()
    for name, part in {"": outcome, **outcome.tasks}.items():
        if name:
            console.rule(f"Task {escape(name)}", align="left")
        _show_bundles(part, _rows(part), console)
        _show_help(part, console)
        if part.data.evaluate:
            _show_further(part, console)
        for target in part.bundles:
            _show_ladder(part, target, console)
            bundles = part.folder.bundles(target)
            console.print(f"Next: edgekd bench {bundles}/* --target {target}", soft_wrap=True, highlight=False)


def _as_dict(outcome: DistillOutcome) -> dict[str, Any]:
    records = {name: student.record for name, student in outcome.students.items()}
    return {
        "run": str(outcome.folder.root),
        "bundles": _rows(outcome),
        "evaluate": {name: record["evaluate"] for name, record in records.items()},
        "self_training": {n: record["self_training"] for n, record in records.items() if "self_training" in record},
        "teachers_together": outcome.together,
        "decisions": [decision.model_dump(mode="json") for decision in outcome.decisions],
    }


def _show_bundles(outcome: DistillOutcome, rows: list[dict[str, Any]], console: Console) -> None:
    from rich.markup import escape
    from rich.table import Table

    from edgekd import units

    metric = outcome.data.task.main_metric
    table = Table(title="Bundles", title_justify="left")
    for heading in ("target", "bundle"):
        table.add_column(heading)
    for heading in ("size", f"test {metric.replace('_', ' ')} (torch)", "labels changed"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            escape(row["target"]),
            escape(row["name"]),
            units.size(row["size_bytes"]),
            "" if row["test_torch"] is None else score_text(metric, row["test_torch"]),
            "" if row["label_flips"] is None else f"{row['label_flips']} of {row['parity_texts']}",
        )
    console.print(table)


def _show_ladder(outcome: DistillOutcome, target: str, console: Console) -> None:
    """Print what was tried for a target, what became of it, and why."""
    from edgekd.report.ladder_terminal import render_decisions

    if len(outcome.bundles) > 1:
        console.rule(f"Target {target}", align="left")
    for part in render_decisions([decision for decision in outcome.decisions if decision.target == target]):
        console.print(part, highlight=False)


def _show_help(outcome: DistillOutcome, console: Console) -> None:
    """Say for each student whether the teacher helped, and what several teachers and self-training did."""
    from rich.markup import escape

    for name, student in outcome.students.items():
        console.print(f"{escape(name)}: {escape(student.proof.words)}", highlight=False, soft_wrap=True)
        if "self_training" in student.record:
            console.print(f"  {escape(student.record['self_training']['words'])}", highlight=False, soft_wrap=True)
    if outcome.together is not None:
        metric = outcome.data.task.main_metric
        alone, together = outcome.teacher["test"][metric], outcome.together[metric]
        both, one = score_text(metric, together), score_text(metric, alone)
        words = f"Teachers together: test {metric.replace('_', ' ')} {both}; the first alone {one}"
        console.print(words, highlight=False)


def _show_further(outcome: DistillOutcome, console: Console) -> None:
    """Print the scores on the sources of ``data.evaluate``."""
    from rich.markup import escape
    from rich.table import Table

    metric = outcome.data.task.main_metric
    table = Table(title=f"Further data: {metric.replace('_', ' ')}", title_justify="left")
    table.add_column("model")
    for name in ("test", *outcome.data.evaluate):
        table.add_column(escape(name), justify="right")
    for model, record in [("teacher", outcome.teacher), *((n, s.record) for n, s in outcome.students.items())]:
        further = [record["evaluate"][name] for name in outcome.data.evaluate]
        table.add_row(escape(model), *(score_text(metric, scores[metric]) for scores in (record["test"], *further)))
    console.print(table)
