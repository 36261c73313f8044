"""What is searched, between which bounds, and that values in a recipe are exactly those that were tried."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from edgekd.config import StudentConfig
from edgekd.recipe import resolve
from edgekd.search.space import Range, SearchSpace
from edgekd.tasks import TaskKind

SINGLE = [TaskKind.SINGLE_LABEL]


def space(tasks=SINGLE, **fields):
    return SearchSpace.of(StudentConfig(kind="bag", **fields), tasks)


def test_bounds_are_around_the_recipes_values():
    assert space(alpha=0.2, beta=0.6, temperature=2, learning_rate=0.01).ranges == {
        "alpha": Range(0.0, 0.8),
        "temperature": Range(1.0, 8.0, log=True),
        "learning_rate": Range(0.0025, 0.04, log=True),
    }


@pytest.mark.parametrize(("temperature", "bounds"), [(0.5, (0.5, 8)), (1, (1, 8)), (8, (1, 8)), (20, (1, 20))])
def test_a_temperature_outside_the_bounds_widens_them(temperature, bounds):
    found = space(temperature=temperature).ranges["temperature"]
    assert (found.low, found.high) == bounds


@pytest.mark.parametrize(
    ("loss", "tasks", "is_searched"),
    [
        ("soft", SINGLE, True),
        ("dkd", SINGLE, True),
        ("dist", SINGLE, True),
        ("soft", [TaskKind.MULTI_LABEL], True),
        ("hard", SINGLE, False),
        ("mse", SINGLE, False),
        ("huber", SINGLE, False),
        ("soft", [TaskKind.REGRESSION], False),
        ("soft", [TaskKind.REGRESSION, TaskKind.MULTI_LABEL], True),
    ],
)
def test_the_temperature_is_searched_only_where_the_loss_has_one(loss, tasks, is_searched):
    found = space(tasks, loss=loss)
    assert ("temperature" in found.ranges) is is_searched
    assert found.fields == ["alpha", "beta", *(["temperature"] if is_searched else []), "learning_rate"]


@given(
    alpha=st.floats(0, 5),
    beta=st.floats(0.001, 5),
    temperature=st.floats(0.1, 50),
    learning_rate=st.floats(1e-7, 1),
)
def test_the_recipes_own_values_are_inside_the_bounds_and_give_the_recipes_student(
    alpha, beta, temperature, learning_rate
):
    found = space(alpha=alpha, beta=beta, temperature=temperature, learning_rate=learning_rate)
    assert found.apply(found.start) is found.config
    assert all(found.ranges[name].low <= value <= found.ranges[name].high for name, value in found.start.items())


@given(
    alpha=st.floats(0, 3),
    beta=st.floats(0.01, 3),
    share=st.floats(0, 1),
    temperature=st.floats(1, 8),
    learning_rate=st.floats(2.5e-4, 4e-3),
)
def test_values_keep_the_sum_of_the_weights_and_survive_the_recipe(alpha, beta, share, temperature, learning_rate):
    found = space(alpha=alpha, beta=beta)
    values = {"alpha": share * (alpha + beta), "temperature": temperature, "learning_rate": learning_rate}
    config = found.apply(values)
    assert config.alpha + config.beta == pytest.approx(alpha + beta, abs=1e-9)
    assert min(config.alpha, config.beta) >= 0
    assert config.alpha == pytest.approx(values["alpha"], rel=1e-3)
    pasted = {"kind": "bag", **yaml.safe_load(yaml.safe_dump(found.settings(values)))}
    assert resolve({"students": [pasted]}, source="test").students == [config]


def test_a_curve_that_ends_at_the_sum_stays_possible():
    found = space(alpha=0.7, beta=0.1, alpha_curve="linear", alpha_end=0.8)
    config = found.apply({**found.start, "alpha": 0.123456})
    assert config.alpha == 0.1235
    assert config.alpha_end <= config.alpha + config.beta + 1e-9


def test_only_searched_settings_change():
    found = space(alpha=0.5, beta=0.5, epochs=7, loss="mse", seed=3, embedding_dim=16)
    config = found.apply({"alpha": 0.25, "learning_rate": 0.002})
    changed = {name for name in StudentConfig.model_fields if getattr(config, name) != getattr(found.config, name)}
    assert changed == {"alpha", "beta", "learning_rate"}
    assert found.settings({"alpha": 0.25, "learning_rate": 0.002}) == {
        "alpha": 0.25,
        "beta": 0.75,
        "learning_rate": 0.002,
    }
