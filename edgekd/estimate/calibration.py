"""Factors by which a user's own board differs from its estimates: the file that keeps them, and its use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationError

from edgekd import units
from edgekd.artifacts import read_json, write_text_atomic
from edgekd.errors import ConfigError, InvalidArtifact
from edgekd.measurements import Record

if TYPE_CHECKING:
    from edgekd.measurements import Estimate

METHOD = 1  # of the estimates; raise it when they change, because factors belong to what they were computed from
CALIBRATION_FILE = "calibration.json"


class Comparison(Record):
    """A measured latency and its estimate."""

    variant: str
    artifact_hash: str
    created_at: str  # of the measurement
    machine: str  # fingerprint of the board
    tokens: int
    measured_s: float  # median of texts of about so many tokens
    estimated_s: float  # as computed, not scaled by an earlier calibration

    @property
    def ratio(self) -> float:
        """Above 1: the board is slower than its estimate."""
        return self.measured_s / self.estimated_s


class Calibration(Record):
    """What a board's results say about its estimates."""

    target: str
    processor: Literal["cpu", "gpu"]
    kind: Literal["analytic", "traced"]
    factor: float = Field(gt=0)  # median of the ratios
    band: float = Field(ge=1)  # the truth is expected between 1 / band and band times the scaled estimate
    comparisons: list[Comparison] = Field(min_length=1)


class Calibrations(Record):
    """The contents of a calibration file."""

    method: int = METHOD
    calibrations: list[Calibration] = Field(default_factory=list)

    def of(self, estimate: Estimate) -> Calibration | None:
        """Return the calibration that an estimate falls under."""
        wanted = (estimate.target, estimate.processor, estimate.kind)
        return next((c for c in self.calibrations if (c.target, c.processor, c.kind) == wanted), None)

    def updated(self, new: list[Calibration]) -> Calibrations:
        """Return these with the ones of the same target, processor and kind replaced."""
        replaced = {(c.target, c.processor, c.kind) for c in new}
        kept = [c for c in self.calibrations if (c.target, c.processor, c.kind) not in replaced]
        return Calibrations(calibrations=sorted([*kept, *new], key=lambda c: (c.target, c.processor, c.kind)))


def scaled(estimate: Estimate, calibrations: Calibrations) -> Estimate:
    """Return an estimate scaled by the user's own board; the same where there is no calibration for it."""
    found = calibrations.of(estimate)
    if found is None:
        return estimate
    latency_s = estimate.latency_s * found.factor
    models = len({comparison.artifact_hash for comparison in found.comparisons})
    measured = "1 model" if models == 1 else f"{models} models"
    return estimate.model_copy(
        update={
            "latency_s": latency_s,
            "low_s": latency_s / found.band,
            "high_s": latency_s * found.band,
            "calibration_factor": found.factor,
            "basis": f"{estimate.basis}; times {units.short_number(found.factor)} by {measured} on your own board",
        }
    )


def default_path() -> Path:
    """Return the user's calibration file: in ``EDGEKD_CONFIG``, or in ``edgekd`` in the user's folder of settings."""
    if given := os.environ.get("EDGEKD_CONFIG"):
        return Path(given).expanduser().absolute() / CALIBRATION_FILE
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".config") / "edgekd" / CALIBRATION_FILE


def read_calibrations(path: Path | None = None) -> Calibrations:
    """Read a calibration file.

    Args:
        path: must exist; None is the user's own, which may not.

    Raises:
        ConfigError: when the given file does not exist or is a folder.
        InvalidArtifact: when it is damaged, or was made for other estimates than today's.
    """
    file = path or default_path()
    if not file.exists():
        if path is None:
            return Calibrations()
        raise ConfigError(
            f"The calibration '{path}' does not exist.",
            hint="Make it from results of your board: edgekd calibrate RESULT.result.json -o FILE.",
        )
    if file.is_dir():
        raise ConfigError(f"The calibration '{file}' is a folder; give the name of a file.")
    raw = read_json(file)
    again = "Make it again from results of your board: edgekd calibrate RESULT.result.json."
    if isinstance(raw, dict) and isinstance(method := raw.get("method"), int) and method != METHOD:
        raise InvalidArtifact(
            f"'{file}' was made for estimates of method {method}; they are computed by method {METHOD} now.",
            hint=again,
        )
    try:
        return Calibrations.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        raise InvalidArtifact(f"'{file}' is no calibration: {where}: {first['msg']}.", hint=again) from error


def write_calibrations(path: Path, calibrations: Calibrations) -> None:
    """Write a calibration file atomically."""
    write_text_atomic(path, calibrations.model_dump_json(indent=1) + "\n")
