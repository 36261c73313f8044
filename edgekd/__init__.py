"""edgekd: distil a text classifier into tiny students, measure them on the target, gate regressions.

Importing this package switches the telemetry of the runtimes off before any of them can be imported, and
imports nothing heavy.
"""

from edgekd.environment import disable_telemetry

__version__ = "0.1.0"

disable_telemetry()
