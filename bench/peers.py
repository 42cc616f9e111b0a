"""What the benchmarks compare with, where it is installed."""

import functools
import subprocess

import measure


@functools.cache
def has(python, module):
    """Whether this Python is there and can import that module."""
    try:
        return subprocess.run([python, "-c", f"import {module}"], capture_output=True,
                              env=measure.environment()).returncode == 0
    except OSError:
        return False


def lacks(python, module):
    """Why a comparison is left out, or nothing."""
    return "" if has(python, module) else f"no {module} for {python} (tests/setup_venv.sh --oracle)"
