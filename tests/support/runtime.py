"""Whether the program can run models: the runtime library lies where the program looks for it."""

import os
from pathlib import Path

import pytest


def library(merganser):
    """Where libmerganser_runtime.so of this program is, or would be."""
    return Path(os.path.realpath(merganser)).parent.parent / "lib/libmerganser_runtime.so"


def has_runtime(merganser):
    return library(merganser).exists()


def need_runtime(merganser):
    """Skips the test where there is no runtime; fails it where MERGANSER_REQUIRE_RUNTIME is set."""
    if has_runtime(merganser):
        return
    reason = f"no runtime at {library(merganser)}: it is built where there is a PyTorch (make runtime)"
    if os.environ.get("MERGANSER_REQUIRE_RUNTIME"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
