"""What every edgekd process does before it imports a runtime: switch telemetry off."""

from __future__ import annotations

import os
import sys

# NOTE: onnxruntime >= 1.29 wheels send telemetry on Linux unless this is set before the first import
# (https://github.com/microsoft/onnxruntime/pull/27379). The hub client honours DO_NOT_TRACK as well. NNCF_CI makes nncf
# take its empty telemetry (nncf/telemetry/wrapper.py), the only thing that it does.
NO_TELEMETRY = {
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "NNCF_CI": "1",
}

# NOTE: `import openvino` (2026.4) writes an identifier to ~/intel and sends an event to Google Analytics from a forked
# process, unless ~/intel/openvino_telemetry says no; converting a model and nncf send more. No variable switches that
# off. Both take an empty telemetry when this package cannot be imported, as if it were not installed.
TELEMETRY_PACKAGE = "openvino_telemetry"

# "emulated" on a machine that is emulated, which a program on it cannot see.
EVIDENCE_VARIABLE = "EDGEKD_EVIDENCE"


def disable_telemetry() -> None:
    """Switch the telemetry of every runtime off in this process, and where a variable does it in its children."""
    os.environ.update(NO_TELEMETRY)
    sys.modules[TELEMETRY_PACKAGE] = None  # type: ignore[assignment] # importing it raises ImportError
