"""Which int8 variants earn their place."""

import pytest

from edgekd.analysis.decide import decide
from tests.results import make_result

SAME = {"accuracy": 0.86, "texts": 1000}


def pair(**changes):
    fp32 = make_result(variant="cnn-fp32", precision="fp32", size_bytes=16_000_000, p50_s=0.0005, **SAME)
    int8 = make_result(
        **({"variant": "cnn-int8", "precision": "int8", "size_bytes": 4_000_000, "p50_s": 0.0004} | SAME | changes)
    )
    return [fp32, int8]


@pytest.mark.parametrize(
    ("changes", "kept", "texts"),
    [
        ({}, True, ["smaller and faster", "size 0.25x", "p50 0.80x", "+0.00 points"]),
        ({"p50_s": 0.0006}, True, ["smaller, although slower", "p50 1.20x"]),
        ({"size_bytes": 17_000_000}, True, ["int8 is faster"]),
        ({"size_bytes": 17_000_000, "p50_s": 0.0006}, False, ["neither smaller nor faster"]),
        ({"accuracy": 0.84}, False, ["loses more than 1.0 points", "-2.00 points"]),
        ({"accuracy": 0.855}, True, ["-0.50 points"]),
    ],
)
def test_int8_against_its_fp32_self(changes, kept, texts):
    [decision] = decide(pair(**changes))
    assert (decision.variant, decision.kept) == ("cnn-int8", kept)
    for text in texts:
        assert text in decision.reason


def test_a_tighter_budget_of_the_profile_wins():
    [decision] = decide(pair(accuracy=0.855), accuracy_drop=0.002)
    assert not decision.kept


def test_there_is_nothing_to_decide_without_the_original():
    assert decide(pair()[1:]) == []
    assert decide(pair()[:1]) == []
