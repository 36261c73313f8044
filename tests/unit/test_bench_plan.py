from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.bench.affinity import allowed_cpus, choose_cpus, siblings
from edgekd.bench.plan import make_plan
from edgekd.config import BenchConfig

OTHERS = ["other one", "other two"]


def texts(count):
    return [f"text {i}" for i in range(count)]


@given(st.integers(1, 300), st.integers(1, 60), st.one_of(st.none(), st.integers(1, 300)), st.integers(0, 5))
def test_blocks_cover_each_timed_text_once(count, size, most, seed):
    config = BenchConfig(block_size=size, max_texts=most, seed=seed)
    plan = make_plan(texts(count), OTHERS, config)
    assert len(plan.timed) == len(set(plan.timed)) == min(count, most or count)
    assert all(len(block) <= size for block in plan.blocks)


def test_the_same_seed_gives_the_same_plan():
    first, second, other = (make_plan(texts(100), OTHERS, BenchConfig(seed=s)) for s in (3, 3, 4))
    assert first == second
    assert first.blocks != other.blocks
    assert list(islice(first.rounds(4), 9)) == list(islice(second.rounds(4), 9))


def test_every_round_measures_one_block_with_every_variant():
    plan = make_plan(texts(100), OTHERS, BenchConfig(block_size=10, passes=3, processes=1))
    assert plan.rounds_planned == 30
    rounds = list(islice(plan.rounds(4), 30))
    assert [r.number for r in rounds] == list(range(30))
    assert [r.number for r in rounds if r.starts_pass] == [0, 10, 20]
    assert all(sorted(r.order) == [0, 1, 2, 3] for r in rounds)
    assert len({tuple(r.order) for r in rounds}) > 5
    for start in (0, 10, 20):
        measured = sorted(i for r in rounds[start : start + 10] for i in r.indexes)
        assert measured == list(range(100))
    assert [r.indexes for r in rounds[:10]] != [r.indexes for r in rounds[10:20]]


def test_given_warm_up_texts_are_never_measured_ones():
    plan = make_plan(texts(10), ["text 3", *OTHERS], BenchConfig())
    assert sorted(plan.warm_up) == OTHERS
    assert len(plan.timed) == 10
    assert plan.warm_up_note == "warmed up with 2 given texts, none of them timed"


def test_without_warm_up_texts_some_are_held_out():
    plan = make_plan(texts(100), [], BenchConfig())
    held_out = {int(text.split()[1]) for text in plan.warm_up}
    assert len(held_out) == 20
    assert held_out.isdisjoint(plan.timed)
    assert "20 held-out texts" in plan.warm_up_note
    assert len(make_plan(texts(5000), [], BenchConfig()).warm_up) == 200


def test_a_single_text_warms_up_and_is_timed():
    plan = make_plan(["only"], ["only"], BenchConfig())
    assert (plan.warm_up, plan.timed) == (["only"], [0])
    assert "the timed text itself" in plan.warm_up_note


def write_topology(root, cores):
    for cpu, core in enumerate(cores):
        folder = root / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{core}\n", encoding="utf-8")


def test_processors_are_taken_from_the_last_one_a_core(tmp_path, monkeypatch):
    monkeypatch.setattr("edgekd.bench.affinity.allowed_cpus", lambda: [0, 1, 2, 3])
    write_topology(tmp_path, ["0-1", "0-1", "2-3", "2-3"])
    assert choose_cpus(1, tmp_path) == [3]
    assert choose_cpus(2, tmp_path) == [1, 3]
    assert choose_cpus(3, tmp_path) == [1, 2, 3]
    assert choose_cpus(99, tmp_path) == [0, 1, 2, 3]


def test_without_topology_every_processor_is_a_core(tmp_path):
    assert siblings(5, tmp_path) == "5"
    assert choose_cpus(1, tmp_path) == [allowed_cpus()[-1]]


@pytest.mark.parametrize(("passes", "processes", "each"), [(2, 3, 1), (6, 3, 2), (7, 3, 3), (2, 1, 2), (1, 5, 1)])
def test_passes_are_shared_by_the_processes(passes, processes, each):
    assert make_plan(texts(10), OTHERS, BenchConfig(passes=passes, processes=processes)).passes == each


def test_each_process_has_an_order_of_its_own_and_goes_on_counting():
    plan = make_plan(texts(100), OTHERS, BenchConfig(block_size=10))
    first = list(islice(plan.rounds(3), 10))
    second = list(islice(plan.rounds(3, process=1, first=10), 10))
    assert [r.number for r in second] == list(range(10, 20))
    assert second[0].starts_pass
    assert [r.indexes for r in first] != [r.indexes for r in second]
    assert sorted(map(sorted, (r.indexes for r in first))) == sorted(map(sorted, (r.indexes for r in second)))
