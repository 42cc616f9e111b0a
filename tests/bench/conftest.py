"""The benchmarks' own modules, as their scripts import them."""

import sys

from support.program import REPOSITORY

# At the end: bench/mergekit.py must not stand before the package of that name.
sys.path.append(str(REPOSITORY / "bench"))
