"""``report.json``: every report fits the documented schema, and its numbers are raw and as shown."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from edgekd.decisions import Decision
from edgekd.measurements import Energy, Estimate, Moment
from edgekd.provenance import LineageStep, ParityFigures
from edgekd.report.export import SCHEMA_VERSION, to_json_value
from edgekd.report.export_csv import to_csv
from edgekd.report.model import build_report
from edgekd.results import Evidence, Samples
from edgekd.tasks import TaskKind
from tests.results import make_result, make_session, make_task_session, make_teacher

DOCS = Path(__file__).parents[2] / "docs"
FULL = {
    "parity": ParityFigures(texts=872, max_abs_diff=1e-6, mean_abs_diff=1e-7, label_flips=0),
    "lineage": [LineageStep(step="teacher", name="t", hash="ab" * 32, details={"texts": 7})],
    "energy": [Energy(source="pmic", idle_w=2.0, joules=j, seconds=5.0, calls=1000) for j in (12.0, 13.0)],
    "estimates": [
        Estimate(kind="analytic", target="pi", tokens=20, latency_s=0.01, low_s=0.005, high_s=0.02, basis="operators")
    ],
    "machine_over_time": [Moment(at_s=0.0, throttled=["capped"])],
}
CASES = {
    "session": make_session(),
    "full": [make_teacher(**FULL), make_result(**FULL)],
    "teacher only": [make_teacher()],
    "multi-label": make_task_session(TaskKind.MULTI_LABEL),
    "regression": make_task_session(TaskKind.REGRESSION),
    "emulated": [make_result(evidence=Evidence.EMULATED, samples=Samples(), warm_up=Samples(), load_time_s=None)],
}


def report(results, **options):
    return build_report(results, title="t", host_targets={"cpu"}, resamples=50, **options)


@pytest.mark.parametrize("case", CASES)
def test_every_report_fits_the_schema(case):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((DOCS / "report.schema.json").read_text(encoding="utf-8"))
    choice = Decision(variant="cnn-int8", target="cpu", kept=True, status="best", reason="r", evidence="host")
    value = json.loads(json.dumps(to_json_value(report(CASES[case], decisions=[choice])), allow_nan=False))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(value)


def test_the_page_documents_the_version_and_every_key():
    text = (DOCS / "reports.md").read_text(encoding="utf-8")
    assert f"| `schema_version` | {SCHEMA_VERSION} |" in text
    value = to_json_value(report(CASES["full"]))
    for key in [*value, *value["sections"][0], *value["sections"][0]["recommendation"]]:
        assert f"`{key}`" in text


def test_numbers_are_raw_and_as_shown():
    [section] = to_json_value(report(make_session()))["sections"]
    row = next(row for row in section["rows"] if row["name"] == "cnn-int8")
    assert row["metrics"]["size_bytes"] == {
        **{"value": 4_600_000, "low": None, "high": None, "n": None},
        **{"text": "4.60 MB", "interval": None, "missing": None},
    }
    p50 = row["metrics"]["p50_s"]
    assert p50["low"] < p50["value"] < p50["high"]
    assert p50["interval"]


def test_csv_says_which_variant_is_recommended_and_on_which_front():
    built = report(make_session())
    [section] = built.sections
    rows = {row["variant"]: row for row in csv.DictReader(io.StringIO(to_csv(built)))}
    chosen = [name for name, row in rows.items() if row["recommended"] == "True"]
    assert chosen == [section.recommendation.variant]
    for cost, names in section.fronts.items():
        assert {name for name, row in rows.items() if cost in row["front"].split()} == set(names)
