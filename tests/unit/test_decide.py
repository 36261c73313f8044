"""What the test texts say of variants that were kept on validation texts, and the log of decisions."""

from __future__ import annotations

import json

import pytest

from edgekd.analysis.decide import confirm
from edgekd.decisions import Decision, Span, load_decisions, save_decisions
from edgekd.errors import InvalidArtifact
from tests.results import make_result

BASE = make_result(variant="cnn-fp32", precision="fp32", size_bytes=16_000_000, accuracy=0.86, texts=1000)


def kept(**changes):
    facts = {
        "variant": "cnn-vocab-int8",
        "target": "cpu",
        "kept": True,
        "reason": "smaller.",
        "evidence": "host",
        "model": "cnn",
        "base": "cnn-fp32",
        "size_bytes": 4_000_000,
        "base_size_bytes": 16_000_000,
        "latency_ratio": Span(value=0.8, low=0.79, high=0.81),
    }
    return Decision(**(facts | changes))


def measured(variant="cnn-vocab-int8", **changes):
    same = {"accuracy": 0.86, "texts": 1000, "p50_s": 0.0004, "size_bytes": 4_000_000}
    return make_result(variant=variant, **(same | changes))


@pytest.mark.parametrize(
    ("accuracy", "confirmed", "words"),
    [
        (0.86, True, "proven within 1 point on test texts: accuracy 0.0 points ["),
        (0.855, None, "cannot tell on test texts whether it stays within 1 point: accuracy -0.50 points ["),
        (
            0.8,
            False,
            "WARNING: loses more than 1 point on test texts, which validation texts did not show: accuracy -6",
        ),
    ],
)
def test_test_texts_confirm_a_kept_variant_or_warn(accuracy, confirmed, words):
    [found] = confirm([kept()], [BASE, measured(accuracy=accuracy)], max_drop=0.01)
    assert (found.kept, found.status, found.reason) == (True, "kept", "smaller.")
    assert found.test.confirmed is confirmed
    assert found.test.words.startswith(words)
    assert found.test.texts == 1000
    assert found.test.score_change.value == pytest.approx(accuracy - 0.86)
    assert found.test.latency_ratio.value == pytest.approx(0.8, rel=0.05)


def test_another_allowed_loss_gives_another_answer():
    results = [BASE, measured(accuracy=0.85)]
    answers = [confirm([kept()], results, max_drop=allowed)[0].test.confirmed for allowed in (0.001, 0.01, 0.1)]
    assert answers == [False, None, True]


@pytest.mark.parametrize(
    "decision",
    [
        kept(status="dropped", kept=False),
        kept(variant="cnn-fp32"),
        kept(variant="cnn-int4"),
        kept(model="", base="", status="best"),
    ],
)
def test_there_is_nothing_to_confirm_of_bases_choices_and_what_was_not_measured(decision):
    assert confirm([decision], [BASE, measured(), measured("cnn-int8")], max_drop=0.01) == [decision]


def test_without_its_base_nothing_is_confirmed():
    assert confirm([kept()], [measured()], max_drop=0.01) == [kept()]


def test_older_decisions_have_the_base_that_their_name_says():
    older = kept(variant="cnn-int8", model="", base="", size_bytes=None, base_size_bytes=None, latency_ratio=None)
    [found] = confirm([older], [BASE, measured("cnn-int8")], max_drop=0.01)
    assert found.test.confirmed
    assert found.test.latency_ratio is not None


def test_latency_that_says_nothing_is_not_compared_on_test_texts_either():
    [found] = confirm([kept(latency_ratio=None)], [BASE, measured()], max_drop=0.01)
    assert found.test.latency_ratio is None
    assert found.test.words.endswith("latency not compared")


# The log


@pytest.mark.parametrize(("kept_", "status"), [(True, "kept"), (False, "dropped")])
def test_older_entries_get_the_status_that_kept_says(tmp_path, kept_, status):
    entry = {"variant": "cnn-int8", "target": "cpu", "kept": kept_, "reason": "r", "evidence": "host"}
    (tmp_path / "decisions.json").write_text(json.dumps([entry]))
    [found] = load_decisions(tmp_path)
    assert (found.status, found.model, found.proven, found.size_ratio, found.is_base) == (status, "", None, None, False)


def test_a_log_with_everything_round_trips(tmp_path):
    [full] = confirm([kept(status="best", steps=["vocab", "int8"])], [BASE, measured()], max_drop=0.01)
    failed = kept(variant="cnn-qat", kept=False, status="failed", reason="diverged", size_bytes=None)
    save_decisions([full, failed], tmp_path)
    assert load_decisions(tmp_path) == [full, failed]


def test_a_status_that_kept_contradicts_is_damage(tmp_path):
    save_decisions([kept()], tmp_path)
    path = tmp_path / "decisions.json"
    path.write_text(path.read_text().replace('"kept": true', '"kept": false'))
    with pytest.raises(InvalidArtifact, match="kept is False and status is kept"):
        load_decisions(tmp_path)


def test_the_choice_among_all_models_has_no_model():
    assert kept(model="", status="best").is_choice
    assert kept(model="", status="nearest-miss").is_choice
    assert not kept(model="").is_choice
    assert not kept(status="best").is_choice
