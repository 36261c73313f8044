"""The names of the student kinds, known without importing torch so that a typo is found at once."""

from __future__ import annotations

from edgekd.errors import unknown_name

# From the fastest to the slowest. A test compares this with the registry.
STUDENT_KINDS = ("linear", "bag", "cnn", "bigru", "bilstm", "transformer")


def check_kind(kind: str) -> None:
    """Raise ConfigError for an unknown kind, naming all kinds and the nearest."""
    if kind not in STUDENT_KINDS:
        raise unknown_name("student", kind, STUDENT_KINDS, hint="Check students.*.kind in the recipe.")
