from __future__ import annotations

from functools import partial

import pytest

from edgekd.analysis.change import Verdict
from edgekd.analysis.compare import compare as compare_fully
from edgekd.analysis.compare import compare_sets as compare_sets_fully
from edgekd.errors import EXIT_INVALID, Incomparable
from edgekd.measurements import Counts, Energy, Moment
from edgekd.results import Evidence
from tests.results import make_machine, make_memory, make_result

compare = partial(compare_fully, resamples=200)
compare_sets = partial(compare_sets_fully, resamples=50)


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


# What else is told


def counted(instructions, tokens=(8, 32), **facts):
    return [
        Counts(
            tool="qemu-plugin",
            core="cortex-a72",
            evidence="emulated",
            tokens=length,
            instructions=[instructions * length + 9, instructions * length],
            tokenize=[length],
            **facts,
        )
        for length in tokens
    ]


def test_instructions_are_compared_at_the_lengths_that_both_have():
    before, after = make_result(counts=counted(1000)), make_result(counts=counted(1030, tokens=(8, 32, 64)))
    found = changes(before, after)["instructions"]
    assert (found.before, found.after) == (1000 * 40 + 40, 1030 * 40 + 40)
    assert found.verdict is Verdict.WORSE
    assert found.detail == "cortex-a72, texts of 8 + 32 tokens, emulated"
    assert changes(before, make_result(counts=counted(1001)))["instructions"].verdict is Verdict.SAME
    assert "instructions" not in changes(before, make_result(counts=counted(1000, tokens=(99,))))
    assert "instructions" not in changes(before, make_result())


def test_counts_of_another_runtime_are_warned_of():
    before, after = (make_result(counts=counted(9, libraries={"onnxruntime": v})) for v in ("1.30.0", "1.31.1"))
    [warning] = compare(before, after).warnings
    assert "onnxruntime 1.30.0 and onnxruntime 1.31.1" in warning


def energy(*joules):
    return [Energy(source="pmic", idle_w=2.0, joules=j, seconds=5.0, calls=1000) for j in joules]


def test_energy_is_compared_with_the_uncertainty_of_both_sides():
    before = make_result(energy=energy(12.0, 12.1, 12.2))
    found = changes(before, make_result(energy=energy(14.0, 14.1, 14.2)))["energy_j"]
    assert found.verdict is Verdict.WORSE
    assert found.change == pytest.approx(4.1 / 2.1 - 1)
    # Student's t of 2 degrees: half-widths 0.2484 of 2.1 and of 4.1 J.
    half = 4.1 / 2.1 * ((0.24841 / 2.1) ** 2 + (0.24841 / 4.1) ** 2) ** 0.5
    assert (found.low, found.high) == pytest.approx((found.change - half, found.change + half), rel=1e-3)
    unclear = changes(before, make_result(energy=energy(9.0, 11.0, 10.0)))["energy_j"]
    assert (unclear.verdict, unclear.low) == (Verdict.UNSURE, None)


def test_answers_that_changed_are_counted_even_where_the_accuracy_is_the_same():
    right = make_result().quality
    one, other = list(right.targets), list(right.targets)
    one[0], other[1], other[2], one[2] = 1 - one[0], 1 - other[1], 1 - other[2], 1 - one[2]
    before, after = (make_result(quality=right.model_copy(update={"predictions": p})) for p in (one, other))
    found = compare(before, after)
    assert (found.flips.changed, found.flips.broken, found.flips.fixed) == (2, 1, 1)
    assert found.flips.texts == len(right.targets)
    [accuracy] = [change for change in found.changes if change.metric == "accuracy"]
    assert accuracy.change == 0


def test_an_upgrade_of_the_runtime_is_compared_and_named():
    new = make_machine(fingerprint="a" * 16, libraries={"onnxruntime": "1.32.0"}, kernel="6.2")
    found = compare(make_result(), make_result(machine=new))
    assert found.warnings[0].startswith("onnxruntime 1.31.1 before, 1.32.0 after: changes may come from it")
    told = [(fact.what, fact.before, fact.after) for fact in found.machine]
    assert told == [("kernel", "6.1", "6.2"), ("onnxruntime", "1.31.1", "1.32.0")]
    other = make_machine(fingerprint="a" * 16, libraries={"onnxruntime": "1.32.0"}, cpu_model="Other CPU")
    with pytest.raises(Incomparable, match="different machines"):
        compare(make_result(), make_result(machine=other))


@pytest.mark.parametrize(
    "doubt",
    [
        {"machine": make_machine(fingerprint="a" * 16)},
        {"evidence": Evidence.DEVICE},
        {"machine_over_time": [Moment(at_s=0.0, throttled=["under-voltage"])]},
    ],
)
def test_times_that_may_not_be_compared_are_never_worse_nor_better(doubt):
    slow = make_result(p50_s=0.005, load_time_s=1.0, size_bytes=9_200_000, **doubt)
    found = changes(make_result(), slow, allow_different_machine=True)
    assert {found[name].verdict for name in ("p50_s", "p95_s", "load_time_s")} == {Verdict.UNSURE}
    assert found["size_bytes"].verdict is Verdict.WORSE


def test_the_words_of_a_manifest_do_not_make_a_bundle_larger():
    assert changes(make_result(), make_result(size_bytes=4_600_900))["size_bytes"].verdict is Verdict.SAME


def test_all_changes_are_counted():
    after = [make_result(p50_s=0.0004, size_bytes=9_200_000, seed=1)]
    found = compare_sets([make_result()], after)
    assert sum(found.counts.values()) == len(found.pairs[0].changes)
    assert found.counts[Verdict.WORSE] == 1


def test_each_side_says_what_its_values_rest_on():
    found = compare(make_result(), make_result(seed=1, artifact_hash="b" * 64))
    assert (found.before.evidence, found.before.machine) == ("host", "Toy CPU 9000")
    assert found.before.artifact_hash != found.after.artifact_hash
    p50 = next(change for change in found.changes if change.metric == "p50_s")
    assert p50.before_bounds[0] < p50.before < p50.before_bounds[1]
