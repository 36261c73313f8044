"""Measurements that are kept: what an equal session found is used again, completed where its schema knew less."""

from __future__ import annotations

import json

import pytest

from edgekd import sessions
from edgekd.bench.variants import variant_of
from edgekd.bundle import load_bundle, write_manifest
from edgekd.config import BenchConfig
from edgekd.data.types import Examples
from edgekd.devices import find_profile
from edgekd.progress import Silent
from edgekd.provenance import LineageStep, ParityFigures
from edgekd.results import load_result, save_result
from edgekd.sessions import measure_once
from tests.bundles import make_bundle
from tests.results import make_result

PARITY = ParityFigures(texts=9, max_abs_diff=0.1, mean_abs_diff=0.01, label_flips=1)
LINEAGE = [LineageStep(step="student", name="bag", hash="a" * 64, details={"texts": 9})]


@pytest.fixture
def variant(tmp_path):
    bundle = make_bundle(tmp_path / "bundle", name="bag-fp32")
    write_manifest(bundle.folder, bundle.manifest.model_copy(update={"lineage": LINEAGE, "parity": PARITY}))
    return variant_of(load_bundle(bundle.folder), bundle.folder)


def measured(variant, out):
    return measure_once(
        [variant],
        out,
        profile=find_profile("cpu"),
        config=BenchConfig(),
        texts=Examples(["a", "b"], [0, 1]),
        warm_up_texts=["c"],
        data_name="toy",
        progress=Silent(),
    )


def test_results_of_an_older_schema_get_what_their_bundle_says(variant, tmp_path, monkeypatch):
    runs = []

    def run_bench(variants, *, out, **_):
        runs.append(variants)
        result = make_result(variant=variants[0].name, lineage=LINEAGE, parity=PARITY)
        save_result(result, out / f"{result.variant}.result.json")
        return [result]

    monkeypatch.setattr(sessions, "run_bench", run_bench)
    out = tmp_path / "results"
    [first] = measured(variant, out)
    file = out / "bag-fp32.result.json"
    raw = json.loads(file.read_text(encoding="utf-8"))
    old = {key: value for key, value in raw.items() if key not in {"parity", "settings"}}
    file.write_text(json.dumps(old | {"schema_version": 3, "lineage": [f"student:bag@{'a' * 12}"]}), encoding="utf-8")
    assert measured(variant, out) == [first]
    assert len(runs) == 1
    assert load_result(file) == first
    before = file.stat().st_mtime_ns
    assert measured(variant, out) == [first]
    assert file.stat().st_mtime_ns == before
