"""What the evidence labels mean, in words."""

from __future__ import annotations

from edgekd.results import Evidence

LEGEND = {
    Evidence.DEVICE: "measured on the board itself",
    Evidence.HOST: "measured on this host under the profile's threads, not on the board",
    Evidence.EMULATED: "run under emulation: right for labels and sizes, never for latency",
    Evidence.ESTIMATED: "computed by a model, with its error range",
}


def statement(target: str, evidence: set[Evidence], *, is_this_machine: bool) -> str:
    """Say in one sentence where the numbers of a target come from."""
    if evidence == {Evidence.DEVICE}:
        return "Measured on the board." if is_this_machine else f"Measured on {target}."
    if is_this_machine and evidence == {Evidence.HOST}:
        return "Measured on this machine."
    if Evidence.DEVICE in evidence:
        return f"Rows marked 'device' were measured on {target}; no other row was."
    if evidence == {Evidence.EMULATED}:
        return f"Emulated for {target}: right for answers, sizes and instruction counts. Nothing was timed."
    if evidence == {Evidence.HOST}:
        return f"Measured on this host under the profile's threads; no number here was measured on {target}."
    return f"No number here was measured on {target}; the label of each row says where it comes from."
