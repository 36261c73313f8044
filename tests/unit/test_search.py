"""The search for weights with a training that is a formula: what is tried, stopped, kept, and found."""

import csv
import itertools
import subprocess
import sys
from types import SimpleNamespace

import pytest
import yaml

pytest.importorskip("optuna")

from edgekd.cli.build import _weight_search
from edgekd.config import SelfTrainingConfig, StudentConfig
from edgekd.errors import ConfigError, InvalidArtifact, MissingExtra
from edgekd.progress import Silent
from edgekd.runfolder import RunFolder
from edgekd.search.found import BEST_FILE, CAUTION, TRIALS_FILE
from edgekd.search.space import SearchSpace
from edgekd.search.study import StoppedEarly, WeightStudy, best_of
from edgekd.search.trial import TrialProgress
from edgekd.search.weights import WeightSearch, study_key
from edgekd.tasks import Task, TaskKind

CONFIG = StudentConfig(kind="bag", alpha=0.1, beta=0.9, temperature=2, learning_rate=0.01)
EPOCHS, STEPS = 4, 10


class Killed(BaseException):
    """Stands for a death of the process: nothing may catch it."""


class Lines(Silent):
    def __init__(self):
        self.lines = []

    def say(self, message):
        self.lines.append(message)

    def finish(self, note=""):
        self.lines.append(note)


class Training:
    """A training whose score is best for alpha 0.4 and learning rate 0.02, and grows with every epoch.

    Args:
        dies_at: the number of the evaluation, over all trials, in which the process dies.
    """

    def __init__(self, dies_at=None):
        self.dies_at = dies_at
        self.evaluations = 0
        self.configs = []
        self.opened = 0

    def __call__(self, config, desks, labellers):
        self.opened += 1
        return self.train

    @staticmethod
    def score(config):
        return 0.9 - abs(config.alpha - 0.4) / 4 - abs(config.learning_rate - 0.02) * 5

    def train(self, config, *, work, progress, on_score):
        self.configs.append(config)
        work.mkdir(parents=True, exist_ok=True)
        checkpoint = work / "epoch"
        first = int(checkpoint.read_text()) if checkpoint.exists() else 0
        progress.start("training", EPOCHS * STEPS)
        for epoch in range(first + 1, EPOCHS + 1):
            self.evaluations += 1
            on_score(epoch * STEPS, self.score(config) * epoch / EPOCHS)
            if self.evaluations == self.dies_at:
                raise Killed
            checkpoint.write_text(str(epoch))
        progress.finish("done")
        return self.score(config)


def desk(data="d", kind=TaskKind.SINGLE_LABEL, labels=("no", "yes")):
    return SimpleNamespace(
        data=SimpleNamespace(task=Task(kind, labels)),
        data_hash=data,
        labeller=SimpleNamespace(teacher_key="t", key="l"),
        recipe=SimpleNamespace(teacher=SimpleNamespace(max_length=32)),
    )


def search(folder, training=None, config=CONFIG, progress=None, **options):
    """Search; return what was found."""
    one = desk()
    tune = WeightSearch(progress or Silent(), trainer=training or Training(), **options)
    assert tune(config, [one], [one.labeller], RunFolder(folder)) == tune.found[config.label].config
    return tune.found[config.label]


def without_times(found):
    return [(a.values, a.score, a.evaluations, a.stopped_early) for a in found.attempts]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, search(folder, trials=20)


def test_the_recipes_values_come_first_and_are_never_stopped(finished):
    _, found = finished
    first = found.attempts[0]
    assert first.values == {"alpha": 0.1, "temperature": 2.0, "learning_rate": 0.01}
    assert not first.stopped_early
    assert first.score == Training.score(CONFIG)


def test_the_best_is_better_than_the_recipe_and_all_values_are_inside_the_bounds(finished):
    _, found = finished
    assert len(found.attempts) == 20
    assert found.best.score == max(a.score for a in found.attempts if not a.stopped_early)
    assert found.best.score > found.start.score + 0.04
    for attempt in found.attempts:
        assert 0 <= attempt.values["alpha"] <= 1
        assert 1 <= attempt.values["temperature"] <= 8
        assert 0.0025 <= attempt.values["learning_rate"] <= 0.04


def test_no_values_are_tried_twice(finished):
    _, found = finished
    assert len({tuple(a.values.values()) for a in found.attempts}) == 20


def test_bad_trials_are_stopped_early_and_take_fewer_evaluations(finished):
    _, found = finished
    stopped = [a for a in found.attempts if a.stopped_early]
    assert stopped
    assert {a.evaluations for a in stopped} == {2}
    assert {a.evaluations for a in found.attempts if not a.stopped_early} == {EPOCHS}


def test_the_snippet_and_the_table_say_what_was_found(finished):
    folder, found = finished
    target = folder / "search" / "bag"
    text = (target / BEST_FILE).read_text()
    best = yaml.safe_load(text)
    assert list(best) == ["alpha", "beta", "temperature", "learning_rate"]
    assert CONFIG.model_copy(update=best) == found.config
    assert CAUTION in text
    rows = list(csv.DictReader((target / TRIALS_FILE).read_text().splitlines()))
    assert [int(row["trial"]) for row in rows] == list(range(1, 21))
    assert [row["outcome"] == "stopped early" for row in rows] == [a.stopped_early for a in found.attempts]
    winner = max((row for row in rows if row["outcome"] == "complete"), key=lambda row: float(row["score"]))
    assert {name: float(winner[name]) for name in best} == best


def test_the_words_give_the_gain_and_a_caution(finished):
    _, found = finished
    gain = f"({100 * (found.best.score - found.start.score):+.1f} pt)"
    assert gain in found.words
    assert "accuracy on validation" in found.words
    assert CAUTION in found.words


def test_a_finished_search_is_not_made_again(finished):
    folder, found = finished
    training, lines = Training(), Lines()
    again = search(folder, training, trials=20, progress=lines)
    assert training.opened == 0
    assert again.config == found.config
    assert "20 trials were made before" in lines.lines[0]


def test_the_same_inputs_give_the_same_trials(finished, tmp_path):
    _, found = finished
    assert without_times(search(tmp_path, trials=12)) == without_times(found)[:12]


def test_more_trials_go_on_from_the_ones_before(finished, tmp_path):
    _, found = finished
    search(tmp_path, trials=6)
    training = Training()
    assert without_times(search(tmp_path, training, trials=9)) == without_times(found)[:9]
    assert len(training.configs) == 3


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dies_at", [1, 2, 4, 5, 11, 17, 19])
def test_a_search_that_was_killed_ends_like_one_that_was_not(finished, tmp_path, dies_at):
    _, found = finished
    with pytest.raises(Killed):
        search(tmp_path, Training(dies_at), trials=8)
    kept = list((tmp_path / "work" / "search-bag").iterdir())
    assert len(kept) == 1
    training = Training()
    again = search(tmp_path, training, trials=8)
    assert without_times(again) == without_times(found)[:8]
    assert training.evaluations < sum(a.evaluations for a in again.attempts) or dies_at == 1
    assert not (tmp_path / "work" / "search-bag").exists()


def test_a_search_that_is_killed_again_and_again_ends_too(finished, tmp_path):
    _, found = finished
    for _ in range(80):
        try:
            again = search(tmp_path, Training(dies_at=2), trials=8)
            break
        except Killed:
            continue
    assert without_times(again) == without_times(found)[:8]


def test_a_trial_that_was_cut_off_goes_on_from_its_checkpoint(tmp_path):
    with pytest.raises(Killed):
        search(tmp_path, Training(dies_at=3), trials=2)
    training = Training()
    search(tmp_path, training, trials=1)
    assert training.configs == [CONFIG]
    assert training.evaluations == 2  # the third, whose checkpoint was not written, and the fourth


def test_when_nothing_is_better_the_recipe_stays_as_it_is(tmp_path):
    class Flat(Training):
        @staticmethod
        def score(config):
            return 0.5

    found = search(tmp_path, Flat(), trials=4)
    assert found.config is CONFIG
    assert "which are kept" in found.words
    assert yaml.safe_load((tmp_path / "search" / "bag" / BEST_FILE).read_text())["alpha"] == 0.1


def test_a_training_that_came_to_nothing_is_told_as_such(tmp_path):
    class Diverging(Training):
        @staticmethod
        def score(config):
            return -1.0 if config.alpha == 0.1 else 0.5

    lines = Lines()
    found = search(tmp_path, Diverging(), trials=2, progress=lines)
    assert "best so far none (outputs constant or not finite)" in lines.lines[0]
    assert found.best.score == 0.5
    assert "50.0 %, with the recipe's values none (outputs constant or not finite). The values" in found.words


def test_a_single_trial_is_the_recipe(tmp_path):
    found = search(tmp_path, trials=1)
    assert found.config is CONFIG
    assert "none of 1 trial (0 stopped early)" in found.words


def test_no_trial_begins_after_the_time_is_up_also_in_a_later_run(tmp_path):
    clock = itertools.count(0.0, 5.0).__next__  # every look at the clock is 5 s later, so a trial takes 5 s

    lines = Lines()
    found = search(tmp_path, trials=20, seconds=12, clock=clock, progress=lines)
    assert [a.duration_s for a in found.attempts] == [5, 5, 5]
    assert any("no further one begins" in line for line in lines.lines)
    training = Training()
    search(tmp_path, training, trials=20, seconds=12)
    assert training.opened == 0


def test_each_trial_leaves_one_line(tmp_path):
    lines = Lines()
    search(tmp_path, trials=8, progress=lines)
    assert len(lines.lines) == 9
    assert lines.lines[0].startswith("accuracy 77.5 %; alpha 0.1, beta 0.9, temperature 2, learning_rate 0.01")
    assert all("best so far" in line for line in lines.lines[:8])
    assert any("stopped after 2 epochs" in line for line in lines.lines)


def test_a_trial_whose_training_had_ended_still_gets_its_own_line():
    class Recorder(Lines):
        def start(self, description, total):
            self.lines.append((description, total))

    inner = Recorder()
    shown = TrialProgress(inner, "trial 3")
    shown.end("0.8")
    assert inner.lines == [("trial 3", None), "0.8"]


def test_other_inputs_start_another_study_and_the_old_one_is_found_again(tmp_path):
    one = search(tmp_path, trials=3)
    other = CONFIG.model_copy(update={"epochs": 2})
    training = Training()
    search(tmp_path, training, config=other, trials=3)
    assert len(training.configs) == 3
    training = Training()
    assert without_times(search(tmp_path, training, trials=3)) == without_times(one)
    assert training.opened == 0


def test_the_key_holds_what_scores_depend_on():
    one = desk()
    known = study_key(CONFIG, [one], [one.labeller])

    def key(config=CONFIG, data="d", labels="l"):
        changed = desk(data)
        changed.labeller.key = labels
        return study_key(config, [changed], [changed.labeller])

    assert key() == known
    for update in ({"name": "small"}, {"self_training": SelfTrainingConfig()}, {"control_epochs": 3}):
        assert key(CONFIG.model_copy(update=update)) == known
    for update in ({"seed": 1}, {"alpha": 0.2}, {"epochs": 3}, {"loss": "mse"}, {"max_transfer": 10}):
        assert key(CONFIG.model_copy(update=update)) != known
    assert key(data="e") != known
    assert key(labels="m") != known


def study(folder, key="k", **options):
    return WeightStudy(folder / "journal", key, SearchSpace.of(CONFIG, [TaskKind.SINGLE_LABEL]), **options)


def run_trial(a_study, scores):
    opened = a_study.ask()
    for epoch, score in enumerate(scores, start=1):
        opened.report(epoch * 7, score)
    a_study.complete(opened, max(scores), 1.0)


def test_a_trial_below_the_median_at_its_step_is_stopped(tmp_path):
    trials = study(tmp_path)
    for second in (0.5, 0.6, 0.7, 0.8):
        run_trial(trials, [0.1, second, 0.9])
    opened = trials.ask()
    opened.report(7, 0.0)  # the first evaluation never stops a trial
    opened.report(14, 0.65)  # the median of 0.5, 0.6, 0.7 and 0.8
    with pytest.raises(StoppedEarly):
        opened.report(21, 0.899)
    trials.stop(opened, 2.0)
    assert trials.attempts[-1].score == 0.899
    assert trials.attempts[-1].stopped_early
    worse = trials.ask()
    worse.report(7, 0.0)
    with pytest.raises(StoppedEarly):
        worse.report(14, 0.649)


def test_an_early_peak_counts(tmp_path):
    trials = study(tmp_path)
    for _ in range(4):
        run_trial(trials, [0.1, 0.5])
    opened = trials.ask()
    opened.report(7, 0.6)
    opened.report(14, 0.2)


def test_nothing_is_stopped_before_four_trials_ran_to_their_end(tmp_path):
    trials = study(tmp_path)
    for _ in range(3):
        run_trial(trials, [0.9, 0.9])
    run_trial(trials, [0.1, 0.1])
    opened = trials.ask()
    opened.report(7, 0.1)
    with pytest.raises(StoppedEarly):
        opened.report(14, 0.1)


def test_epochs_with_feature_losses_alone_never_stop_a_trial(tmp_path):
    trials = study(tmp_path, warm_up=3)
    for _ in range(4):
        run_trial(trials, [0.5, 0.6, 0.7, 0.8])
    opened = trials.ask()
    for step in (7, 14, 21):
        opened.report(step, 0.1)
    with pytest.raises(StoppedEarly):
        opened.report(28, 0.1)


def test_of_equal_trials_the_first_is_best_and_a_stopped_one_never(tmp_path):
    trials = study(tmp_path)
    for _ in range(4):
        run_trial(trials, [0.5, 0.6])
    opened = trials.ask()
    opened.report(7, 0.1)
    with pytest.raises(StoppedEarly):
        opened.report(14, 0.2)
    trials.stop(opened, 1.0)
    assert best_of(trials.attempts) == trials.attempts[0]
    assert best_of([trials.attempts[-1]]) is None


def test_what_was_cut_off_is_tried_again_with_its_reports(tmp_path):
    trials = study(tmp_path)
    run_trial(trials, [0.5])
    lost = trials.ask()
    lost.report(7, 0.4)
    again = study(tmp_path)
    assert again.cut_off == [lost.values]
    opened = again.ask()
    assert (opened.values, opened.seen) == (lost.values, {7: 0.4})
    assert len(study(tmp_path).attempts) == 1


def test_recovering_twice_tries_again_once(tmp_path):
    first = study(tmp_path)
    first.ask()
    for _ in range(3):
        assert len(study(tmp_path).cut_off) == 1


def test_a_kill_while_recovering_loses_and_doubles_nothing(tmp_path, monkeypatch):
    lost = study(tmp_path).ask()

    def die(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("optuna.Study.tell", die)  # after the copy was queued, before the dead trial is marked
        with pytest.raises(Killed):
            study(tmp_path)
    assert study(tmp_path).cut_off == [lost.values]


def test_a_kill_before_a_trial_has_its_values_loses_nothing(tmp_path):
    trials = study(tmp_path)
    trials._study.enqueue_trial(trials.space.start)
    trials._study.ask()  # running, without values
    again = study(tmp_path)
    assert again.cut_off == []
    assert again.ask().values == again.space.start


def test_an_enqueued_start_is_not_enqueued_twice(tmp_path):
    trials = study(tmp_path)
    trials._study.enqueue_trial(trials.space.start)
    again = study(tmp_path)
    run_trial(again, [0.5])
    assert again.ask().values != again.space.start


def test_a_half_written_line_and_a_lock_of_a_dead_process_are_removed(tmp_path, monkeypatch):
    def sleep(seconds):
        raise AssertionError("waits for a dead process")

    trials = study(tmp_path)
    run_trial(trials, [0.5])
    path = tmp_path / "journal"
    with path.open("ab") as stream:
        stream.write(b'{"op_code":4,"wor')
    (tmp_path / "journal.lock").symlink_to(path)
    monkeypatch.setattr("time.sleep", sleep)
    again = study(tmp_path)
    assert [a.score for a in again.attempts] == [0.5]
    run_trial(again, [0.6])
    assert [a.score for a in study(tmp_path).attempts] == [0.5, 0.6]


@pytest.mark.parametrize("content", [b"no journal\n", b'{"op_code":5}\n', b"[1]\n", b"\xff\xfe\n", b'{"op_code":99}\n'])
def test_a_damaged_journal_is_explained(tmp_path, content):
    (tmp_path / "journal").write_bytes(content)
    with pytest.raises(InvalidArtifact, match="damaged") as error:
        study(tmp_path)
    assert "Remove it" in error.value.hint


def test_several_tasks_are_compared_by_their_mean(tmp_path):
    desks = [desk(), desk("e", TaskKind.REGRESSION, ("value",))]
    tune = WeightSearch(Silent(), trials=1, trainer=Training())
    tune(CONFIG, desks, [one.labeller for one in desks], RunFolder(tmp_path))
    assert "mean score of the tasks" in tune.found["bag"].words


def test_without_optuna_the_extra_is_named(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("optuna") or name == "edgekd.search.study"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtra, match="'optuna'") as error:
        WeightSearch(Silent())
    assert "edgekd[search]" in error.value.hint


@pytest.mark.parametrize("options", [{"trials": 3, "seconds": None}, {"trials": None, "seconds": 0.0}])
def test_options_of_a_search_without_a_search_are_refused(options):
    with pytest.raises(ConfigError, match="belong to a search"):
        _weight_search(wanted=False, **options)
    assert _weight_search(wanted=False, trials=None, seconds=None) is None
    assert _weight_search(wanted=True, **options).trials == (options["trials"] or 20)


def test_neither_optuna_nor_torch_is_imported_before_it_is_needed():
    code = (
        "import sys, edgekd.cli.app, edgekd.pipeline, edgekd.search.weights, edgekd.search.space\n"
        "print(sorted({'optuna', 'torch', 'sqlalchemy'} & set(sys.modules)))\n"
        "import edgekd.search.study\n"
        "print(sorted({'optuna', 'torch', 'sqlalchemy', 'alembic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "['optuna']"]
