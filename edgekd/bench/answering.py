"""Answers of all variants to all texts, after everything that is timed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.bench.evaluate import ALL_DIGITS, DIGITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.bench.child import Child
    from edgekd.bench.collect import Measured
    from edgekd.progress import Progress

HANG_LIMIT_S = 600.0
HANG_LIMIT_PER_TEXT_S = 1.0
BATCH = 32
EMULATED_PART = 16  # texts an emulator answers before it says how far it is


def hang_limit_s(texts: int) -> float:
    """Return after which time without an answer a process hangs."""
    return HANG_LIMIT_S + HANG_LIMIT_PER_TEXT_S * texts


def answer_all(
    children: Sequence[tuple[Child, Measured]], texts: list[str], progress: Progress, *, in_parts: bool
) -> None:
    """Ask each process for the logits of all texts.

    Args:
        children: warm processes, and where their logits go.
        texts: all evaluation texts.
        progress: told where the work stands.
        in_parts: a few texts at a time and every digit, for emulated processes: they take seconds a text, and their
            logits are compared with those of another machine.
    """
    part = EMULATED_PART if in_parts else len(texts)
    starts = range(0, len(texts), part)
    progress.start(f"Answers for {len(texts):,} texts", len(children) * len(starts))
    done = 0
    for child, m in children:
        batch_size = BATCH if m.variant.precision == "fp32" else 1
        m.logits = []
        for start in starts:
            request = {"do": "evaluate", "texts": texts[start : start + part], "first": start}
            request |= {"batch_size": batch_size, "digits": ALL_DIGITS if in_parts else DIGITS}
            m.logits += child.ask(request, hang_limit_s(part))["logits"]
            done += 1
            progress.update(done, m.variant.name)
    progress.finish()
