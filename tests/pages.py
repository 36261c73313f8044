"""Reports with every part of the HTML page, and with texts that try to leave it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from edgekd.decisions import Decision
from edgekd.report.calibration import CalibrationRow
from edgekd.report.cells import Cell, missing
from edgekd.report.confusion import ConfusedPair, Confusion, ErrorRange, LabelCounts
from edgekd.report.flips import Flip
from edgekd.report.lineage import Lineage, LineageRow
from edgekd.report.model import build_report
from edgekd.report.parity import HEADINGS as PARITY_HEADINGS
from edgekd.report.parity import ParityRow
from edgekd.report.recommendation import BudgetCheck, Recommendation
from tests.results import make_result, make_session, make_teacher

if TYPE_CHECKING:
    from edgekd.report.model import Report, Section

SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(1)>'
RIGHT_TO_LEFT = "\u202e\u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u05e2\u05d1\u05e8\u05d9\u05ea"
LONG = "Donaudampfschifffahrtsgesellschaft" * 9
TEMPLATE = "{{ 7 * 7 }}{% raw %}</style></title></svg>]]>--><!--"
HOSTILE = (SCRIPT, IMAGE, RIGHT_TO_LEFT, LONG, TEMPLATE)


@cache
def full_report() -> Report:
    """Return a report whose sections, one for each of two targets, have every part."""
    results = [*make_session(), *(each.model_copy(update={"target": "pi4"}) for each in make_session())]
    built = build_report(results, title="toy", host_targets={"cpu"}, resamples=100, run={"commands": ["make demo"]})
    return replace(built, sections=[_filled(section, "positive", "A good film.") for section in built.sections])


def hostile_report() -> Report:
    """Return a report in which all that a user can name is hostile."""
    results = [make_teacher(data_name=IMAGE), *(_student(i, text) for i, text in enumerate(HOSTILE))]
    everything = " ".join(HOSTILE)
    decision = Decision(variant=SCRIPT, target="cpu", kept=False, reason=everything, evidence="host", model=IMAGE)
    built = build_report(
        results,
        title=SCRIPT,
        decisions=[decision],
        host_targets={"cpu"},
        resamples=100,
        run={"commands": [everything], "recipe": everything},
    )
    return replace(built, sections=[_filled(section, everything, everything) for section in built.sections])


def _student(number: int, text: str):
    return make_result(
        variant=text, kind=text, precision=text, notes=[text], p50_s=0.0005 * (number + 1), artifact=text, seed=number
    )


def _filled(section: Section, label: str, text: str) -> Section:
    rows = section.table.rows
    name = next(row.name for row in rows if not row.is_teacher)
    number = Cell("1.20 ms", "1.10 to 1.30", 0.0012, 0.0011, 0.0013, 400)
    checks = [
        BudgetCheck("p95", number, Cell("20 ms", value=0.02), True, "host"),
        BudgetCheck("size", number, Cell("1 MB", value=1e6), False, "host", text),
        BudgetCheck("peak RSS", missing("not measured"), Cell("80 MB", value=8e7), None, "", text),
    ]
    steps = [LineageRow(step, label, "0123456789ab", text) for step in ("teacher", "labels", "student", "export")]
    flip = Flip(name, 12, text, label, label, number, "other", number, True, False)
    confusions = [
        *(Confusion(row.name, [label, "other"], 400, [[180, 20], [30, 170]]) for row in rows[:4]),
        Confusion("many", [label], 400, pairs=[ConfusedPair(label, text, 7)], more_pairs=3),
        Confusion("several", [label], 400, per_label=[LabelCounts(label, 1, 2, 3, 4)]),
        Confusion("values", [], 400, ranges=[ErrorRange(number, 40, number, number)]),
    ]
    return replace(
        section,
        recommendation=Recommendation(
            name, f"Ship {name}: {text}", [text, "It is the fastest.", "Second.", "Third.", "Fourth."], checks, False
        ),
        lineage=[Lineage(row.name, steps) for row in rows],
        parity=[ParityRow(row.name, tuple([number] * (len(PARITY_HEADINGS) - 1))) for row in rows],
        calibrations=[CalibrationRow(row.name, (number, number, number)) for row in rows],
        confusions=confusions,
        flips=[flip, replace(flip, variant="hidden", text="", truth="")],
        texts_note=text,
    )
