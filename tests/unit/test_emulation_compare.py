from __future__ import annotations

import numpy as np
import pytest

from edgekd.emulation.compare import Limits, compare
from edgekd.emulation.record import Outcome
from edgekd.emulation.run import Answers
from edgekd.tasks import Calibration, Task, TaskKind

SINGLE = Task(TaskKind.SINGLE_LABEL, ("negative", "positive"))
MULTI = Task(TaskKind.MULTI_LABEL, ("a", "b"))
VALUE = Task(TaskKind.REGRESSION, ("rating",))
ABOUT = {"python": "3.11.2", "libraries": {"onnxruntime": "1.31.1"}, "instructions": ["ASIMD"]}
TEXTS = ["first", "second", "third"]


def answers(logits, ids=None):
    return Answers(np.array(logits, np.float32), ids or [[1], [2], [3]], ABOUT)


def found(here, there, *, task=SINGLE, exact=True, calibration=None, limits=None):
    return compare(task, calibration or Calibration(), TEXTS, here, there, exact=exact, limits=limits or Limits())


HERE = answers([[1, 0], [0, 1], [0.5, 0.4]])


def test_equal_answers_are_the_same():
    result = found(HERE, HERE)
    assert result["outcome"] is Outcome.SAME
    assert (result["max_abs_diff"], result["mean_abs_diff"], result["flips"]) == (0.0, 0.0, 0)
    assert result["libraries"] == {"onnxruntime": "1.31.1"}


def test_fp32_logits_must_agree_even_when_labels_do():
    there = answers([[1.5, 0], [0, 1], [0.5, 0.4]])
    result = found(HERE, there)
    assert result["outcome"] is Outcome.DIFFERS
    assert result["max_abs_diff"] == 0.5
    assert result["mean_abs_diff"] == pytest.approx(0.5 / 6)
    assert result["reason"] == "The largest difference of a logit is 0.5; 0.0001 is allowed for fp32."
    assert found(HERE, there, limits=Limits(max_abs_diff=0.5))["outcome"] is Outcome.SAME


def test_int8_answers_are_counted_and_the_worst_come_first():
    there = answers([[0, 3], [1, 0], [0.5, 0.4]])
    result = found(HERE, there, exact=False)
    assert result["outcome"] is Outcome.DIFFERS
    assert (result["flips"], result["allowed_flips"]) == (2, 0)
    assert result["reason"] == "2 of 3 answers differ; 0 may."
    assert [(flip.text, flip.here, flip.there, flip.max_abs_diff) for flip in result["worst"]] == [
        ("first", "negative", "positive", 3.0),
        ("second", "positive", "negative", 1.0),
    ]
    assert found(HERE, there, exact=False, limits=Limits(flip_share=0.67))["outcome"] is Outcome.SAME


def test_int8_logits_may_move_while_the_label_stays():
    assert found(HERE, answers([[9, 0], [0, 1], [0.5, 0.4]]), exact=False)["outcome"] is Outcome.SAME


def test_other_token_ids_fail_whatever_the_logits_say():
    there = answers(HERE.logits, ids=[[1], [2, 2], [3]])
    result = found(HERE, there, exact=False)
    assert result["outcome"] is Outcome.DIFFERS
    assert result["other_ids"] == 1
    assert result["reason"] == "The tokenizer gives other ids for 1 of 3 texts."


def test_thresholds_of_the_bundle_decide_for_several_labels():
    here = answers([[0.1, -1], [-1, -1], [2, 2]])
    there = answers([[-0.1, -1], [-1, -1], [2, 2]])
    result = found(here, there, task=MULTI, exact=False)
    assert [(flip.here, flip.there) for flip in result["worst"]] == [("a", "none")]
    low = Calibration(thresholds=(0.4, 0.5))
    assert found(here, there, task=MULTI, exact=False, calibration=low)["flips"] == 0


def test_values_are_compared_with_their_spread():
    here = answers([[0.0], [1.0], [2.0]])  # standard deviation 0.8165, 2 % of it 0.0163
    near, far = answers([[0.03], [1.0], [2.0]]), answers([[0.06], [1.0], [2.0]])
    assert found(here, near, task=VALUE, exact=False)["outcome"] is Outcome.SAME
    result = found(here, far, task=VALUE, exact=False)
    assert result["outcome"] is Outcome.DIFFERS
    assert result["reason"] == "Values differ by 0.02 on average; 0.016 is allowed."
    assert (result["flips"], result["allowed_flips"]) == (0, None)


def test_logits_that_are_not_finite_differ():
    nan = answers([[np.nan, 0], [0, 1], [0.5, 0.4]])
    assert found(HERE, nan)["reason"] == "Logits are not finite there."
    assert found(nan, nan)["reason"] == "Logits are not finite there, and not here either."
    assert found(nan, HERE)["reason"] == "Logits are not finite here."
    assert found(nan, HERE)["outcome"] is Outcome.DIFFERS


def test_another_number_of_logits_differs():
    result = found(HERE, answers([[1], [0], [1]]))
    assert result["outcome"] is Outcome.DIFFERS
    assert "(3, 2) here and (3, 1) there" in result["reason"]
