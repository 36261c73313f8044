"""Which variant a report recommends, and what it says for and against it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from edgekd.decisions import Decision
from edgekd.devices import Budgets, find_profile
from edgekd.measurements import Estimate, Moment
from edgekd.report.budget_checks import all_fit
from edgekd.report.model import build_report
from edgekd.report.recommend import recommend
from edgekd.report.selection import selected
from edgekd.report.table import build_table
from edgekd.results import Evidence, Samples
from tests.results import make_result, make_samples, make_teacher

SLOW = {"variant": "slow", "accuracy": 0.89, "p50_s": 0.002, "size_bytes": 9_000_000, "seed": 11}
MIDDLE = {"variant": "middle", "accuracy": 0.885, "p50_s": 0.001, "size_bytes": 5_000_000, "seed": 12}
FAST = {"variant": "fast", "accuracy": 0.8, "p50_s": 0.0002, "size_bytes": 1_000_000, "seed": 13}
CHOICE = {"variant": "slow", "target": "cpu", "kept": True, "evidence": "host", "status": "best", "reason": "it was."}


def advise(*shapes, budgets=None, teacher=True, target="cpu", is_this_machine=True, decisions=(), **same):
    results = [make_result(target=target, **shape, **same) for shape in shapes]
    results += [make_teacher(target=target)] if teacher else []
    return recommend(
        build_table(results, resamples=100),
        target=target,
        decisions=decisions,
        budgets=budgets if budgets is not None else Budgets(),
        is_this_machine=is_this_machine,
    )


def test_the_fastest_student_that_is_not_proven_worse_is_recommended():
    found = advise(SLOW, MIDDLE, FAST, budgets=Budgets(size_bytes=10_000_000, accuracy_drop=0.1))
    assert (found.variant, found.fits) == ("middle", True)
    assert found.sentence == (
        "Ship middle to cpu: the fastest student whose accuracy (88.5 %) is not proven worse than that of the best, "
        "slow (89.0 %); it fits every budget of cpu (size and accuracy against the teacher)."
    )
    [alternative] = found.reasons
    assert alternative.startswith("Nearest alternative: slow has +0.5 pt [")
    assert "accuracy, not proven, takes 2.0" in alternative
    assert alternative.endswith(" and is 1.8x larger.")
    assert "not proven worse than the best one's on the same texts" in found.rule


def test_the_cheaper_one_is_the_alternative_of_the_best():
    found = advise(SLOW, FAST, budgets=Budgets(size_bytes=10_000_000))
    assert found.variant == "slow"
    assert "the student with the best accuracy (89.0 %), and none that is as good is faster" in found.sentence
    assert found.reasons[-1].startswith("Nearest alternative: fast has -9.0 pt [")
    assert "faster [" in found.reasons[-1]
    assert found.reasons[-1].endswith(" and is 9x smaller.")


def test_what_breaks_a_budget_is_left_out_and_said():
    found = advise(SLOW, MIDDLE, FAST, budgets=Budgets(size_bytes=2_000_000))
    assert (found.variant, found.fits) == ("fast", True)
    assert (
        "Left out, because they break a budget: slow (size 9.00 MB, limit 2 MB) and middle (size 5.00 MB, limit 2 MB)."
        in found.reasons
    )


def test_when_nothing_fits_the_nearest_miss_is_named_and_not_recommended():
    found = advise(SLOW, MIDDLE, FAST, budgets=Budgets(size_bytes=900_000))
    assert (found.variant, found.fits) == ("fast", False)
    assert found.sentence == "Nothing fits cpu's budget. Nearest is fast: size 1.00 MB, limit 900 kB."


def test_an_interval_that_contains_the_limit_does_not_fit():
    p95 = build_table([make_result(**FAST)], resamples=100).rows[0].cells["p95_s"]
    found = advise(FAST, budgets=Budgets(p95_s=(p95.low + p95.high) / 2))
    [check] = found.checks
    assert (found.fits, check.fits, check.note) == (None, None, "its interval contains the limit")
    assert "whether it fits that of p95 cannot be told from these numbers" in found.sentence
    assert advise(FAST, budgets=Budgets(p95_s=p95.high)).fits is True
    assert advise(FAST, budgets=Budgets(p95_s=p95.low * 0.99)).fits is False


def test_what_fits_comes_before_what_cannot_be_told():
    p95 = build_table([make_result(**SLOW)], resamples=100).rows[0].cells["p95_s"]
    found = advise(SLOW, FAST, budgets=Budgets(p95_s=(p95.low + p95.high) / 2))
    assert (found.variant, found.fits) == ("fast", True)


def test_numbers_of_this_host_prove_neither_time_nor_memory_of_a_board():
    budgets = Budgets(p95_s=1.0, size_bytes=10_000_000, peak_rss_bytes=10**9)
    found = advise(FAST, target="raspberry-pi-4", budgets=budgets, is_this_machine=False)
    assert {check.name: check.fits for check in found.checks} == {"p95": None, "size": True, "peak RSS": None}
    assert found.fits is None
    assert found.sentence.startswith(
        "Best candidate for raspberry-pi-4, not yet measured there: fast, the student with"
    )
    assert found.reasons[0] == "p95 and peak RSS cannot be told: measured on this host, not on raspberry-pi-4."
    assert found.reasons[1] == (
        "Measured on the board it could be told: edgekd bench run/bundles/cpu/cnn-int8 --target raspberry-pi-4 --on "
        "ssh://USER@HOST"
    )
    assert found.reasons[2] == (
        "Latencies were measured on this host: on raspberry-pi-4 another variant may be the fastest."
    )
    on_board = advise(FAST, target="raspberry-pi-4", budgets=budgets, is_this_machine=False, evidence=Evidence.DEVICE)
    assert on_board.fits is True
    assert on_board.reasons == []


def test_an_estimate_is_told_and_proves_nothing():
    estimates = [
        Estimate(
            kind="analytic",
            target="raspberry-pi-4",
            tokens=tokens,
            latency_s=0.001,
            low_s=0.0005,
            high_s=0.002,
            basis="b",
        )
        for tokens in (16, 64)
    ]
    found = advise(
        FAST, target="raspberry-pi-4", budgets=Budgets(p95_s=1.0), is_this_machine=False, estimates=estimates
    )
    [check] = found.checks
    assert check.fits is None
    assert check.note.endswith(
        "estimated (roofline, not measured): 1 ms for a text of 64 tokens, expected within 500 \u00b5s to 2 ms"
    )


def test_under_an_emulator_the_smallest_is_recommended_and_no_time_is_said():
    nothing = {"samples": Samples(), "warm_up": Samples(), "load_time_s": None, "evidence": Evidence.EMULATED}
    shapes = [{k: v for k, v in shape.items() if k != "p50_s"} for shape in (SLOW, MIDDLE)]
    results = [make_result(**(shape | nothing)) for shape in shapes]
    found = recommend(build_table(results), target="cpu", budgets=Budgets(p95_s=1.0), is_this_machine=True)
    assert (found.variant, found.checks[0].fits) == ("middle", None)
    assert "the smallest student" in found.sentence
    assert "time [" not in " ".join(found.reasons)


def test_the_recorded_choice_comes_first_and_a_disagreement_is_explained():
    found = advise(SLOW, MIDDLE, FAST, decisions=[Decision(**CHOICE, texts=200)])
    assert found.variant == "slow"
    assert found.sentence == "Ship slow to cpu: chosen when the bundles were made; cpu sets no budget."
    assert found.reasons[0] == "The run chose slow on 200 validation texts: it was."
    assert found.reasons[1].startswith("The rule of this report would take middle, the fastest student whose accuracy")


def test_a_recorded_choice_that_is_proven_worse_is_said_to_be():
    found = advise(SLOW, FAST, decisions=[Decision(**(CHOICE | {"variant": "fast"}))])
    assert found.variant == "fast"
    assert found.reasons[2].startswith("On the texts measured here fast is proven worse than slow: accuracy -9.0 pt [")


def test_the_rule_says_when_it_agrees():
    found = advise(SLOW, MIDDLE, decisions=[Decision(**(CHOICE | {"variant": "middle"}))])
    assert found.reasons[1] == "The rule of this report, on the texts measured here, takes the same variant."


def test_a_recorded_choice_that_breaks_a_budget_is_not_recommended():
    found = advise(SLOW, FAST, decisions=[Decision(**CHOICE)], budgets=Budgets(size_bytes=2_000_000))
    assert found.variant == "fast"
    assert found.reasons[1] == ("slow is not recommended, because it breaks a budget: size 9.00 MB, limit 2 MB.")


def test_a_recorded_choice_that_was_not_measured_is_said_to_be_missing():
    found = advise(MIDDLE, FAST, decisions=[Decision(**CHOICE)])
    assert found.variant == "middle"
    assert found.reasons[1] == "slow is not among these results, so the rule decides."


def test_a_recorded_nearest_miss_is_called_so():
    found = advise(SLOW, FAST, decisions=[Decision(**(CHOICE | {"status": "nearest-miss"}))])
    assert "the nearest miss when the bundles were made" in found.sentence


def test_the_loss_is_counted_from_the_teacher_with_its_interval():
    [check] = advise(FAST, budgets=Budgets(accuracy_drop=0.05)).checks
    assert (check.measured.text, check.limit.text, check.fits) == ("-10.0 pt", "-5.0 pt", False)
    assert check.measured.low < -0.1 < check.measured.high
    [check] = advise(FAST, budgets=Budgets(accuracy_drop=0.1)).checks
    assert (check.fits, check.note) == (None, "its interval contains the limit")


def test_an_unknown_profile_has_unknown_budgets():
    table = build_table([make_result(**FAST), make_teacher()], resamples=100)
    found = recommend(table, target="my-board", budgets=None)
    assert found.checks == []
    assert found.sentence.endswith("; the budgets of my-board are not known.")
    assert "There is no profile named my-board here, so its budgets are not known." in found.reasons


def test_too_few_calls_tell_nothing_about_a_percentile():
    few = make_result(variant="few", samples=make_samples(calls=40))
    found = recommend(build_table([few]), target="cpu", budgets=Budgets(p95_s=1.0), is_this_machine=True)
    [check] = found.checks
    assert (check.fits, check.note) == (None, "40 samples, needs 130")


def test_a_teacher_alone_is_not_recommended():
    assert advise() is None
    report = build_report([make_teacher()], title="t", resamples=50)
    assert report.sections[0].recommendation is None
    assert report.sections[0].headline == ["No student was measured."]


def test_the_headline_speaks_of_the_budget_of_the_recommended_one():
    teacher, student = make_teacher(target="raspberry-pi-4"), make_result(target="raspberry-pi-4", accuracy=0.8575)
    [section] = build_report([teacher, student], title="t", resamples=100).sections
    assert section.headline == [
        "cnn-int8 is 15.5x faster than the teacher at p50, 4.2 points less accurate, 20x smaller, may or may not fit "
        "raspberry-pi-4's budget (p95 and peak RSS: cannot tell)."
    ]


def test_the_rows_worth_a_closer_look():
    shapes = [SLOW, MIDDLE, FAST, {"variant": "bad", "accuracy": 0.7, "p50_s": 0.003, "size_bytes": 10**7, "seed": 14}]
    [section] = build_report([make_teacher(), *(make_result(**s) for s in shapes)], title="t", resamples=50).sections
    assert selected(section) == ["teacher", "slow", "middle", "fast"]


@settings(max_examples=10)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=3), st.integers(1, 9))
def test_a_budget_is_never_broken_where_a_student_keeps_it(sizes, limit):
    shapes = [
        {"variant": f"v{i}", "size_bytes": size, "calls": 30, "texts": 20, "seed": i} for i, size in enumerate(sizes)
    ]
    found = advise(*shapes, budgets=Budgets(size_bytes=limit), teacher=False)
    assert found.fits is (min(sizes) <= limit)
    chosen = sizes[int(found.variant[1:])]
    assert chosen <= limit or chosen == min(sizes)
    assert all_fit(found.checks) is found.fits


def test_invalid_latencies_prove_nothing_and_doubts_are_said():
    throttled = make_result(machine_over_time=[Moment(at_s=float(i), throttled=["frequency capped"]) for i in range(4)])
    [section] = build_report([throttled], title="t", profiles={"cpu": with_p95(1.0)}, resamples=50).sections
    found = section.recommendation
    assert (found.fits, found.checks[0].fits) == (None, None)
    assert found.checks[0].note == "invalid: frequency capped in 4 of 4 readings"
    assert "Its numbers are in doubt (throttled); see 'What speaks against these numbers'." in found.reasons
    [section] = build_report([make_result()], title="t", profiles={"cpu": with_p95(1.0)}, resamples=50).sections
    assert section.recommendation.fits is True


def with_p95(limit_s):
    return find_profile("cpu").model_copy(update={"budgets": Budgets(p95_s=limit_s)})
