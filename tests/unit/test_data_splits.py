"""Hash splits and cleaning: pure functions, so properties hold for any text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgekd.data.splits import assign, clean, make_splits, normalise, shorten
from edgekd.data.types import Examples

SHARES = {"test": 0.15, "validation": 0.1}
texts = st.lists(st.text(min_size=1), unique_by=normalise, max_size=30)


def examples(*pairs: tuple[str, int]) -> Examples:
    return Examples([text for text, _ in pairs], [target for _, target in pairs])


def homes(rows: list[str]) -> dict[str, str]:
    made = make_splits(Examples(rows, list(range(len(rows)))), SHARES, seed=3)
    return {text: name for name, part in made.items() for text in part.texts}


@given(texts, texts, st.randoms())
def test_split_of_a_text_does_not_depend_on_the_others(rows, added, random):
    before = homes(rows)
    assert set(before) == set(rows)
    mixed = [*rows, *(text for text in added if text not in before)]
    random.shuffle(mixed)
    after = homes(mixed)
    assert {text: after[text] for text in rows} == before


@given(st.text())
def test_same_text_by_normalisation_has_the_same_split(text):
    assert assign(f"  {text}\n", SHARES, seed=0) == assign(text, SHARES, seed=0)


@given(st.text())
def test_more_validation_never_moves_a_test_text(text):
    wider = {"test": 0.15, "validation": 0.4}
    assert (assign(text, SHARES, seed=0) == "test") == (assign(text, wider, seed=0) == "test")


def test_shares_are_kept_and_the_seed_matters():
    rows = [f"sentence number {i}" for i in range(4000)]
    first = [assign(row, SHARES, seed=0) for row in rows]
    # Four standard deviations of a binomial count: sqrt(4000 * 0.15 * 0.85) = 22.6 and 19.0.
    assert abs(first.count("test") - 600) < 91
    assert abs(first.count("validation") - 400) < 76
    assert first != [assign(row, SHARES, seed=1) for row in rows]


def test_split_is_the_same_in_every_version():
    # printf "0\\0t3" | sha256sum: 331bf288fb2c6606... is 0.1996 of 2**64; t4 0.1276, good film 0.3245.
    assert [assign(text, SHARES, seed=0) for text in ("Good film", "t3", "t4")] == ["train", "validation", "test"]


def test_splits_keep_targets_and_order():
    rows = examples(*((f"t{i}", i) for i in range(50)))
    made = make_splits(rows, SHARES, seed=0)
    for part in made.values():
        assert part.targets == sorted(part.targets)
        assert part.texts == [f"t{i}" for i in part.targets]
    assert sum(len(part) for part in made.values()) == 50


def test_cleaning_reports_each_reason():
    splits = {
        "train": examples(("A", 0), ("a ", 0), ("a", 1), ("b", 0), ("C", 1), ("d", 1)),
        "validation": examples(("c", 1), ("b", 1), ("B", 1)),
        "test": examples(("b", 0)),
    }
    done = clean(splits, ["new", "NEW", " ", "B", "c", "a"])
    assert done.splits["train"] == examples(("A", 0), ("d", 1))
    assert done.splits["validation"] == examples(("c", 1))
    assert done.splits["test"] == examples(("b", 0))
    assert done.unlabelled == ["new"]
    assert {(item.split, item.reason): item.count for item in done.dropped} == {
        ("train", "duplicate within train"): 1,
        ("train", "conflicting label within train"): 1,
        ("train", "also in test"): 1,
        ("train", "also in validation"): 1,
        ("validation", "also in test"): 2,
        ("unlabelled", "duplicate within unlabelled"): 1,
        ("unlabelled", "empty text"): 1,
        ("unlabelled", "also in test"): 1,
        ("unlabelled", "also in validation"): 1,
        ("unlabelled", "also in train"): 1,
    }


@given(*[st.lists(st.tuples(st.text(max_size=3), st.integers(0, 1)), max_size=12)] * 3, st.lists(st.text(max_size=3)))
def test_nothing_is_left_twice_and_nothing_is_lost(train, validation, test, unlabelled):
    given_splits = {"train": examples(*train), "validation": examples(*validation), "test": examples(*test)}
    done = clean(given_splits, unlabelled)
    left = [text for part in done.splits.values() for text in part.texts] + done.unlabelled
    assert len({normalise(text) for text in left}) == len(left)
    dropped = sum(item.count for item in done.dropped)
    assert len(left) + dropped == len(train) + len(validation) + len(test) + len(unlabelled)


def test_at_most_three_short_examples():
    rows = examples(*[("long " * 100, 0)] * 6)
    (item,) = clean({"train": rows, "validation": examples(), "test": examples()}, []).dropped
    assert (item.count, len(item.examples)) == (5, 3)
    assert all(len(text) == 80 and text.endswith("...") for text in item.examples)
    assert shorten("a\n b") == "a b"
