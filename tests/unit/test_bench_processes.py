"""Several processes a variant: what is repeated, what is kept, and what a memory limit leaves out."""

from __future__ import annotations

import itertools
import statistics
from typing import ClassVar

import pytest

from edgekd.bench import interleaved
from edgekd.bench.child import Child, WorkerFailed
from edgekd.bench.limits import DoesNotFit, MemoryExceeded, MemoryLimit
from edgekd.bench.place import Place
from edgekd.bench.runner import run_bench
from edgekd.bench.variants import variant_from_bundle
from edgekd.config import BenchConfig
from edgekd.data.types import Examples
from edgekd.devices import find_profile
from edgekd.results import Evidence, load_result
from tests.bundles import make_bundle
from tests.toys import toy_texts

pytest.importorskip("onnx")

CONFIG = BenchConfig(passes=3, processes=3, block_size=10, warm_up_calls=5)
LIMIT = MemoryLimit(512_000_000, "--memory-limit")


@pytest.fixture(scope="module")
def variants(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")
    made = [make_bundle(folder / name, name=name, seed=seed) for seed, name in enumerate(("one", "other"))]
    return [variant_from_bundle(bundle.folder) for bundle in made]


def measure(variants, *, config=CONFIG, **options):
    return run_bench(
        variants,
        profile=find_profile("cpu"),
        config=config,
        texts=Examples(*toy_texts(40)),
        warm_up_texts=toy_texts(20, seed=5)[0],
        data_name="toy",
        **{"out": None, **options},
    )


class Watched(Child):
    """Writes down what is started, ended and asked; ``alive`` counts those that run."""

    log: ClassVar[list[tuple[str, str]]] = []
    alive = 0
    most_alive = 0

    def __init__(self, name, *args, **options):
        super().__init__(name, *args, **options)
        type(self).alive += 1
        type(self).most_alive = max(self.alive, self.most_alive)
        self.log.append((name, "start"))
        self._ended = False

    def ask(self, request, limit_s):
        self.log.append((self.name, request["do"]))
        return super().ask(request, limit_s)

    def close(self):
        type(self).alive -= not self._ended
        self._ended = True
        super().close()


@pytest.fixture(scope="module")
def session(variants):
    Watched.log, Watched.alive, Watched.most_alive = [], 0, 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interleaved, "Child", Watched)
        return measure(variants)


def test_each_process_measures_all_texts_in_blocks_of_its_own(session):
    for result in session:
        samples = result.samples
        assert samples.process == [0] * 40 + [1] * 40 + [2] * 40
        assert sorted(samples.text_index) == sorted([*range(40)] * 3)
        assert len(set(samples.block)) == 12
        assert all(
            len({p for b, p in zip(samples.block, samples.process, strict=True) if b == one}) == 1
            for one in set(samples.block)
        )
    one, other = session
    assert (one.samples.block, one.samples.process) == (other.samples.block, other.samples.process)
    assert one.samples.text_index == other.samples.text_index


def test_every_process_is_on_record(session):
    for result in session:
        assert len(result.processes) == 3
        assert result.load_time_s == statistics.median(run.load_time_s for run in result.processes)
        assert result.memory in [run.memory for run in result.processes]
        assert result.memory.peak_rss_bytes == max(run.memory.peak_rss_bytes for run in result.processes)
        assert all(run.affinity == result.affinity for run in result.processes)
        assert len(result.warm_up.total_s) == 5  # of the first process
        assert len(result.quality.predictions) == 40
        assert "the time limit" not in " ".join(result.notes)


def test_the_harness_is_on_record(session):
    one, other = session
    assert one.harness == other.harness
    assert 0 < one.harness.overhead_s < 1e-4


def test_one_repetition_at_a_time_and_each_in_another_order(session):
    assert len(session) == 2
    assert Watched.most_alive == 2
    assert Watched.alive == 0
    started = [name for name, what in Watched.log if what == "start"]
    assert started == ["the timing loop", "one", "other", "other", "one", "one", "other"]
    assert [name for name, what in Watched.log if what == "evaluate"] == ["one", "other"]


def test_a_single_process_is_not_numbered(variants):
    [result] = measure(variants[:1], config=CONFIG.model_copy(update={"processes": 1, "passes": 1}))
    assert result.samples.process == []
    assert len(result.processes) == 1


def test_the_precision_decides_how_many_processes_there_are(variants):
    wide = CONFIG.model_copy(update={"processes": 1, "passes": 2, "precision": 0.999})
    [result] = measure(variants[:1], config=wide)
    assert len(result.processes) == 1
    assert any("every median latency is known within" in note for note in result.notes)
    narrow = wide.model_copy(update={"precision": 1e-9, "max_seconds": 12.0})
    [result] = measure(variants[:1], config=narrow, clock=itertools.count().__next__)  # a second each look at it
    assert len(result.processes) == 2
    assert any("not within 1e-07 % as wanted" in note for note in result.notes)


@pytest.mark.parametrize("step", ["load", "block"])
def test_a_variant_that_does_not_fit_is_left_out_and_the_others_are_measured(variants, tmp_path, monkeypatch, step):
    class Small(Child):
        def ask(self, request, limit_s):
            if self.name == "one" and request["do"] == step:
                raise MemoryExceeded("too much", 700_000_000)
            return super().ask(request, limit_s)

    monkeypatch.setattr(interleaved, "Child", Small)
    config = CONFIG.model_copy(update={"processes": 2, "passes": 1})
    with pytest.raises(DoesNotFit, match="'one' does not fit: it took 700 MB, and it may have 512 MB") as caught:
        measure(variants, config=config, memory_limit=LIMIT, out=tmp_path)
    [other] = caught.value.results
    assert other.variant == "other"
    assert len(other.samples.total_s) == 80
    assert load_result(tmp_path / "other.result.json") == other
    assert not (tmp_path / "one.result.json").exists()


def test_a_real_process_with_too_little_memory(variants):
    with pytest.raises(DoesNotFit, match=r"'one' does not fit: it took [\d.]+ MB, and it may have 1 MB") as caught:
        measure(variants[:1], memory_limit=MemoryLimit(1_000_000, "--memory-limit"))
    assert caught.value.results == []


def test_a_death_of_hunger_is_one_only_under_a_limit(variants, monkeypatch):
    class Killed(Child):
        def ask(self, request, limit_s):
            if request["do"] == "load":
                raise WorkerFailed("The process that measures 'one' was killed by signal 9 (step: load).")
            return super().ask(request, limit_s)

    monkeypatch.setattr(interleaved, "Child", Killed)
    with pytest.raises(DoesNotFit, match="'one' does not fit: it needs more than 512 MB"):
        measure(variants[:1], memory_limit=LIMIT)
    with pytest.raises(WorkerFailed, match="killed by signal 9"):
        measure(variants[:1])


def test_where_nothing_can_be_timed_one_process_answers(variants):
    place = Place(name="a toy", evidence=Evidence.EMULATED, has_time=False, note="a note of the place")
    [result] = measure(variants[:1], place=place)
    assert (result.samples.total_s, result.warm_up.total_s, result.load_time_s) == ([], [], None)
    assert (len(result.processes), result.harness, result.machine_over_time) == (1, None, [])
    assert len(result.quality.predictions) == 40
    assert "a note of the place" in result.notes
    assert not any("warmed up" in note for note in result.notes)
