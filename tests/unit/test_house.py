"""House rules: lint, types, light imports, fast start, no telemetry, one direction of imports, the wheel."""

import ast
import os
import re
import resource
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "edgekd"
HEAVY = {
    "torch",
    "transformers",
    "onnxruntime",
    "numpy",
    "pydantic",
    "datasets",
    "onnx",
    "vl_convert",
    "openvino",
    "tokenizers",
    "optuna",
}
TRAINING_ONLY = {"torch", "transformers", "datasets", "onnx", "optimum", "accelerate", "optuna"}

# From the top down; a module may import from its own row and from rows below.
LAYERS = [
    {"cli", "__main__", "pytest_plugin", "pytest_support"},
    {"search"},
    {"pipeline", "measure", "publish", "publish_config", "labelling", "arms", "desk", "feasible"}
    | {"compression", "graphs", "ladder", "sessions", "exported", "judging", "single", "refusals", "workplace"}
    | {"exporting", "export_manifest", "export_material", "exportable", "opening"},
    {"gate"},
    {"explain", "bundles"},
    {"report"},
    {"teacher", "student", "compress", "export", "bench", "training", "scoring", "batches", "buckets", "averaging"}
    | {"emulation", "step_timer", "trainer", "goals", "estimate", "remote", "doctor"},
    {"api", "runtime", "analysis", "data"},
    {"recipe", "assets", "catalogue", "download", "runfolder", "recipe_reference"},
    {"bundle", "results", "measurements", "decisions", "devices", "config", "steps", "proof", "provenance"},
    {"artifacts", "registry", "tasks", "progress", "environment", "errors", "processor", "filenames", "units"}
    | {"score_text"},
]


def python(code, **env):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env={**os.environ, **env}
    ).stdout


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def type_checking_lines(tree):
    lines = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            lines.update(range(node.lineno, node.end_lineno + 1))
    return lines


def imports(tree, *, top_level=False):
    """Yield dotted names that a module imports at run time."""
    ignored = type_checking_lines(tree)
    nodes = tree.body if top_level else ast.walk(tree)
    for node in nodes:
        if getattr(node, "lineno", 0) in ignored:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.parametrize("command", [["ruff", "format", "--check", "."], ["ruff", "check", "."], ["mypy"]])
def test_lint_and_types(command):
    pytest.importorskip(command[0])
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom typer.testing import CliRunner\nimport edgekd.cli.app as a\n"
        "assert CliRunner().invoke(a.app, ['--help']).exit_code == 0\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    assert python(code).strip() == "[]"


def test_start_is_fast():
    """`edgekd --help` takes at most twice as long as importing what prints the help of any Typer program.

    Compared is processor time, the best of eight of each in turns, because the machine may be busy.
    """

    def seconds(arguments):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    reference, start = [], []
    for _ in range(8):
        reference.append(seconds([sys.executable, "-c", "import typer, typer.rich_utils"]))
        start.append(seconds([sys.executable, "-m", "edgekd", "--help"]))
    assert min(start) <= 2 * min(reference), f"{min(start):.3f} s against {min(reference):.3f} s"


@pytest.mark.parametrize(
    "module",
    [
        "bench.runner",
        "bench.worker",
        "gate.verdict",
        "gate.worker",
        "report.write",
        "analysis.compare",
        "runtime",
        "measure",
        "explain.explainer",
        "emulation.verify",
        "doctor.places",
        "estimate.phase",
        "remote.fleet",
        "bench.board",
    ],
)
def test_measuring_needs_no_training_packages(module):
    code = f"import sys, edgekd.{module}\nprint(sorted({TRAINING_ONLY!r} & set(sys.modules)))"
    assert python(code).strip() == "[]"


def test_telemetry_is_off_before_any_runtime_is_imported():
    code = "import os, edgekd\nprint(os.environ['ORT_DISABLE_TELEMETRY'], os.environ['HF_HUB_DISABLE_TELEMETRY'])"
    assert python(code, ORT_DISABLE_TELEMETRY="0").split() == ["1", "1"]
    for path, tree in modules():
        top = {name.partition(".")[0] for name in imports(tree, top_level=True)}
        # A module that imports a runtime is inside the package, whose __init__ has run before it.
        assert "edgekd" in path.parts or not top & {"onnxruntime", "openvino"}


def layer_of(dotted):
    name = dotted.split(".")[1] if "." in dotted else "environment"
    return next(index for index, row in enumerate(LAYERS) if name in row)


def test_imports_point_one_way():
    wrong = []
    for path, tree in modules():
        dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if dotted == "edgekd":
            continue
        mine = layer_of(dotted)
        for name in imports(tree):
            if name and name.startswith("edgekd."):
                other = layer_of(name)
                if other < mine:
                    wrong.append(f"{dotted} imports {name}")
    assert not wrong


def test_there_are_no_import_cycles():
    graph = {}
    for path, tree in modules():
        dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        graph[dotted] = {name for name in imports(tree, top_level=True) if name and name.startswith("edgekd.")}
    done, active = set(), []

    def visit(name):
        assert name not in active, " -> ".join([*active[active.index(name) :], name])
        if name in done:
            return
        active.append(name)
        for other in sorted(graph.get(name, ())):
            visit(other)
        active.pop()
        done.add(name)

    for name in sorted(graph):
        visit(name)


# A number has one text everywhere, so only edgekd/units.py rounds. These write for no reader, or repeat what was given.
ROUNDING_ELSEWHERE = {
    "analysis/parity.py": "a logit as exact as the CSV has it",
    "bundles/run.py": "travels with a bundle, without edgekd",
    "cli/bundle_tables.py": "a value of a manifest, exact",
    "export/evidence.py": "CSV",
    "gate/budgets.py": "a rule as it would be typed",
    "gate/junit.py": "XML of a fixed form",
    "gate/words.py": "a limit as it was given",
    "report/charts/latency.py": "places of a chart",
    "report/charts/scales.py": "places of a chart",
    "search/found.py": "CSV",
    "steps.py": "parts of a variant's name",
}


def test_only_one_module_rounds_numbers():
    found = {}
    for path, tree in modules():
        for node in ast.walk(tree):
            spec = ast.unparse(node.format_spec) if isinstance(node, ast.FormattedValue) and node.format_spec else ""
            if re.search(r"\.([1-9]\d*[efg%]|0%)", spec):
                found.setdefault(path.relative_to(PACKAGE).as_posix(), []).append(f"{node.lineno}: {spec}")
    assert "units.py" in found
    assert {name: lines for name, lines in found.items() if name not in ROUNDING_ELSEWHERE} == {
        "units.py": found["units.py"]
    }
    assert set(ROUNDING_ELSEWHERE) <= set(found)


def test_the_wheel_carries_profiles_recipes_and_templates(tmp_path):
    if find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed in this environment")
    from hatchling.builders.wheel import WheelBuilder

    [wheel] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    names = set(zipfile.ZipFile(wheel).namelist())
    for profile in (ROOT / "devices").glob("*.yaml"):
        assert f"edgekd/_shipped/devices/{profile.name}" in names
    templates = {"edgekd/explain/template.html.j2"}
    templates |= {f"edgekd/report/templates/{file.name}" for file in (PACKAGE / "report" / "templates").iterdir()}
    assert len(templates) > 10
    scripts = ("edgekd/bundles/run.py", "edgekd/export/tensorrt/build_engine.sh", "edgekd/export/tensorrt/TENSORRT.md")
    for name in ("edgekd/demo.yaml", "edgekd/template.yaml", *templates, *scripts, "edgekd/py.typed"):
        assert name in names
