"""Did the teacher help? The record of a student's training arms, as stored in bundles and results."""

from __future__ import annotations

from enum import Enum

from pydantic import BaseModel, ConfigDict, Field


class Arm(str, Enum):
    """A way to train the same student, to tell what helped."""

    DISTILLED = "distilled"
    CONTROL = "control"  # true labels alone
    TRANSFER_CONTROL = "transfer-control"  # the texts of the distilled one, the teacher's choices as if they were true


class Helped(str, Enum):
    """What the interval of a gain says."""

    YES = "helped"
    NO = "hurt"
    UNSURE = "cannot tell"


class Gain(BaseModel):
    """A difference of the task's main score on the test split with its 95 % interval."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    low: float
    high: float


class Proof(BaseModel):
    """Scores of a student's arms, one per seed, and what follows from them.

    Arms: ``student`` (distilled), ``control`` (same student, same texts and steps, true labels only) and
    ``transfer_control`` (the student's texts with the teacher's most likely labels: more data without soft targets).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: str  # "accuracy", "macro_f1", "pearson"
    count: int  # test texts
    seeds: list[int]
    student: list[float]
    control: list[float] = Field(default_factory=list)  # empty: was not trained
    transfer_control: list[float] = Field(default_factory=list)
    total: Gain | None = None  # student - control
    more_data: Gain | None = None  # transfer_control - control
    softer_targets: Gain | None = None  # student - transfer_control
    verdict: Helped = Helped.UNSURE
    words: str = ""  # one sentence for people
