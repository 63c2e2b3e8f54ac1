"""The tests; as a package, so that they can share what they need.

One thread for linear algebra, here and in the processes that tests start: the machine may be
shared, and sums come out the same each time. NumPy's library reads this once, when NumPy is
imported.
"""

import os
import sys

NUMPY_WAS_THERE = "numpy" in sys.modules
ONE_THREAD = (
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
