"""edgekd: distil a text classifier into tiny students, measure them on the target, gate regressions.

Importing this package switches the telemetry of the runtimes off before any of them can be imported, and
imports nothing heavy. :func:`load` opens a bundle; it alone imports the bundle's runtime.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.environment import disable_telemetry

if TYPE_CHECKING:
    import os

    from edgekd.api import Classifier

__version__ = "0.1.0"

disable_telemetry()


def load(bundle: str | os.PathLike[str], *, threads: int = 1) -> Classifier:
    """Open a bundle, to be called with texts: ``edgekd.load("bundle")("text")``.

    Args:
        bundle: its folder; every file is checked against the manifest.
        threads: threads inside an operator.

    Raises:
        InvalidArtifact: when the bundle is missing or damaged.
        MissingExtra: when its runtime is not installed.
        ConfigError: for a number of threads that is none.
    """
    from edgekd.api import Classifier

    return Classifier.open(bundle, threads=threads)
