"""What CI systems run of edgekd: the steps of the GitHub action and of the GitLab template, run here as they would be.

Only the installation is replaced: a folder with the names that it would make points at the present environment.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from tests.bundles import make_bundle

ROOT = Path(__file__).parents[2]
ACTION = ROOT / "action.yml"
GITLAB = ROOT / "ci" / "gitlab.yml"
HOSTILE = "$(touch pwned)`touch pwned`\"'; touch pwned #"


def action():
    return yaml.safe_load(ACTION.read_text(encoding="utf-8"))


def step(name):
    [found] = [one for one in action()["runs"]["steps"] if one["name"] == name]
    return found


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two bundles of one variant that differ; judging their sizes runs nothing."""
    pytest.importorskip("onnx")
    root = tmp_path_factory.mktemp("ci")
    make_bundle(root / "old")
    make_bundle(root / "big", slow_factor=3.0)
    (root / "edgekd.gate.yaml").write_text("targets: {cpu: {budgets: none}}\n")
    return root


def fake_environment(folder, *, recorder=False):
    """Put this Python and edgekd where the installation would put them.

    With ``recorder`` the program only writes its arguments, one after each other with a zero byte, and ends with 3.
    """
    (folder / "bin").mkdir(parents=True)
    edgekd = (
        f'printf "%s\\0" "$@" > "{folder}/arguments"; exit 3' if recorder else f'exec "{sys.executable}" -m edgekd "$@"'
    )
    for name, line in (("python", f'exec "{sys.executable}" "$@"'), ("edgekd", edgekd)):
        program = folder / "bin" / name
        program.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        program.chmod(0o755)


def arguments_in(folder):
    return (folder / "arguments").read_text().split("\0")[:-1]


def run_judge(world, temp, *, recorder=False, **inputs):
    """Run the step that judges, with its inputs as GitHub hands them over; return it and what it put out."""
    fake_environment(temp / "edgekd", recorder=recorder)
    values = {name: str(one["default"]) for name, one in action()["inputs"].items()} | inputs
    judge = step("Judge")
    environment = {
        name: values[text.removeprefix("${{ inputs.").removesuffix(" }}")] for name, text in judge["env"].items()
    }
    files = {name: temp / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for path in files.values():
        path.write_text("")
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", judge["run"]],
        cwd=world,
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            **environment,
            **{name: str(path) for name, path in files.items()},
            "PYTHONPATH": str(ROOT),
            "RUNNER_TEMP": str(temp),
            "GITHUB_ACTIONS": "true",
        },
    )
    outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())
    return done, outputs, files["GITHUB_STEP_SUMMARY"].read_text()


def test_the_action_judges_and_says_so_in_outputs_summary_and_annotations(world, tmp_path):
    inputs = {"candidate": "big", "baseline": "old", "require": "size<1MB\n\nsize<+1%\n", "target": "cpu\n"}
    done, outputs, summary = run_judge(world, tmp_path, **inputs)
    assert done.returncode == 1, done.stderr
    assert (outputs["verdict"], outputs["exit-code"]) == ("fail", "1")
    report = Path(outputs["report"])
    [gate] = json.loads((report / "gate.json").read_text())["gates"]
    assert [(rule["rule"], rule["outcome"]) for rule in gate["rules"]] == [("size<1MB", "pass"), ("size<+1%", "fail")]
    assert ET.fromstring((report / "junit.xml").read_text()).find("testsuite").get("failures") == "1"
    assert summary == (report / "gate.md").read_text() + "\n"
    assert "::error title=edgekd gate cpu%3A size<+1%25 FAIL::" in done.stderr


def test_the_action_hands_every_input_over_whole(world, tmp_path):
    names = ("candidate", "baseline", "config", "data", "max-seconds")
    inputs = {name: f"-{name} {HOSTILE}" for name in names}
    inputs |= {"require": f"p50<+3%\n  \n{HOSTILE}", "target": "pi4\n jetson \n", "report-only": "true"}
    done, outputs, _ = run_judge(world, tmp_path, recorder=True, **inputs)
    assert (done.returncode, outputs["verdict"], outputs["exit-code"]) == (3, "invalid", "3")
    report = outputs["report"]
    assert arguments_in(tmp_path / "edgekd") == [
        *("gate", "--out", f"{report}/gate.json", "--junit", f"{report}/junit.xml", "--markdown", f"{report}/gate.md"),
        *(f"--{name}={inputs[name]}" for name in names[1:]),
        *("--report-only", "--require=p50<+3%", f"--require={HOSTILE}", "--target=pi4", "--target=jetson"),
        *("--", inputs["candidate"]),
    ]
    assert not list(world.rglob("pwned"))


def test_the_action_leaves_what_is_not_given_to_the_configuration(world, tmp_path):
    _, outputs, _ = run_judge(world, tmp_path, recorder=True)
    report = outputs["report"]
    assert arguments_in(tmp_path / "edgekd") == [
        *("gate", "--out", f"{report}/gate.json", "--junit", f"{report}/junit.xml", "--markdown", f"{report}/gate.md")
    ]


@pytest.mark.parametrize(("name", "value"), [("version", "1.0; touch x"), ("version", "@ /x"), ("extras", "a]==1")])
def test_the_action_installs_nothing_but_a_version_of_edgekd(tmp_path, name, value):
    install = step("Install edgekd")
    environment = {"EDGEKD_VERSION": "", "EDGEKD_EXTRAS": "", "EDGEKD_SOURCE": "/nowhere"}
    environment[f"EDGEKD_{name.upper()}"] = value
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", install["run"]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "RUNNER_TEMP": str(tmp_path), **environment},
    )
    assert done.returncode == 2
    assert f"The input '{name}' is no " in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_inputs_reach_the_shell_through_its_environment_alone():
    for one in action()["runs"]["steps"]:
        assert "${{" not in one["run"], one["name"]
        assert one["shell"] == "bash"
    used = " ".join(value for one in action()["runs"]["steps"] for value in one["env"].values())
    missing = [name for name in action()["inputs"] if f"inputs.{name} " not in used and name != "working-directory"]
    assert not missing


def gitlab_job():
    return yaml.safe_load(GITLAB.read_text(encoding="utf-8"))[".edgekd-gate"]


def run_gitlab(world, folder, shell, *, recorder=False, **variables):
    fake_environment(folder / ".edgekd-venv", recorder=recorder)
    for path in world.iterdir():
        (folder / path.name).symlink_to(path)
    job = gitlab_job()
    return subprocess.run(
        [shell, "-e", "-c", "\n".join(job["script"])],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **job["variables"], "PYTHONPATH": str(ROOT), "GITHUB_STEP_SUMMARY": "", **variables},
    )


def test_the_gitlab_job_judges_and_leaves_what_it_promises(world, tmp_path):
    rules = "size<1MB\nsize<+1%\n"
    done = run_gitlab(world, tmp_path, "sh", EDGEKD_CANDIDATE="big", EDGEKD_BASELINE="old", EDGEKD_REQUIRE=rules)
    assert done.returncode == 1, done.stderr
    artifacts = gitlab_job()["artifacts"]
    assert artifacts["when"] == "always"
    suite = ET.fromstring((tmp_path / artifacts["reports"]["junit"]).read_text()).find("testsuite")
    assert [case.get("name") for case in suite.iter("testcase")] == ["size<1MB", "size<+1%"]
    files = sorted(path.name for path in (tmp_path / artifacts["paths"][0]).iterdir())
    assert files == ["gate.json", "gate.md", "junit.xml"]


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_the_gitlab_job_hands_every_variable_over_whole(world, tmp_path, shell):
    names = ("BASELINE", "CONFIG", "DATA", "MAX_SECONDS")
    variables = {f"EDGEKD_{name}": f"-{name} * {HOSTILE}" for name in (*names, "CANDIDATE")}
    variables |= {"EDGEKD_REQUIRE": f"p50<+3%\n\n{HOSTILE}\n", "EDGEKD_TARGET": "pi4\njetson"}
    done = run_gitlab(world, tmp_path, shell, recorder=True, EDGEKD_REPORT_ONLY="true", **variables)
    assert done.returncode == 3, done.stderr
    out = "edgekd-gate"
    assert arguments_in(tmp_path / ".edgekd-venv") == [
        *("gate", "--out", f"{out}/gate.json", "--junit", f"{out}/junit.xml", "--markdown", f"{out}/gate.md"),
        *(f"--{name.lower().replace('_', '-')}={variables[f'EDGEKD_{name}']}" for name in names),
        *("--report-only", "--require=p50<+3%", f"--require={HOSTILE}", "--target=pi4", "--target=jetson"),
        *("--", variables["EDGEKD_CANDIDATE"]),
    ]
    assert not list(tmp_path.rglob("pwned"))


def scripts():
    for one in action()["runs"]["steps"]:
        yield f"action: {one['name']}", "bash", one["run"]
    job = gitlab_job()
    yield "gitlab", "sh", "\n".join([*job["before_script"], *job["script"]])


@pytest.mark.parametrize(("name", "shell", "text"), list(scripts()))
def test_shellcheck_finds_nothing(name, shell, text):
    program = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        pytest.skip("shellcheck is not installed in this environment")
    done = subprocess.run([program, f"--shell={shell}", "-"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{name}\n{done.stdout}"


def workflows_in_docs():
    """Return the workflows that docs/ci.md shows."""
    blocks = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8").split("```yaml\n")[1:]
    return [block.split("```")[0] for block in blocks if "runs-on:" in block]


def test_workflows_in_the_docs_name_actions_by_commit_and_give_them_inputs_that_exist():
    found = workflows_in_docs()
    assert found
    inputs = set(action()["inputs"])
    for text in found:
        for job in yaml.safe_load(text)["jobs"].values():
            for one in job["steps"]:
                name, _, pin = one.get("uses", "").partition("@")
                if name.startswith("actions/"):
                    assert len(pin) == 40, one["uses"]
                if name == "OWNER/edgekd":
                    assert set(one.get("with", {})) <= inputs


def test_actionlint_finds_nothing(tmp_path):
    program = shutil.which("actionlint")
    if program is None:
        pytest.skip("actionlint is not installed")
    for number, text in enumerate(workflows_in_docs()):
        file = tmp_path / f"{number}.yml"
        file.write_text(text, encoding="utf-8")
        done = subprocess.run([program, str(file)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
