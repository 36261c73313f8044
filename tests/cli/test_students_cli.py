from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from edgekd.cli.app import app
from edgekd.errors import ConfigError
from edgekd.student.names import STUDENT_KINDS

runner = CliRunner()


def listed(*arguments):
    return json.loads(runner.invoke(app, ["students", *arguments, "--json"]).stdout)


def test_the_table_has_every_kind_and_size():
    result = runner.invoke(app, ["students"], env={"COLUMNS": "120"})
    assert result.exit_code == 0
    for word in (*STUDENT_KINDS, "nano", "micro", "tiny", "small", "parameters", "MACs", "fp32", "int8", "30,522"):
        assert word in result.stdout


def test_json_is_one_document_with_units_in_the_names():
    rows = listed("--vocab", "8000", "--labels", "4")
    assert {row["kind"] for row in rows} == set(STUDENT_KINDS)
    [row] = [row for row in rows if (row["kind"], row["size"]) == ("bag", "nano")]
    assert row["parameters"] == 8000 * 17 + 16 * 16 + 16 + 16 * 4 + 4
    assert row["fp32_bytes"] == 4 * row["parameters"]
    assert row["macs_length_32"] == 32 * 16 + 16 * 16 + 16 * 4
    scales = 8000 + 1  # of the token vectors, and of the table of token weights
    assert row["int8_bytes"] == row["parameters"] + 3 * (16 + 4) + 4 * scales


def test_a_cut_transformer_keeps_its_teachers_vocabulary():
    for vocab in ("4000", "30522"):
        [row] = [row for row in listed("transformer", "--vocab", vocab)["sizes"] if row["size"].startswith("3 of 6")]
        assert row["parameters"] > 30_522 * 384


@pytest.mark.parametrize("kind", STUDENT_KINDS)
def test_one_kind_is_explained_with_its_options(kind):
    result = runner.invoke(app, ["students", kind], env={"COLUMNS": "120"})
    assert result.exit_code == 0
    document = listed(kind)
    assert {row["kind"] for row in document["sizes"]} == {kind}
    assert document["options"]
    for name in document["options"]:
        assert name in result.stdout


def test_unknown_kind_is_an_error():
    result = runner.invoke(app, ["students", "bilst"])
    assert isinstance(result.exception, ConfigError)
    assert "Did you mean 'bilstm'?" in result.exception.message


def test_no_heavy_import():
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom edgekd.cli.app import app\n"
        "assert CliRunner().invoke(app, ['students']).exit_code == 0\n"
        "assert CliRunner().invoke(app, ['students', 'linear']).exit_code == 0\n"
        "heavy = {'torch', 'transformers', 'onnxruntime', 'numpy', 'tokenizers'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
