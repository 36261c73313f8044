"""Set before any test module is imported."""

import os

# Two workers share the processors, so each computes with one thread; training results do not depend on it.
if "PYTEST_XDIST_WORKER" in os.environ:
    for pool in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(pool, "1")
