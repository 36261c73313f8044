"""Running bundles on another processor's instructions: QEMU user emulation, unprivileged, cached."""
