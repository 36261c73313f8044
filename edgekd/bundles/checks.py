"""What can be checked of a bundle without the model that it was made from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from edgekd.artifacts import read_json, sha256_file
from edgekd.bundle import GRAPH_FILES, MANIFEST_FILE, TOKENIZER_FILE, load_bundle
from edgekd.bundles.names import why_unsafe
from edgekd.bundles.pack import ADDED_FILES, opened, unlisted_files
from edgekd.bundles.runner import RUN_FILE, runner_source
from edgekd.errors import EdgekdError, InvalidArtifact
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edgekd.bundle import Bundle

CONFIG_FILE = "config.json"


class State(str, Enum):
    """What came of a check."""

    OK = "ok"
    WARNING = "warning"  # odd, but the bundle can be used
    FAILED = "failed"
    SKIPPED = "skipped"  # could not be checked here


@dataclass(frozen=True)
class Check:
    """One check of a bundle, with what was found."""

    name: str
    state: State
    detail: str


def is_sound(checks: Sequence[Check]) -> bool:
    """Tell whether no check failed."""
    return all(check.state is not State.FAILED for check in checks)


def check_path(path: Path) -> list[Check]:
    """Check a bundle folder or a packed bundle."""
    try:
        with opened(path) as folder:
            return check_bundle(folder)
    except InvalidArtifact as error:
        return [Check("archive", State.FAILED, error.message)]


def check_bundle(folder: Path) -> list[Check]:
    """Check a bundle folder; the list ends where nothing more can be checked."""
    try:
        bundle = load_bundle(folder, verify=False)
    except InvalidArtifact as error:
        return [Check("manifest", State.FAILED, error.message)]
    manifest = bundle.manifest
    version = read_json(folder / MANIFEST_FILE)["schema_version"]
    checks = [Check("manifest", State.OK, f"schema {version}, {manifest.task.value}, {len(manifest.labels)} outputs")]
    checks += [_names(bundle), *_files(bundle), _labels(bundle)]
    if is_sound(checks):
        checks += _running(bundle)
    return checks


def _names(bundle: Bundle) -> Check:
    root = bundle.folder.resolve()
    for name in (bundle.manifest.name, *bundle.manifest.files):
        reason = why_unsafe(name)
        if reason is None and not (bundle.folder / name).resolve().is_relative_to(root):
            reason = "it leads out of the bundle"
        if reason:
            return Check("names", State.FAILED, f"{name!r}: {reason}")
    return Check("names", State.OK, "plain paths inside the bundle")


def _files(bundle: Bundle) -> list[Check]:
    """Check that the files are there, unchanged, enough and no more."""
    listed = bundle.manifest.files
    missing = [name for name in (*GRAPH_FILES[bundle.manifest.runtime], TOKENIZER_FILE) if name not in listed]
    problems = [f"the manifest does not list {name}" for name in missing]
    for name, expected in listed.items():
        path = bundle.folder / name
        if why_unsafe(name):
            continue  # another check says so
        if not path.is_file():
            problems.append(f"{name} is missing")
        elif (found := sha256_file(path)) != expected:
            problems.append(f"{name} is changed: sha256 {found[:12]}..., expected {expected[:12]}...")
    if problems:
        checks = [Check("files", State.FAILED, "; ".join(problems))]
    else:
        checks = [Check("files", State.OK, f"{len(listed)} files, every hash as in the manifest")]
    extra = [name for name in unlisted_files(bundle) if name not in ADDED_FILES]
    if extra:
        checks.append(
            Check("other files", State.WARNING, f"not listed, so nothing vouches for them: {', '.join(extra)}")
        )
    runner = bundle.folder / RUN_FILE
    if RUN_FILE not in listed and runner.is_file() and runner.read_bytes() != runner_source():
        detail = "is not the one that this edgekd writes; read it before you run it"
        checks.append(Check(RUN_FILE, State.WARNING, detail))
    return checks


def _labels(bundle: Bundle) -> Check:
    """Check that tools which read config.json find the labels of the manifest."""
    manifest = bundle.manifest
    if manifest.task is TaskKind.REGRESSION and len(manifest.labels) != 1:
        return Check("labels", State.FAILED, f"a regression has one output, the manifest names {len(manifest.labels)}")
    if len(set(manifest.labels)) < len(manifest.labels):
        return Check("labels", State.FAILED, "a label is there twice")
    try:
        config = read_json(bundle.folder / CONFIG_FILE)
    except InvalidArtifact as error:
        return Check("labels", State.WARNING, f"other tools cannot read them: {error.message}")
    by_index = config.get("id2label") if isinstance(config, dict) else None
    if not isinstance(by_index, dict):
        return Check("labels", State.WARNING, f"{CONFIG_FILE} names none, so other tools will number them")
    found = [by_index.get(str(index)) for index in range(len(by_index))]
    if found != manifest.labels and manifest.task is not TaskKind.REGRESSION:
        return Check("labels", State.WARNING, f"{CONFIG_FILE} has {found}, the manifest {manifest.labels}")
    return Check("labels", State.OK, f"{CONFIG_FILE} and manifest agree")


def _running(bundle: Bundle) -> list[Check]:
    """Open tokenizer and graph as ``predict`` does, and answer texts."""
    from edgekd.runtime import RuntimeModel, session_for
    from edgekd.runtime.tokenization import open_tokenizer

    manifest = bundle.manifest
    checks = [_attempt("tokenizer", lambda: _tokens(open_tokenizer(bundle.tokenizer_path, manifest.max_length)))]
    model = RuntimeModel.of(bundle)
    try:
        session = session_for(model, 1)
    except InvalidArtifact as error:
        return [*checks, Check("graph", State.FAILED, error.message)]
    try:
        session.import_libraries()
    except EdgekdError as error:  # not there, or too old: that says nothing about the bundle
        checks.append(Check(manifest.runtime, State.SKIPPED, f"{error.message} {error.hint or ''}".strip()))
        if manifest.runtime != "tensorrt":
            return checks
        # Engines are built on the board from an ONNX graph, which runs in ONNX Runtime as well.
        model = replace(model, runtime="onnxruntime", providers=("CPUExecutionProvider",))
        session = session_for(model, 1)

    def load() -> str:
        session.load()
        return f"opens in {model.runtime} ({', '.join(session.providers)})"

    if is_sound(checks):
        checks.append(_attempt("graph", load))
    if is_sound(checks):
        checks.append(_attempt("answers", lambda: _answers(bundle, session.run)))
    return checks


def _attempt(name: str, action: Callable[[], str]) -> Check:
    try:
        return Check(name, State.OK, action())
    except EdgekdError as error:
        return Check(name, State.FAILED, error.message)
    except Exception as error:  # noqa: BLE001 - whatever a damaged file makes a library raise is what was looked for
        return Check(name, State.FAILED, " ".join(f"{type(error).__name__}: {error}".split()))


def _tokens(tokenizer: object) -> str:
    ids = tokenizer.encode("a text").ids  # type: ignore[attr-defined]
    if not ids:
        raise InvalidArtifact("it gives no token for 'a text'.")
    return f"opens; {tokenizer.get_vocab_size():,} tokens"  # type: ignore[attr-defined]


def _answers(bundle: Bundle, run: Callable[[list[str]], object]) -> str:
    """Run a text, an empty one and one that is cut; each must give one finite number an output."""
    import numpy as np

    manifest = bundle.manifest
    texts = ["a text", "", "word " * (2 * manifest.max_length)]
    for text in texts:
        logits = np.asarray(run([text]))
        if logits.shape != (1, manifest.as_task.num_outputs):
            raise InvalidArtifact(
                f"it gives an array of shape {logits.shape}, the task needs (1, {manifest.as_task.num_outputs})."
            )
        if not np.isfinite(logits).all():
            raise InvalidArtifact(f"it gives values that are not finite for {text[:20]!r}.")
    return f"{len(texts)} texts (short, empty, too long), {manifest.as_task.num_outputs} finite outputs each"
