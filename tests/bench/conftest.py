"""The benchmarks' own modules, as their scripts import them."""

import sys

from support.program import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "bench"))
