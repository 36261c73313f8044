from __future__ import annotations

import os
import subprocess
import sys

import pytest

from edgekd.bench.child import Child, WorkerFailed, environment
from edgekd.errors import EXIT_INVALID, EXIT_USAGE


def child(code, name="toy"):
    return Child(name, 1, [sys.executable, "-c", code])


ECHO = "import sys\nfor line in sys.stdin:\n    print('{\"ok\": ' + line.strip() + '}', flush=True)"


def test_an_answer_comes_back():
    with child(ECHO) as process:
        assert process.ask({"do": "a", "text": "caf\u00e9 \u2028\n"}, 30) == {"do": "a", "text": "caf\u00e9 \u2028\n"}
        assert process.ask({"do": "b"}, 30) == {"do": "b"}


def test_a_death_names_the_variant_and_quotes_it():
    code = "import sys; sys.stdin.readline(); sys.stderr.write('ValueError: no luck\\n'); sys.exit(7)"
    with child(code) as process, pytest.raises(WorkerFailed) as caught:
        process.ask({"do": "load"}, 30)
    message = caught.value.message
    assert "'toy' ended with exit code 7 (step: load)" in message
    assert "ValueError: no luck" in message
    assert caught.value.exit_code == EXIT_INVALID


def test_a_child_that_is_dead_already():
    with child("") as process:
        process._process.wait()
        with pytest.raises(WorkerFailed, match="ended with exit code 0"):
            process.ask({"do": "load", "text": "x" * 1_000_000}, 30)


def test_a_killed_child_says_by_which_signal():
    code = "import os, signal, sys; sys.stdin.readline(); os.kill(os.getpid(), signal.SIGKILL)"
    with child(code) as process, pytest.raises(WorkerFailed, match="was killed by signal 9") as caught:
        process.ask({"do": "block"}, 30)
    assert "memory" in caught.value.hint


def test_a_hanging_child_is_stopped():
    with child("import threading; threading.Event().wait()") as process:
        with pytest.raises(WorkerFailed, match=r"'toy' gave no answer within 200 ms and was stopped"):
            process.ask({"do": "block"}, 0.2)
        assert process._process.poll() is not None


def test_an_error_of_the_child_keeps_message_hint_and_exit_code():
    reply = '{"error": {"message": "no labels", "hint": "add some", "exit_code": 2}}'
    with child(f"input(); print('{reply}')") as process, pytest.raises(WorkerFailed) as caught:
        process.ask({"do": "load"}, 30)
    assert (caught.value.message, caught.value.hint) == ("'toy': no labels", "add some")
    assert caught.value.exit_code == EXIT_USAGE


def test_leaving_the_block_stops_the_child():
    with pytest.raises(KeyboardInterrupt), child("import threading; threading.Event().wait()") as process:
        raise KeyboardInterrupt
    assert process._process.poll() is not None


def test_the_environment_of_a_child():
    found = environment(3)
    assert found["ORT_DISABLE_TELEMETRY"] == "1"
    assert {found[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")} == {"3"}
    assert found["PATH"] == os.environ["PATH"]


def test_the_worker_starts_small():
    code = (
        "import sys, edgekd.bench.worker\n"
        "print([m for m in ('numpy', 'pydantic', 'onnxruntime', 'torch', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
