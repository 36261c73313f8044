"""Ways to tell whether a bundle became slower, each one run for real: for ``gate_characteristics.py``.

Every method returns what it says for each limit, and how long the user waits for it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgekd.bench.affinity import choose_cpus
from edgekd.bench.variants import variant_of
from edgekd.bundle import Bundle, load_bundle
from edgekd.errors import Incomparable
from edgekd.gate.child import ask
from edgekd.gate.job import GateJob
from edgekd.gate.lab import hold_out
from edgekd.gate.protocol import RoundsRequest
from edgekd.gate.run import run_gate
from edgekd.results import RESULT_SUFFIX

PASS, ALARM, UNKNOWN = "pass", "fail", "cannot tell"
PLAIN_SECONDS = 1.0  # as long as pytest-benchmark measures by default
SAVED = "stored"

# What a team writes to guard a model with pytest-benchmark. Texts of all lengths, one a call.
PYTEST_MODULE = """
import json, os
from itertools import cycle
from pathlib import Path

from edgekd.bundle import load_bundle
from edgekd.runtime import OnnxSession


def test_latency(benchmark):
    timed, warm = json.loads(Path(os.environ["EDGEKD_TEXTS"]).read_text(encoding="utf-8"))
    session = OnnxSession(load_bundle(Path(os.environ["EDGEKD_BUNDLE"])), threads=int(os.environ["EDGEKD_THREADS"]))
    session.load()
    session.warm_up(warm)
    texts = cycle(timed)
    benchmark(lambda: session.run([next(texts)]))
"""


@dataclass
class Said:
    """What a method says: for each limit (a share), with the change it saw and the seconds it took."""

    outcome: dict[str, str]
    seconds: float
    change: float | None = None
    low: float | None = None
    high: float | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Material:
    """What all methods are tried on."""

    work: Path
    data: str
    texts: list[str]
    threads: int
    limits: tuple[float, ...]  # of the methods that compare numbers; the first one is the gate's
    max_seconds: float
    stored_seconds: float

    @property
    def rule(self) -> str:
        """The gate's rule."""
        return f"p50<+{100 * self.limits[0]:g}%"

    def stored(self, number: int) -> Path:
        """Folder of a stored baseline."""
        return self.work / "stored" / str(number)


def _against_limits(change: float, limits: tuple[float, ...]) -> dict[str, str]:
    return {f"{limit:g}": ALARM if change > limit else PASS for limit in limits}


def gate(material: Material, baseline: Path, candidate: Path, seed: int) -> Said:
    """Run the gate: both sides in turns."""
    began = time.monotonic()
    job = GateJob(
        candidate=candidate,
        baseline=baseline,
        rules=(material.rule,),
        data=material.data,
        max_seconds=material.max_seconds,
        seed=seed,
    )
    report = run_gate(job)
    seconds = time.monotonic() - began
    (result,) = report.rules
    said = {"pass": PASS, "fail": ALARM}.get(result.outcome.value, UNKNOWN)
    measured = [*report.paired, *report.alone]
    return Said(
        {f"{material.limits[0]:g}": said},
        seconds,
        change=result.value,
        low=result.low,
        high=result.high,
        details={"calls": result.count, "processes": len(measured), "problem": result.problem},
    )


def plain_median(material: Material, bundle: Bundle, seed: int) -> float:
    """Return the median latency of one fresh process, in seconds."""
    timed, warm = hold_out(material.texts)
    request = RoundsRequest(
        models=[variant_of(bundle, bundle.folder.resolve()).worker_spec()],
        first=0,
        threads=material.threads,
        affinity=choose_cpus(material.threads),
        texts=timed,
        warm_up=warm,
        seconds=PLAIN_SECONDS,
        min_rounds=20,
        max_rounds=10**6,
        max_seconds=10 * PLAIN_SECONDS,
        seed=seed,
    )
    return float(np.median(ask(request, what=str(bundle.folder))["seconds"][0]))


def store_plain(material: Material, baseline: Path, number: int) -> None:
    """Store the baseline's median."""
    folder = material.stored(number)
    folder.mkdir(parents=True, exist_ok=True)
    median = plain_median(material, load_bundle(baseline), number)
    (folder / "median.json").write_text(json.dumps({"median_s": median}), encoding="utf-8")


def compare_plain(material: Material, candidate: Path, number: int, seed: int) -> Said:
    """Compare a fresh median with the stored one."""
    stored = json.loads((material.stored(number) / "median.json").read_text(encoding="utf-8"))["median_s"]
    began = time.monotonic()
    change = plain_median(material, load_bundle(candidate), seed) / stored - 1
    return Said(_against_limits(change, material.limits), time.monotonic() - began, change)


def _pytest(material: Material, bundle: Path, number: int, *options: str) -> subprocess.CompletedProcess[str]:
    folder = material.stored(number) / "pytest"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "test_bundle.py").write_text(PYTEST_MODULE, encoding="utf-8")
    (folder / "texts.json").write_text(json.dumps(hold_out(material.texts)), encoding="utf-8")
    variables = {
        "EDGEKD_BUNDLE": str(bundle),
        "EDGEKD_TEXTS": str(folder / "texts.json"),
        "EDGEKD_THREADS": str(material.threads),
        "ORT_DISABLE_TELEMETRY": "1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir=."]
    command += ["test_bundle.py", f"--benchmark-storage=file://{folder / 'saved'}", *options]
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )


def store_pytest(material: Material, baseline: Path, number: int) -> None:
    """Store a run of pytest-benchmark.

    Raises:
        SystemExit: when it fails.
    """
    shutil.rmtree(material.stored(number) / "pytest", ignore_errors=True)
    done = _pytest(material, baseline, number, f"--benchmark-save={SAVED}")
    if done.returncode != 0:
        raise SystemExit(f"pytest-benchmark did not run:\n{done.stdout}\n{done.stderr}")


def compare_pytest(material: Material, candidate: Path, number: int) -> Said:
    """Let pytest-benchmark compare the medians with the stored run; each limit is a check of its own.

    Raises:
        SystemExit: when it fails for another reason than a regression.
    """
    began = time.monotonic()
    checks = [f"median:{100 * limit:g}%" for limit in material.limits]
    done = _pytest(material, candidate, number, "--benchmark-compare-fail", *checks, "--benchmark-compare=0001")
    seconds = time.monotonic() - began
    said = done.stdout + done.stderr
    outcome = {}
    for limit in material.limits:
        failed = any("has failed" in line and line.endswith(f"> {100 * limit:.9f}") for line in said.splitlines())
        outcome[f"{limit:g}"] = ALARM if failed else PASS
    if (done.returncode != 0) != (ALARM in outcome.values()):
        raise SystemExit(f"pytest-benchmark said something else:\n{said}")
    return Said(outcome, seconds)


def store_result(material: Material, baseline: Path, number: int) -> None:
    """Store a result file of a copy of the baseline that is gone afterwards, so that it cannot be measured again.

    Raises:
        SystemExit: when the measurement fails.
    """
    copy = material.stored(number) / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(baseline, copy)
    command = [sys.executable, "-m", "edgekd", "bench", str(copy), "--data", material.data]
    command += ["--out", str(material.stored(number) / "results")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    shutil.rmtree(copy)
    if done.returncode != 0:
        raise SystemExit(f"edgekd bench failed:\n{done.stdout}\n{done.stderr}")


def compare_result(material: Material, candidate: Path, number: int, seed: int) -> Said:
    """Run the gate against the stored result."""
    (result,) = (material.stored(number) / "results").glob(f"*{RESULT_SUFFIX}")
    shorter = replace(material, max_seconds=material.stored_seconds)
    try:
        return gate(shorter, result, candidate, seed)
    except Incomparable as error:
        return Said({f"{material.limits[0]:g}": UNKNOWN}, 0.0, details={"problem": error.message})
