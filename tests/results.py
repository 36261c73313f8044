"""Make plausible result files for tests: toy samples, no measurement behind them."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from edgekd.analysis.gain import helped
from edgekd.analysis.gain_words import words
from edgekd.analysis.probabilities import choose
from edgekd.measurements import Memory
from edgekd.proof import Gain, Proof
from edgekd.results import BenchResult, Evidence, Machine, Quality, Role, Samples, proof_of_control
from edgekd.tasks import MAIN_METRIC, Task, TaskKind

MIB = 1 << 20
LABELS = ["negative", "positive"]


def make_samples(*, p50_s: float = 0.0005, calls: int = 400, blocks: int = 8, seed: int = 0) -> Samples:
    """Return calls around ``p50_s`` with a little noise; a fifth of each call is tokenization."""
    rng = random.Random(seed)
    total = [p50_s * rng.lognormvariate(0.0, 0.15) for _ in range(calls)]
    tokenize = [0.2 * value for value in total]
    return Samples(
        text_index=list(range(calls)),
        tokens=[rng.randint(3, 40) for _ in range(calls)],
        block=[i * blocks // calls for i in range(calls)],
        total_s=total,
        tokenize_s=tokenize,
        infer_s=[a - b for a, b in zip(total, tokenize, strict=True)],
    )


def make_quality(*, texts: int = 400, accuracy: float = 0.86, agreement: float = 0.9, seed: int = 1) -> Quality:
    """Return predictions of which exactly ``round(accuracy * texts)`` are right; the targets are always the same.

    Texts are easy or hard for all models alike: a better model is wrong on part of the texts that a worse one
    is wrong on, but for a few.
    """
    targets = [random.Random(i).randint(0, 1) for i in range(texts)]
    rng = random.Random(seed)
    hardness = [random.Random(texts + i).random() + 0.1 * rng.random() for i in range(texts)]
    hardest = sorted(range(texts), key=hardness.__getitem__, reverse=True)
    wrong = set(hardest[: texts - round(accuracy * texts)])
    predictions = [1 - y if i in wrong else y for i, y in enumerate(targets)]
    other = set(rng.sample(range(texts), texts - round(agreement * texts)))
    teacher = [1 - y if i in other else y for i, y in enumerate(predictions)]
    return Quality(labels=LABELS, targets=targets, predictions=predictions, teacher_predictions=teacher)


def make_machine(**overrides: Any) -> Machine:
    """Return a machine that does not exist."""
    facts: dict[str, Any] = {
        "fingerprint": "f" * 16,
        "cpu_model": "Toy CPU 9000",
        "arch": "x86_64",
        "logical_cpus": 2,
        "isa": ["avx2", "avx512_vnni"],
        "memory_bytes": 8 << 30,
        "os": "Linux",
        "kernel": "6.1",
        "python": "3.11.2",
        "load_average": 0.1,
        "libraries": {"onnxruntime": "1.31.1"},
    }
    return Machine(**(facts | overrides))


def make_memory(**overrides: int) -> Memory:
    """Return plausible memory figures."""
    facts = {
        "start_rss_bytes": 30 * MIB,
        "loaded_rss_bytes": 60 * MIB,
        "steady_rss_bytes": 62 * MIB,
        "peak_rss_bytes": 66 * MIB,
    }
    return Memory(**(facts | overrides))


def make_result(**overrides: Any) -> BenchResult:
    """Return a student's result.

    Besides the fields of ``BenchResult``, these shape it: ``p50_s``, ``calls``, ``blocks``, ``texts``,
    ``accuracy``, ``agreement``, ``seed``, and ``control`` (accuracy and right answers of a first-schema control).
    """
    if "control" in overrides:
        overrides["proof"] = proof_of_control(None, *overrides.pop("control"))
    seed = overrides.pop("seed", 0)
    shape = {key: overrides.pop(key) for key in ("p50_s", "calls", "blocks") if key in overrides}
    quality = {key: overrides.pop(key) for key in ("texts", "accuracy", "agreement") if key in overrides}
    facts: dict[str, Any] = {
        "edgekd_version": "0.1.0",
        "created_at": "2026-01-02T03:04:05Z",
        "session": "s1",
        "variant": "cnn-int8",
        "role": Role.STUDENT,
        "kind": "cnn",
        "precision": "int8",
        "backend": "onnxruntime",
        "evidence": Evidence.HOST,
        "target": "cpu",
        "threads": 1,
        "affinity": [0],
        "data_name": "toy",
        "data_hash": "d" * 64,
        "artifact": "run/bundles/cpu/cnn-int8",
        "artifact_hash": "a" * 64,
        "size_bytes": 4_600_000,
        "parameters": 1_150_000,
        "load_time_s": 0.05,
        "warm_up": make_samples(calls=20, blocks=1, seed=seed + 1),
        "samples": make_samples(seed=seed, **shape),
        "memory": make_memory(),
        "quality": make_quality(seed=seed + 2, **quality),
        "machine": make_machine(),
    }
    return BenchResult(**(facts | overrides))


def make_teacher(**overrides: Any) -> BenchResult:
    """Return the teacher's ONNX fp32 result."""
    facts: dict[str, Any] = {
        "variant": "teacher",
        "role": Role.TEACHER,
        "kind": "teacher",
        "precision": "fp32",
        "size_bytes": 91_000_000,
        "parameters": 22_700_000,
        "p50_s": 0.008,
        "accuracy": 0.9,
        "agreement": 1.0,
        "seed": 7,
    }
    return make_result(**(facts | overrides))


def make_session() -> list[BenchResult]:
    """Return a teacher and students as one interleaved session has them."""
    control = {"control": (0.83, 332)}
    return [
        make_teacher(),
        make_result(
            variant="teacher-torch",
            role=Role.TEACHER,
            kind="teacher",
            precision="fp32",
            backend="torch",
            p50_s=0.011,
            accuracy=0.9,
            agreement=1.0,
            size_bytes=91_400_000,
            seed=8,
        ),
        make_result(variant="cnn-fp32", precision="fp32", p50_s=0.0006, size_bytes=12_000_000, seed=3, **control),
        make_result(variant="cnn-int8", accuracy=0.8575, seed=4, **control),
        make_result(
            variant="bag-fp32",
            kind="bag",
            precision="fp32",
            p50_s=0.00018,
            accuracy=0.83,
            seed=5,
            size_bytes=9_000_000,
            parameters=2_000_000,
        ),
        make_result(
            variant="bag-int8",
            kind="bag",
            p50_s=0.00015,
            accuracy=0.8275,
            seed=6,
            size_bytes=3_000_000,
            parameters=2_000_000,
        ),
    ]


def make_task_quality(task: TaskKind, *, noise: float = 1.0, texts: int = 400, seed: int = 0) -> Quality:
    """Return answers to the same texts that are the further from the truth the more ``noise`` there is.

    Multi-label: four labels of which about a quarter is true; regression: a rating from -4 to 4.
    """
    truth, rng = np.random.default_rng(0), np.random.default_rng(seed + 1)
    labels = ["rating"] if task is TaskKind.REGRESSION else ["anger", "joy", "love", "fear"]
    if task is TaskKind.REGRESSION:
        true = truth.uniform(-4, 4, size=(texts, 1))
        targets: Any = true[:, 0].tolist()
    else:
        chosen = truth.random((texts, len(labels))) < 0.25
        true = np.where(chosen, 2.0, -2.0)
        targets = [tuple(np.flatnonzero(row).tolist()) for row in chosen]
    one, other = (true + spread * rng.normal(size=true.shape) for spread in (noise, 0.5))
    kind = Task(task, tuple(labels))
    return Quality(
        task=task,
        labels=labels,
        targets=targets,
        predictions=choose(kind, one),
        teacher_predictions=choose(kind, other),
        logits=one.tolist(),
        teacher_logits=other.tolist(),
    )


def make_proof(task: TaskKind, *, gain: float = 0.02, seeds: int = 3) -> Proof:
    """Return a proof whose gain has an interval of two hundredths around it; half of it is more data."""
    metric = MAIN_METRIC[task]

    def around(value: float) -> Gain:
        return Gain(value=value, low=value - 0.01, high=value + 0.01)

    base = [0.8 + 0.002 * seed for seed in range(seeds)]
    proof = Proof(
        metric=metric,
        count=400,
        seeds=list(range(seeds)),
        student=[score + gain for score in base],
        control=base,
        transfer_control=[score + gain / 2 for score in base],
        total=around(gain),
        more_data=around(gain / 2),
        softer_targets=around(gain / 2),
    )
    judged = proof.model_copy(update={"verdict": helped(proof.total)})
    return judged.model_copy(update={"words": words(judged)})


def make_task_session(task: TaskKind) -> list[BenchResult]:
    """Return a teacher and two students of a task."""
    same = {"data_hash": task.value, "target": "cpu"}
    return [
        make_teacher(quality=make_task_quality(task, noise=0.5), **same),
        make_result(
            variant="cnn-fp32",
            precision="fp32",
            quality=make_task_quality(task, noise=1.0, seed=1),
            proof=make_proof(task),
            **same,
        ),
        make_result(
            variant="cnn-int8",
            p50_s=0.0004,
            quality=make_task_quality(task, noise=1.1, seed=2),
            proof=make_proof(task),
            seed=4,
            **same,
        ),
        make_result(
            variant="bag-fp32",
            kind="bag",
            precision="fp32",
            p50_s=0.0002,
            quality=make_task_quality(task, noise=1.6, seed=3),
            seed=5,
            **same,
        ),
    ]
