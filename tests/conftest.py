"""Set before any test module is imported."""

import os

from hypothesis import settings

# Two workers share the processors, so each computes with one thread; training results do not depend on it.
if "PYTEST_XDIST_WORKER" in os.environ:
    for pool in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(pool, "1")

# The same examples in every run, so a red build is the fault of its commit; `--hypothesis-profile=random` draws anew.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("random", deadline=None)
settings.load_profile("repeatable")
