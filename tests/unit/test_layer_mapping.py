"""Layer mapping: rules, the list's checks, and the choice by similarity."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from edgekd.errors import ConfigError  # noqa: E402
from edgekd.student.layer_mapping import (  # noqa: E402
    cka_mapping,
    linear_cka,
    monotone_assignment,
    rule_mapping,
)


@pytest.mark.parametrize(
    ("mapping", "student", "teacher", "expected"),
    [
        ("uniform", 3, 6, [1, 3, 5]),
        ("uniform", 4, 6, [0, 2, 3, 5]),
        ("uniform", 1, 6, [5]),
        ("last", 3, 6, [3, 4, 5]),
        ("skip", 3, 6, [0, 2, 4]),
        ("skip", 1, 6, [0]),
        ([5, 0, 0], 3, 6, [5, 0, 0]),
        ("uniform", 3, 2, [0, 0, 1]),
        ("last", 3, 2, [0, 0, 1]),
        ("skip", 3, 2, [0, 0, 1]),
    ],
)
def test_rules(mapping, student, teacher, expected):
    assert rule_mapping(mapping, student, teacher) == expected


@pytest.mark.parametrize("mapping", ["uniform", "last", "skip"])
def test_as_many_layers_as_the_teacher_are_matched_one_to_one(mapping):
    assert rule_mapping(mapping, 4, 4) == [0, 1, 2, 3]


@pytest.mark.parametrize("mapping", [[0], [0, 1, 2], [0, 6], [-1, 2], []])
def test_a_wrong_list_says_what_is_allowed(mapping):
    with pytest.raises(ConfigError, match=r"each of the student's 2 layers, each from 0 to 5"):
        rule_mapping(mapping, 2, 6)


def test_cka_by_hand():
    # With one column each, CKA is the squared correlation.
    x = torch.tensor([[1.0], [0.0], [-1.0]])
    assert linear_cka(x, torch.tensor([[1.0], [-2.0], [1.0]])) == pytest.approx(0)
    assert linear_cka(x, torch.tensor([[2.0], [-2.0], [0.0]])) == pytest.approx(2**2 / (2 * 8))


def test_cka_does_not_see_rotation_scale_or_shift():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40, 6, generator=generator)
    rotation, _ = torch.linalg.qr(torch.randn(6, 6, generator=generator))
    assert linear_cka(x, 3 * x @ rotation + 7) == pytest.approx(1, abs=1e-6)
    other = torch.randn(40, 4, generator=generator)
    assert linear_cka(x @ rotation, other) == pytest.approx(linear_cka(x, other), abs=1e-6)
    assert linear_cka(x, other) < 0.5


def test_cka_of_a_constant_is_0():
    assert linear_cka(torch.ones(5, 3), torch.randn(5, 2)) == 0


def brute_force(table):
    rows, columns = len(table), len(table[0])
    if rows <= columns:
        choices = itertools.combinations(range(columns), rows)
    else:
        choices = itertools.combinations_with_replacement(range(columns), rows)
    return max(sum(table[i][j] for i, j in enumerate(choice)) for choice in choices)


@settings(max_examples=100)
@given(
    st.tuples(st.integers(1, 4), st.integers(1, 5)).flatmap(
        lambda shape: st.lists(
            st.lists(st.integers(0, 9), min_size=shape[1], max_size=shape[1]), min_size=shape[0], max_size=shape[0]
        )
    )
)
def test_the_assignment_is_the_best_monotone_one(table):
    chosen = monotone_assignment(table)
    assert sum(table[i][j] for i, j in enumerate(chosen)) == brute_force(table)
    pairs = list(itertools.pairwise(chosen))
    assert all(a <= b for a, b in pairs)
    if len(table) <= len(table[0]):
        assert all(a < b for a, b in pairs)


def test_the_assignment_may_not_cross_even_where_that_is_more_similar():
    assert monotone_assignment([[0, 0, 9], [9, 0, 0]]) == [0, 1]


def test_auto_finds_the_layers_a_student_was_made_of():
    generator = torch.Generator().manual_seed(0)
    teacher = [torch.randn(60, 8, generator=generator) for _ in range(5)]
    student = [teacher[1] @ torch.randn(8, 8, generator=generator), teacher[4][:, :5]]
    mapping, similarities = cka_mapping(student, teacher)
    assert mapping == [1, 4]
    assert similarities == [linear_cka(student[0], teacher[1]), linear_cka(student[1], teacher[4])]
