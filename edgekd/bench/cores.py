"""Names of ARM cores by the implementer and part number of their main ID register (MIDR_EL1)."""

from __future__ import annotations

# Arm Ltd.: the cores' technical reference manuals. Others: arch/arm64/include/asm/cputype.h of Linux.
CORES = {
    "0x41": {
        "0xd03": "Cortex-A53",
        "0xd04": "Cortex-A35",
        "0xd05": "Cortex-A55",
        "0xd07": "Cortex-A57",
        "0xd08": "Cortex-A72",
        "0xd09": "Cortex-A73",
        "0xd0a": "Cortex-A75",
        "0xd0b": "Cortex-A76",
        "0xd0c": "Neoverse-N1",
        "0xd0d": "Cortex-A77",
        "0xd40": "Neoverse-V1",
        "0xd41": "Cortex-A78",
        "0xd42": "Cortex-A78AE",
        "0xd44": "Cortex-X1",
        "0xd46": "Cortex-A510",
        "0xd47": "Cortex-A710",
        "0xd49": "Neoverse-N2",
        "0xd4f": "Neoverse-V2",
    },
    "0x4e": {"0x003": "NVIDIA Denver 2", "0x004": "NVIDIA Carmel"},
    "0xc0": {"0xac3": "Ampere-1", "0xac4": "Ampere-1A"},
}


def core_name(implementer: str | None, part: str | None) -> str | None:
    """Return what a core is called; its part number where that is unknown, None where none is given."""
    if part is None:
        return None
    return CORES.get(implementer or "", {}).get(part, part)
