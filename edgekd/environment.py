"""Environment variables that every edgekd process sets before it imports a runtime."""

from __future__ import annotations

import os

# NOTE: onnxruntime >= 1.29 wheels send telemetry on Linux unless this is set before the first import
# (https://github.com/microsoft/onnxruntime/pull/27379). The hub client honours DO_NOT_TRACK as well. OpenVINO has no
# such variable (openvino-telemetry 2025.2 reads a consent file only): its opt-out belongs to the code that imports it.
NO_TELEMETRY = {
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}


def disable_telemetry() -> None:
    """Switch the telemetry of every runtime off in this process and its children."""
    os.environ.update(NO_TELEMETRY)
