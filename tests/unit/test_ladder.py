"""Which candidates of compression are kept, which is the best, and the sentences that say why."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekd.analysis.front import Relations, kept_and_dominated
from edgekd.analysis.ladder import Limits, judge, overall
from edgekd.analysis.ladder_words import amount, latency
from edgekd.analysis.latency_ratio import latency_ratio
from edgekd.analysis.tried import Outcome, examine, missed_limits, score_outcome
from edgekd.errors import Incomparable
from edgekd.measurements import Memory
from edgekd.results import Quality, Samples
from edgekd.tasks import TaskKind
from tests.results import make_result, make_task_quality, make_teacher

TEXTS = 1000
MODEL = make_result(variant="cnn-fp32", precision="fp32", texts=TEXTS)


def samples(p50_s=1.0, *, blocks=20, calls=10, noise=0.0, seed=0, drift=()):
    """Calls of equal length but for noise; blocks may be slowed down by factors."""
    rng = random.Random(seed)
    slow = dict(drift)
    total = [
        1e-3 * p50_s * slow.get(block, 1.0) * rng.lognormvariate(0, noise)
        for block in range(blocks)
        for _ in range(calls)
    ]
    count = blocks * calls
    return Samples(
        text_index=list(range(count)),
        tokens=[8] * count,
        block=[i // calls for i in range(count)],
        total_s=total,
        tokenize_s=[value / 4 for value in total],
        infer_s=[3 * value / 4 for value in total],
    )


def quality(gained=0, lost=0, *, right=800, texts=TEXTS):
    """Answers to texts of which the model gets ``right`` right, ``gained`` more and ``lost`` of them no longer."""
    correct = [lost <= i < right + gained for i in range(texts)]
    targets = [i % 2 for i in range(texts)]
    given_answers = [y if fine else 1 - y for y, fine in zip(targets, correct, strict=True)]
    return Quality(labels=["no", "yes"], targets=targets, predictions=given_answers)


def variant(name, size=1.0, speed=1.0, *, gained=0, lost=0, rss=None, **shape):
    """A variant of so many times 10 MB and 1 ms."""
    facts = {
        "variant": name,
        "precision": "fp32" if name.endswith("fp32") else "int8",
        "size_bytes": round(10_000_000 * size),
        "samples": samples(speed, **shape),
        "quality": quality(gained, lost),
    }
    if rss is not None:
        facts["memory"] = MODEL.memory.model_copy(update={"peak_rss_bytes": rss})
    return MODEL.model_copy(update=facts)


BASE = variant("cnn-fp32")


def judged(*candidates, base=BASE, max_drop=0.01, **options):
    decisions = judge(base, candidates, max_drop=max_drop, **options)
    assert [decision.variant for decision in decisions] == [base.variant, *(c.variant for c in candidates)]
    assert sum(decision.status in {"best", "nearest-miss"} for decision in decisions) == 1
    assert decisions[0].kept
    return {decision.variant: decision for decision in decisions}


# Latency ratio


def test_a_ratio_of_equal_blocks_is_exact():
    found = latency_ratio(BASE, variant("a", speed=0.5))
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))


def test_drift_that_hits_both_sides_does_not_move_the_ratio():
    drift = {block: 1 + block / 4 for block in range(20)}
    base, half = variant("b", drift=drift), variant("a", speed=0.5, drift=drift)
    found = latency_ratio(base, half)
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))


def test_disturbed_blocks_of_one_side_do_not_move_the_ratio_but_may_widen_the_interval():
    found = latency_ratio(BASE, variant("a", speed=0.5, drift={3: 10, 7: 10, 11: 10, 15: 10}))
    assert found.value == pytest.approx(0.5)
    assert found.low == pytest.approx(0.5)
    assert found.high > 0.5


def test_measured_apart_the_ratio_is_that_of_all_calls():
    apart = variant("a", speed=0.5).model_copy(update={"session": "another"})
    found = latency_ratio(BASE, apart)
    assert found.value == pytest.approx(0.5)


def test_ten_calls_give_no_ratio():
    assert latency_ratio(BASE, variant("a", blocks=1, calls=10)) is None


def test_two_passes_over_the_same_texts_are_one_cluster():
    """Twenty blocks of the same five sets of texts are only five, too few to draw blocks from."""
    again = samples(noise=0.1).model_copy(update={"text_index": [i % 50 for i in range(200)]})
    base = BASE.model_copy(update={"samples": again})
    other = base.model_copy(update={"samples": again.model_copy(update={"total_s": [2 * t for t in again.total_s]})})
    assert latency_ratio(base, other).value == pytest.approx(2)


def test_equal_models_are_rarely_called_faster():
    wrong = 0
    for seed in range(60):
        one, other = variant("a", noise=0.2, seed=2 * seed), variant("b", noise=0.2, seed=2 * seed + 1)
        found = latency_ratio(one, other, resamples=300)
        wrong += found.high < 1 or found.low > 1
    assert wrong <= 8  # 3 of 60 are expected


# Score


@pytest.mark.parametrize(
    ("gained", "lost", "outcome"),
    [
        (0, 0, Outcome.WITHIN),
        (20, 22, Outcome.UNSURE),
        (0, 5, Outcome.UNSURE),  # -0.5 points, lower end about -1.1
        (0, 40, Outcome.BEYOND),
        (30, 0, Outcome.WITHIN),
    ],
)
def test_the_interval_says_what_is_proven_of_the_loss(gained, lost, outcome):
    change, found = score_outcome(BASE, variant("a", gained=gained, lost=lost), 0.01)
    assert found is outcome
    assert change.value == pytest.approx((gained - lost) / TEXTS)


def test_without_true_values_the_loss_is_unknown():
    blind = quality().model_copy(update={"targets": []})
    base, other = (variant(name).model_copy(update={"quality": blind}) for name in ("cnn-fp32", "cnn-int8"))
    assert score_outcome(base, other, 0.01) == (None, Outcome.UNKNOWN)
    small = variant("cnn-int8", 0.25, 0.5).model_copy(update={"quality": blind})
    found = judged(small, base=base)["cnn-int8"]
    assert (found.status, found.proven, found.score) == ("kept", None, None)
    assert found.reason.endswith("accuracy not measured: the loss is unknown")


def test_other_texts_cannot_be_compared():
    with pytest.raises(Incomparable, match="'cnn-fp32' with 'a': they did not answer the same texts"):
        score_outcome(BASE, variant("a").model_copy(update={"quality": quality(texts=900)}), 0.01)


def test_exactly_the_allowed_loss_is_allowed():
    assert judged(variant("a", 0.25, 0.5, lost=10))["a"].kept
    assert not judged(variant("a", 0.25, 0.5, lost=11))["a"].kept


# One candidate


@pytest.mark.parametrize(
    ("candidate", "status", "reason"),
    [
        (
            variant("a", 0.25, 0.5),
            "best",
            "the fastest proven within 1 point: 0.25x the size (2.50 MB), p50 0.50x [0.50 to 0.50], "
            "accuracy 0.0 points [-0.3 to +0.3] on 1,000 texts",
        ),
        (
            variant("a", 0.25, 0.5, lost=5),
            "kept",
            "smaller and faster: 0.25x the size (2.50 MB), p50 0.50x [0.50 to 0.50], "
            "accuracy -0.50 points [-1.02 to +0.02] on 1,000 texts: within 1 point, not proven",
        ),
        (
            variant("a", 0.25, 1.5),
            "kept",
            "smaller, although slower: 0.25x the size (2.50 MB), p50 1.50x [1.50 to 1.50], "
            "accuracy 0.0 points [-0.3 to +0.3] on 1,000 texts: proven within 1 point",
        ),
        (
            variant("a", 0.9, 1.21),
            "dropped",
            "slower (p50 1.21x [1.21 to 1.21]) and only 0.90x the size (9.00 MB), "
            "accuracy 0.0 points [-0.3 to +0.3] on 1,000 texts",
        ),
        (
            variant("a", 1.5, 0.9),
            "dropped",
            "larger (1.50x the size) and only p50 0.90x [0.90 to 0.90], "
            "accuracy 0.0 points [-0.3 to +0.3] on 1,000 texts",
        ),
        (
            variant("a", 1.1, 1.1),
            "dropped",
            "slower (p50 1.10x [1.10 to 1.10]) and larger (1.10x the size), "
            "accuracy 0.0 points [-0.3 to +0.3] on 1,000 texts",
        ),
        (
            variant("a", 0.99, 0.99),
            "dropped",
            "neither smaller nor faster than cnn-fp32: 0.99x the size (9.90 MB), p50 0.99x [0.99 to 0.99], "
            "accuracy 0.0 points [-0.3 to +0.3] on 1,000 texts",
        ),
        (
            variant("a", 0.25, 0.5, lost=40),
            "dropped",
            "loses more than 1 point, proven: 0.25x the size (2.50 MB), p50 0.50x [0.50 to 0.50], "
            "accuracy -4.0 points [-5.2 to -2.7] on 1,000 texts",
        ),
        (
            variant("a", 0.25, 0.5, gained=20, lost=32),
            "dropped",
            "loses more than 1 point, though that is not proven: 0.25x the size (2.50 MB), p50 0.50x [0.50 to 0.50], "
            "accuracy -1.2 points [-2.6 to +0.2] on 1,000 texts",
        ),
    ],
)
def test_one_candidate_against_its_base(candidate, status, reason):
    found = judged(candidate)["a"]
    assert (found.status, found.reason) == (status, reason)


def test_a_faster_larger_candidate_stays_when_it_gains_more_than_it_costs():
    found = judged(variant("a", 1.2, 0.5))["a"]
    assert found.status == "best"
    assert judged(variant("a", 1.2, 0.5), variant("b", 0.3, 0.4))["a"].status == "dropped"


def test_a_degenerate_candidate_is_dropped_whatever_it_costs():
    found = judged(variant("a", 0.1, 0.1), problems={"a": ["'yes' is never predicted."]})["a"]
    assert found.status == "dropped"
    assert found.reason.startswith("degenerate: 'yes' is never predicted: 0.10x the size")


def test_a_degenerate_base_stays_and_says_so():
    found = judged(problems={"cnn-fp32": ["always says 'no'."]})["cnn-fp32"]
    assert found.status == "best"
    assert "the model itself (always says 'no'): 10.0 MB, p50 1.00 ms, accuracy 80.0 % on 1,000 texts" in found.reason


def test_a_decision_carries_its_numbers():
    candidate = variant("cnn-vocab-int8", 0.25, 0.5, lost=1)
    found = judged(candidate, why={"cnn-vocab-int8": "small"}, steps={"cnn-vocab-int8": ["vocab", "int8"]})
    base, small = found["cnn-fp32"], found["cnn-vocab-int8"]
    assert (small.model, small.base, small.steps, small.why) == ("cnn", "cnn-fp32", ["vocab", "int8"], "small")
    assert (small.size_bytes, small.base_size_bytes, small.size_ratio) == (2_500_000, 10_000_000, 0.25)
    assert (small.p50_s, small.p95_s) == pytest.approx((0.0005, 0.0005))
    assert small.latency_ratio.value == pytest.approx(0.5)
    assert (small.metric, small.score, small.score_change.value) == ("accuracy", 0.799, -0.001)
    assert (small.proven, small.texts, small.evidence) == (True, 1000, "host")
    assert base.is_base
    assert not small.is_base
    assert (base.latency_ratio, base.score_change, base.score) == (None, None, 0.8)


# Several candidates


def test_int8_that_is_slower_gives_way_to_a_smaller_one_that_is_not():
    found = judged(variant("cnn-int8", 0.26, 1.21), variant("cnn-int8-embeddings", 0.26, 1.0))
    assert found["cnn-int8-embeddings"].status == "best"
    assert found["cnn-int8"].reason.startswith(
        "slower, and cnn-int8-embeddings is faster (p50 1.00x [1.00 to 1.00]); this is 0.26x the size (2.60 MB), "
        "p50 1.21x [1.21 to 1.21]"
    )


def test_of_two_that_are_equal_within_the_noise_the_smaller_stays():
    found = judged(variant("a", 0.252, 0.5), variant("b", 0.25, 0.503))
    assert found["b"].status == "best"
    assert found["a"].reason.startswith("b is as good within the noise, and not larger; this is 0.25x")


def test_of_two_that_are_equal_in_every_respect_the_earlier_stays():
    found = judged(variant("a", 0.25, 0.5), variant("b", 0.25, 0.5))
    assert [found[name].status for name in "ab"] == ["best", "dropped"]


def test_a_faster_and_a_smaller_one_both_stay():
    found = judged(variant("a", 0.25, 0.8), variant("b", 0.5, 0.5))
    assert [found[name].status for name in "ab"] == ["kept", "best"]


def test_what_is_proven_is_not_dropped_for_what_is_not():
    found = judged(variant("a", 0.5, 0.5), variant("b", 0.25, 0.25, lost=5))
    assert [found[name].status for name in ("a", "b")] == ["best", "kept"]


def test_a_candidate_that_is_proven_better_is_not_dropped_for_a_smaller_one():
    """Neither is proven within a point, but one is proven better than the other."""
    careful, rough = variant("a", 0.5, 0.5, gained=20, lost=20), variant("b", 0.4, 0.4, gained=10, lost=20)
    found = judged(careful, rough)
    assert [found[name].proven for name in "ab"] == [False, False]
    assert [found[name].kept for name in "ab"] == [True, True]
    alike = variant("b", 0.4, 0.4, gained=19, lost=20)
    assert [judged(careful, alike)[name].kept for name in "ab"] == [False, True]


def test_among_the_fastest_the_smallest_is_the_best():
    found = judged(variant("a", 0.4, 1.01), variant("b", 0.3, 1.1))
    assert [found[name].status for name in ("cnn-fp32", "a", "b")] == ["kept", "best", "kept"]
    assert found["a"].reason.startswith("the smallest of the fastest proven within 1 point: ")


def test_nothing_to_try_leaves_the_base():
    found = judged()["cnn-fp32"]
    assert found.status == "best"
    assert found.reason == (
        "no faster one is proven within 1 point: the model itself: 10.0 MB, p50 1.00 ms, accuracy 80.0 % on 1,000 texts"
    )


def test_an_unproven_candidate_is_kept_but_not_the_best_while_the_base_fits():
    assert judged(variant("a", 0.25, 0.5, lost=5))["cnn-fp32"].status == "best"
    found = judged(variant("a", 0.25, 0.5, lost=5), limits=Limits(size_bytes=3e6))["a"]
    assert found.reason.startswith("the fastest that meets the limits (size 3 MB): 0.25x")
    assert found.reason.endswith("within 1 point, not proven")


# Limits


def test_limits_that_are_missed():
    result = variant("a", 0.3, 2.0, rss=60_000_000)
    limits = Limits(p95_s=0.001, size_bytes=3_000_000, peak_rss_bytes=50_000_000)
    assert missed_limits(result, limits) == pytest.approx({"p95_s": 2.0, "peak_rss_bytes": 1.2})
    assert missed_limits(result, limits, timed=False) == pytest.approx({"p95_s": float("inf"), "peak_rss_bytes": 1.2})
    assert missed_limits(result, Limits()) == {}


def test_the_best_meets_the_limits_even_when_a_faster_one_does_not():
    found = judged(variant("a", 0.4, 0.3), variant("b", 0.2, 0.6), limits=Limits(size_bytes=2e6))
    assert [found[name].status for name in "ab"] == ["kept", "best"]
    assert found["b"].reason.startswith("the fastest proven within 1 point that meets the limits (size 2 MB): 0.20x")


def test_a_dominated_candidate_stays_when_only_it_meets_the_limits():
    found = judged(
        variant("a", 0.2, 0.3, rss=80_000_000),
        variant("b", 0.4, 0.6, rss=40_000_000),
        limits=Limits(peak_rss_bytes=50e6),
    )
    assert [found[name].status for name in "ab"] == ["kept", "best"]


def test_a_bad_trade_stays_when_the_base_misses_the_limits():
    found = judged(variant("a", 0.9, 1.21), limits=Limits(size_bytes=9.5e6))["a"]
    assert found.status == "best"
    assert judged(variant("a", 0.9, 1.21), limits=Limits(size_bytes=10e6))["a"].status == "dropped"


def test_the_nearest_miss_is_the_one_that_misses_least():
    limits = Limits(p95_s=0.0002, size_bytes=2e6)
    found = judged(variant("a", 0.3, 0.3), variant("b", 0.21, 0.6), variant("c", 0.1, 0.1, lost=50), limits=limits)
    assert [found[name].status for name in "abc"] == ["nearest-miss", "kept", "dropped"]
    assert found["a"].reason.startswith(
        "nothing meets the limits, this is nearest: misses p95 1.5x (300 \u00b5s, at most 200 \u00b5s) and "
        "size 1.5x (3.00 MB, at most 2 MB): 0.30x the size"
    )


def test_the_base_is_the_nearest_miss_when_nothing_else_is_acceptable():
    found = judged(variant("c", 0.1, 0.1, lost=50), limits=Limits(size_bytes=2e6))
    assert found["cnn-fp32"].status == "nearest-miss"
    assert "misses size 5x (10.0 MB, at most 2 MB): the model itself" in found["cnn-fp32"].reason


def test_too_few_calls_for_a_percentile_miss_its_limit():
    small = variant("a", 0.5, 0.1, blocks=10, calls=10)
    found = judged(small, base=variant("cnn-fp32", blocks=10, calls=10), limits=Limits(p95_s=1.0))
    assert "misses p95 (cannot be said here, at most 1 s)" in found["a"].reason


# Latency that says nothing


def test_an_untimed_candidate_is_judged_by_size_and_score():
    fp16 = variant("cnn-fp16", 0.5, 3.0)
    assert judged(fp16)["cnn-fp16"].status == "dropped"
    found = judged(fp16, untimed={"cnn-fp16"})["cnn-fp16"]
    assert found.status == "kept"
    assert (found.latency_ratio, found.p50_s, found.p95_s) == (None, None, None)
    assert found.reason.startswith("smaller: 0.50x the size (5.00 MB), latency not compared")
    assert judged(variant("cnn-fp16", 1.0), untimed={"cnn-fp16"})["cnn-fp16"].reason.startswith(
        "not smaller than cnn-fp32: "
    )


def test_an_untimed_candidate_and_a_timed_one_do_not_dominate_each_other():
    found = judged(variant("a", 0.5), variant("b", 0.6, 0.9), variant("c", 0.7), untimed={"a", "c"})
    assert [found[name].kept for name in "abc"] == [True, True, False]
    assert found["c"].reason.startswith("a is smaller (0.50x); this is 0.70x")


# Properties

COSTS = st.tuples(st.sampled_from([0.2, 0.21, 0.5, 0.98, 1.0, 1.1]), st.sampled_from([0.4, 0.41, 0.9, 1.0, 1.3]))
LOSSES = st.sampled_from([(0, 0), (0, 5), (20, 20), (0, 40)])
CANDIDATES = st.lists(st.tuples(COSTS, LOSSES, st.booleans()), max_size=5)


@settings(max_examples=40)
@given(CANDIDATES, st.sampled_from([None, 1e6, 2.05e6, 6e6]))
def test_every_dropped_candidate_has_a_reason_and_the_kept_ones_need_each_other(drawn, size_limit):
    made = [
        variant(f"v{place}", size, speed, gained=gained, lost=lost, blocks=10, calls=13)
        for place, ((size, speed), (gained, lost), _) in enumerate(drawn)
    ]
    untimed = {f"v{place}" for place, (*_, timed) in enumerate(drawn) if not timed}
    limits, base = Limits(size_bytes=size_limit), variant("cnn-fp32", blocks=10, calls=13)
    found = judged(*made, base=base, limits=limits, untimed=untimed)
    assert all(decision.reason for decision in found.values())
    best = next(decision for decision in found.values() if decision.status in {"best", "nearest-miss"})
    fits = {result.variant for result in [base, *made] if not missed_limits(result, limits)}
    lossy = {decision.variant for decision in found.values() if decision.score_change and decision.score == 0.76}
    assert (best.status == "best") == bool(fits - lossy)
    assert not lossy & {decision.variant for decision in found.values() if decision.kept}

    tried = {
        result.variant: examine(base, result, max_drop=0.01, limits=limits, timed=result.variant not in untimed)
        for result in [base, *made]
    }
    fair = [tried[result.variant] for result in made]
    relations = Relations(tried[base.variant], fair)
    kept, dominated = kept_and_dominated(relations, fair)
    assert len(kept) + len(dominated) == len(fair)
    assert all(by in kept or by is tried[base.variant] for by in dominated.values())
    assert not any(relations.dominates(one, other) for one, other in itertools.permutations(kept, 2))


def test_a_circle_of_claims_leaves_one():
    class Circle(Relations):
        def dominates(self, one, other):
            return (one.name, other.name) in {("a", "b"), ("b", "c"), ("c", "a")}

    base = examine(BASE, BASE, max_drop=0.01, limits=Limits())
    tried = [
        examine(BASE, variant(name, size), max_drop=0.01, limits=Limits())
        for name, size in (("a", 0.5), ("b", 0.4), ("c", 0.6))
    ]
    kept, dominated = kept_and_dominated(Circle(base, tried), tried)
    assert [one.name for one in kept] == ["a", "b"]  # c goes because of b; then nothing is left that beats a
    assert {name: by.name for name, by in dominated.items()} == {"c": "b"}


# The choice among all models


def student(name, **facts):
    return variant(name, **facts).model_copy(update={"kind": name.partition("-")[0]})


TEACHER = make_teacher(variant="teacher-int8", texts=TEXTS).model_copy(
    update={"size_bytes": 24_000_000, "samples": samples(5.0), "quality": quality(gained=100)}
)


def test_without_limits_the_most_accurate_is_chosen_and_the_sentence_says_what_would_change_it():
    found = overall([TEACHER, student("cnn-int8", gained=10), student("bag-int8")])
    assert (found.variant, found.status, found.is_choice, found.model) == ("teacher-int8", "best", True, "")
    words = "the best accuracy: 24.0 MB, p50 5.00 ms, accuracy 90.0 % on 1,000 texts; without limits"
    assert found.reason.startswith(words)


def test_within_limits_the_fastest_of_those_that_are_not_proven_worse_is_chosen():
    fast, slow = student("bag-int8", speed=0.2, gained=8), student("cnn-int8", speed=0.5, gained=10)
    found = overall([TEACHER, slow, fast], limits=Limits(size_bytes=12e6))
    assert found.variant == "bag-int8"
    assert found.reason == (
        "the fastest within the limits (size 12 MB) that is not proven worse than cnn-int8 (accuracy 81.0 % on 1,000 "
        "texts): 10.0 MB, p50 200 \u00b5s, accuracy 80.8 % on 1,000 texts"
    )
    worse = student("bag-int8", speed=0.2, lost=30)
    assert overall([TEACHER, slow, worse], limits=Limits(size_bytes=12e6)).variant == "cnn-int8"


def test_of_equally_good_and_fast_models_the_smallest_is_chosen():
    found = overall([student("a-int8", size=0.5), student("b-int8", size=0.4, speed=1.01)])
    assert found.variant == "b-int8"


def test_models_measured_at_different_times_must_differ_more_to_be_called_faster():
    small = student("a-int8", size=0.5)
    apart = {
        speed: student("b-int8", size=0.8, speed=speed).model_copy(update={"session": "later"}) for speed in (0.95, 0.8)
    }
    assert overall([small, student("b-int8", size=0.8, speed=0.95)]).variant == "b-int8"
    assert [overall([small, other]).variant for other in apart.values()] == ["a-int8", "b-int8"]


def test_the_choice_may_be_a_near_miss():
    found = overall([TEACHER, student("cnn-int8", size=0.3)], limits=Limits(size_bytes=2e6))
    assert (found.variant, found.status) == ("cnn-int8", "nearest-miss")
    assert "misses size 1.5x (3.00 MB, at most 2 MB)" in found.reason


def test_an_untimed_variant_is_chosen_only_for_its_score():
    fast = student("cnn-fp16", speed=0.01)
    assert overall([fast, student("bag-int8", speed=0.5)], untimed={"cnn-fp16"}).variant == "bag-int8"


def test_there_must_be_something_to_choose_from():
    with pytest.raises(ValueError, match="nothing to choose"):
        overall([])


# Other tasks, words


@pytest.mark.parametrize(("task", "words"), [(TaskKind.MULTI_LABEL, "macro F1"), (TaskKind.REGRESSION, "Pearson")])
def test_other_tasks_are_judged_by_their_main_score(task, words):
    base = BASE.model_copy(update={"quality": make_task_quality(task)})
    same, worse = (
        variant(name, 0.25, 0.5).model_copy(update={"quality": make_task_quality(task, noise=noise)})
        for name, noise in (("same", 1.0), ("worse", 1.6))
    )
    found = judged(same, worse, base=base)
    assert (found["same"].status, found["worse"].status) == ("best", "dropped")
    assert words in found["worse"].reason


@pytest.mark.parametrize(
    ("metric", "value", "words"),
    [
        ("accuracy", 0.01, "1 point"),
        ("accuracy", 0.005, "0.5 points"),
        ("macro_f1", 0.02, "2 points"),
        ("pearson", 0.01, "0.01 of Pearson correlation"),
    ],
)
def test_an_allowed_loss_in_words(metric, value, words):
    assert amount(metric, value) == words


def test_an_end_that_is_not_one_never_looks_like_one():
    near = latency_ratio(BASE, variant("a", speed=0.9964))
    assert latency(near) == "p50 0.996x [0.996 to 0.996]"
    assert latency(latency_ratio(BASE, variant("a", speed=1.0))) == "p50 1.00x [1.00 to 1.00]"
    assert latency(None) == "latency not compared"


def test_memory_is_part_of_the_record():
    assert isinstance(BASE.memory, Memory)
    assert judged()["cnn-fp32"].peak_rss_bytes == BASE.memory.peak_rss_bytes
