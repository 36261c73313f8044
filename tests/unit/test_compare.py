from __future__ import annotations

from functools import partial

import pytest

from edgekd.analysis.compare import Verdict, compare_sets
from edgekd.analysis.compare import compare as compare_fully
from edgekd.errors import EXIT_INVALID, Incomparable
from edgekd.measurements import Moment
from tests.results import make_machine, make_memory, make_result

compare = partial(compare_fully, resamples=200)


def changes(before, after, **options):
    return {change.metric: change for change in compare(before, after, **options).changes}


def test_slower_and_bigger_is_worse():
    found = changes(make_result(), make_result(p50_s=0.0006, size_bytes=5_060_000, seed=1))
    assert found["p50_s"].verdict is Verdict.WORSE
    assert found["p50_s"].change == pytest.approx(0.2, abs=0.05)
    assert found["p50_s"].low < found["p50_s"].change < found["p50_s"].high
    assert found["p95_s"].verdict is Verdict.WORSE
    assert found["size_bytes"].verdict is Verdict.WORSE
    assert found["size_bytes"].change == pytest.approx(0.1)
    assert found["size_bytes"].low is None


def test_faster_is_better():
    assert changes(make_result(), make_result(p50_s=0.0004, seed=1))["p50_s"].verdict is Verdict.BETTER


def test_the_same_result_is_the_same():
    result = make_result()
    assert {change.verdict for change in compare(result, result).changes} == {Verdict.SAME}


def test_latencies_of_a_throttled_board_are_warned_of():
    hot = make_result(machine_over_time=[Moment(at_s=0.0, throttled=["under-voltage"])], seed=1)
    [warning] = compare(make_result(), hot).warnings
    assert "cannot be compared: under-voltage in 1 of 1 readings" in warning
    assert compare(make_result(), make_result(seed=1)).warnings == []


def test_a_small_difference_of_few_texts_cannot_be_told():
    before, after = make_result(accuracy=0.86, texts=100), make_result(accuracy=0.85, texts=100, seed=9)
    found = changes(before, after)["accuracy"]
    assert found.verdict is Verdict.UNSURE
    assert found.change == pytest.approx(-0.01)
    assert not found.relative


def test_a_large_loss_of_accuracy_is_worse():
    found = changes(make_result(accuracy=0.9), make_result(accuracy=0.8))["accuracy"]
    assert found.verdict is Verdict.WORSE
    assert found.high < 0


def test_memory_may_wobble():
    before = make_result(memory=make_memory(peak_rss_bytes=100_000_000))
    wobble = make_result(memory=make_memory(peak_rss_bytes=103_000_000))
    grown = make_result(memory=make_memory(peak_rss_bytes=120_000_000))
    assert changes(before, wobble)["peak_rss_bytes"].verdict is Verdict.SAME
    assert changes(before, grown)["peak_rss_bytes"].verdict is Verdict.WORSE


def test_worse_comes_first_and_the_largest_of_them_on_top():
    after = make_result(p50_s=0.0004, size_bytes=9_200_000, accuracy=0.8, seed=1)
    ordered = compare(make_result(), after).changes
    verdicts = [change.verdict for change in ordered]
    assert verdicts == sorted(verdicts, key=[Verdict.WORSE, Verdict.BETTER, Verdict.UNSURE, Verdict.SAME].index)
    assert ordered[0].metric == "size_bytes"


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"target": "pi"}, "the target differs: cpu and pi"),
        ({"threads": 2}, "the number of threads differs: 1 and 2"),
        ({"data_hash": "e" * 64}, "the hash of the evaluation texts differs: dddddddddddd and eeeeeeeeeeee"),
        ({"machine": make_machine(fingerprint="a" * 16)}, "different machines"),
    ],
)
def test_incomparable(other, words):
    with pytest.raises(Incomparable, match=words) as caught:
        compare(make_result(), make_result(**other))
    assert caught.value.hint
    assert caught.value.exit_code == EXIT_INVALID


def test_another_machine_can_be_allowed_with_a_warning():
    other = make_result(machine=make_machine(fingerprint="a" * 16))
    found = compare(make_result(), other, allow_different_machine=True)
    assert any("different machines" in warning for warning in found.warnings)


def test_other_data_is_never_allowed():
    with pytest.raises(Incomparable, match="evaluation texts"):
        compare(make_result(), make_result(data_hash="e" * 64), allow_different_machine=True)


def test_another_session_is_pointed_out():
    assert not compare(make_result(), make_result(seed=1)).warnings
    [warning] = compare(make_result(), make_result(session="s2")).warnings
    assert "edgekd gate" in warning


def test_sets_are_matched_by_name():
    before = [make_result(), make_result(variant="gone")]
    after = [make_result(size_bytes=5_000_000), make_result(variant="new")]
    found = compare_sets(before, after)
    assert [pair.variant for pair in found.pairs] == ["cnn-int8"]
    assert found.only_before == ["cpu/gone"]
    assert found.only_after == ["cpu/new"]


def test_single_results_are_compared_whatever_their_names():
    [pair] = compare_sets([make_result(variant="a")], [make_result(variant="b")]).pairs
    assert pair.variant == "b"


def test_sets_with_nothing_in_common():
    with pytest.raises(Incomparable, match="Nothing to compare"):
        compare_sets([make_result(variant="a"), make_result(variant="b")], [make_result(variant="c")])


def test_a_name_twice_in_a_set():
    with pytest.raises(Incomparable, match="occurs twice"):
        compare_sets([make_result(), make_result()], [make_result()])


@pytest.mark.parametrize(
    ("load_time_s", "verdict"), [(0.102, "same"), (0.14, "cannot tell"), (0.06, "cannot tell"), (0.2, "worse")]
)
def test_a_load_time_read_once_says_little(load_time_s, verdict):
    found = compare(make_result(load_time_s=0.1), make_result(load_time_s=load_time_s))
    [change] = [change for change in found.changes if change.metric == "load_time_s"]
    assert change.verdict.value == verdict
