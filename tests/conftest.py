"""Fixtures for all tests: the program, the shared data, merging in one call."""

import os
from pathlib import Path

import pytest

from support import program
from support.checkpoint import read_checkpoint
from support.recipe import write_recipe


FEW_RECIPES = 60


def pytest_addoption(parser):
    group = parser.getgroup("differential")
    group.addoption(
        "--recipes",
        type=int,
        default=int(os.environ.get("MERGANSER_RECIPES", FEW_RECIPES)),
        help=f"generated recipes to compare with MergeKit ({FEW_RECIPES}, or MERGANSER_RECIPES)",
    )
    group.addoption("--case", action="append", help="compare this one, as ties-17 (repeatable)")


@pytest.fixture(scope="session", autouse=False)
def merganser():
    """The program's path. Missing is a failure: a suite that skips itself proves nothing."""
    path = program.program()
    if not os.access(path, os.X_OK):
        pytest.fail(f"no program at {path}: build it, or name one in MERGANSER", pytrace=False)
    return path


@pytest.fixture(scope="session")
def data():
    """The shared test data (real weights)."""
    path = Path(os.environ.get("MERGANSER_DATA", program.REPOSITORY.parent / "shared/data"))
    if not (path / "stories260k").is_dir():
        pytest.skip(f"no shared data at {path} (name its place in MERGANSER_DATA)")
    return path.absolute()


@pytest.fixture(scope="session")
def stories(data):
    """The folder with the checkpoints base, shakespeare and inaugural."""
    return data / "stories260k"


@pytest.fixture
def merge(merganser, tmp_path):
    """merge(recipe, *flags, out="merged") runs a recipe (dict or text) and returns the output."""

    def run(recipe, *flags, out="merged"):
        path = write_recipe(tmp_path / f"{Path(out).name}.yml", recipe)
        program.succeed("merge", path, tmp_path / out, "--force", *flags)  # tests merge repeatedly
        return tmp_path / out

    return run


@pytest.fixture
def merged(merge):
    """As merge, but returns the tensors that were written."""
    return lambda *arguments, **options: read_checkpoint(merge(*arguments, **options))
