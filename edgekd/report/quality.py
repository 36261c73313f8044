"""The columns about quality: which there are follows from the task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd import units
from edgekd.report.cells import Cell, Column, correlation, error, missing, plain, share
from edgekd.results import Role
from edgekd.score_text import change_interval, change_text
from edgekd.tasks import MAIN_METRIC, TaskKind

if TYPE_CHECKING:
    from edgekd.analysis.stats import Summary
    from edgekd.results import BenchResult

QUALITY = "Quality"
_ECE = Column(
    "ece", "ECE", QUALITY, "gap between calibrated probability and how often it is right, mean over 15 bins (Guo 2017)"
)
_GAIN = "main score of the distilled student minus that of the same student trained without the teacher"
QUALITY_COLUMNS = {
    TaskKind.SINGLE_LABEL: [
        Column("accuracy", "accuracy", QUALITY, "share of right labels, Wilson interval"),
        Column("macro_f1", "macro F1", QUALITY, "unweighted mean of the labels' F1"),
        Column("agreement", "agrees with teacher", QUALITY, "share of texts with the teacher's label"),
        Column("kd_gain", "KD gain", QUALITY, f"{_GAIN} (accuracy)"),
        _ECE,
    ],
    TaskKind.MULTI_LABEL: [
        Column("macro_f1", "macro F1", QUALITY, "unweighted mean of the labels' F1 at their thresholds"),
        Column("micro_f1", "micro F1", QUALITY, "F1 of all decisions together"),
        Column("map", "mAP", QUALITY, "mean over labels of the average precision; needs no thresholds"),
        Column(
            "agreement", "agrees with teacher", QUALITY, "share of decisions (a label of a text) like the teacher's"
        ),
        Column("kd_gain", "KD gain", QUALITY, f"{_GAIN} (macro F1)"),
        _ECE,
    ],
    TaskKind.REGRESSION: [
        Column("pearson", "Pearson", QUALITY, "correlation with the true values"),
        Column("spearman", "Spearman", QUALITY, "correlation of the ranks"),
        Column("rmse", "RMSE", QUALITY, "root mean squared error, in the units of the data"),
        Column("mae", "MAE", QUALITY, "mean absolute error, in the units of the data"),
        Column("teacher_pearson", "follows teacher", QUALITY, "correlation with the teacher's values"),
        Column("kd_gain", "KD gain", QUALITY, f"{_GAIN} (Pearson)"),
    ],
}
NO_TRUTH = "the texts have no labels"
NO_TEACHER = "no teacher was measured"


def quality_cells(result: BenchResult, summary: Summary) -> dict[str, Cell]:
    """Return the cells of :data:`QUALITY_COLUMNS` for the task of a result."""
    task = result.quality.task
    known = summary.scores
    agreement = share(summary.agreement, NO_TEACHER)
    shared = {"kd_gain": _gain(result, summary)}
    if task is TaskKind.REGRESSION:
        return {
            **shared,
            "pearson": correlation(summary.main, NO_TRUTH),
            "spearman": plain(known.get("spearman"), units.correlation, NO_TRUTH),
            "rmse": error(summary.intervals.get("rmse"), NO_TRUTH),
            "mae": error(summary.intervals.get("mae"), NO_TRUTH),
            "teacher_pearson": plain(summary.fidelity.get("pearson"), units.correlation, NO_TEACHER),
        }
    no_logits = "stored without logits" if known else NO_TRUTH
    shared |= {"agreement": agreement, "ece": plain(known.get("ece"), units.percent, no_logits)}
    if task is TaskKind.SINGLE_LABEL:
        macro_f1 = plain(known.get("macro_f1"), units.percent, NO_TRUTH)
        return {**shared, "accuracy": share(summary.main, NO_TRUTH), "macro_f1": macro_f1}
    return {
        **shared,
        "macro_f1": share(summary.main, NO_TRUTH),
        "micro_f1": share(summary.intervals.get("micro_f1"), NO_TRUTH),
        "map": plain(known.get("map"), units.percent, NO_TRUTH),
    }


def _gain(result: BenchResult, summary: Summary) -> Cell:
    if result.role is Role.TEACHER:
        return missing("the teacher itself", blank=True)
    if summary.gain is None:
        return missing("no control was trained")
    metric, e = MAIN_METRIC[result.quality.task], summary.gain
    interval = change_interval(metric, e.low, e.high)
    return Cell(change_text(metric, e.value, e.low, e.high), interval, e.value, e.low, e.high, e.n)
