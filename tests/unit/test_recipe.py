"""Recipes: defaults, settings, and errors that name the dotted path."""

from pathlib import Path

import pytest
import yaml

from edgekd.cli.options import build_recipe, data_settings, student_settings
from edgekd.errors import ConfigError
from edgekd.recipe import apply_settings, demo_recipe, dump_recipe, read_recipe, resolve, template


def fails(change, text):
    raw = apply_settings(demo_recipe(), [change])
    with pytest.raises(ConfigError) as caught:
        resolve(raw, source="recipe.yaml")
    assert text in caught.value.message


def test_the_demo_is_valid_and_survives_a_round_trip():
    recipe = resolve(demo_recipe(), source="demo")
    assert {student.kind for student in recipe.students} == {"bag", "cnn", "transformer"}
    assert resolve(yaml.safe_load(dump_recipe(recipe)), source="again") == recipe


def test_the_template_is_valid():
    text = template(data="my data: #1.csv", targets=["pi", "jetson"])
    recipe = resolve(yaml.safe_load(text), source="template")
    assert recipe.data.train == "my data: #1.csv"
    assert recipe.targets == ["pi", "jetson"]


def test_unknown_key_gives_the_dotted_path_and_the_nearest_key():
    fails("teacher.epoch=3", "teacher.epoch: unknown key. Allowed here: batch_size, epochs")
    fails("teacher.epoch=3", "Did you mean 'epochs'?")
    fails("students.1.temprature=2", "students.1.temprature: unknown key")
    fails("students.1.temprature=2", "Did you mean 'temperature'?")
    fails("studens=[]", "studens: unknown key")
    fails("data.split.tets=0.1", "data.split.tets: unknown key. Allowed here: seed, test, validation")


def test_wrong_values_name_path_and_value():
    fails("students.0.temperature=-1", "students.0.temperature: Input should be greater than 0 (given: -1)")
    fails(
        "students.0.loss=soft-ish",
        "students.0.loss: Input should be 'soft', 'hard', 'mse', 'huber', 'dkd' or 'dist' (given: 'soft-ish')",
    )
    fails("teacher.epochs=many", "teacher.epochs")
    fails("students=[]", "students: List should have at least 1 item")
    fails("name=../../etc", "name: String should match pattern")
    fails("students.0.name=../x", "students.0.name: String should match pattern")


def test_students_must_have_different_names():
    fails("students.0.kind=cnn", "students share the name ['cnn']")


def test_alpha_and_beta_cannot_both_be_0():
    raw = apply_settings(demo_recipe(), ["students.0.alpha=0", "students.0.beta=0"])
    with pytest.raises(ConfigError, match="nothing to learn from"):
        resolve(raw, source="x")


@pytest.mark.parametrize("setting", ["teacher.epochs", "=3", "students.9.epochs=1", "name.x.y=1", "students.one=1"])
def test_bad_settings(setting):
    with pytest.raises(ConfigError, match="--set"):
        apply_settings(demo_recipe(), [setting])


def test_settings_do_not_change_their_input():
    raw = demo_recipe()
    apply_settings(raw, ["teacher.epochs=9"])
    assert raw == demo_recipe()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"a: [", "is not valid YAML"),
        (b"- 1\n- 2\n", "must be a mapping"),
        (b"\xff\xfe\x00", "is not UTF-8"),
        (b"!!python/object/apply:os.system [id]", "is not valid YAML"),
    ],
)
def test_unreadable_recipes(tmp_path: Path, content, text):
    path = tmp_path / "r.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=text):
        read_recipe(path)


def test_missing_recipe(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        read_recipe(tmp_path / "none.yaml")


def test_flags_reach_the_recipe():
    flags = data_settings("x.csv", None, "t.csv", ["u.txt"], "body", None)
    changes = student_settings("mse", 0.5, None, 3.0, 2, 7)
    recipe = build_recipe(
        None,
        flags,
        ["teacher.epochs=1"],
        targets=["pi"],
        kinds=["cnn", "bag"],
        per_student=changes,
        top={"control": False},
    )
    assert (recipe.data.train, recipe.data.test, recipe.data.unlabelled) == ("x.csv", "t.csv", ["u.txt"])
    assert recipe.data.text_column == "body"
    assert [student.kind for student in recipe.students] == ["cnn", "bag"]
    assert all((s.loss, s.alpha, s.temperature, s.epochs, s.seed) == ("mse", 0.5, 3.0, 2, 7) for s in recipe.students)
    assert (recipe.teacher.epochs, recipe.targets, recipe.control, recipe.name) == (1, ["pi"], False, "run")
