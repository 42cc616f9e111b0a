"""The benchmarks' own modules, as their scripts import them."""

import sys

from support.program import REPOSITORY

# At the end: none of its modules may stand before a package of the same name.
sys.path.append(str(REPOSITORY / "bench"))
