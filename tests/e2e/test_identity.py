"""Merges that must return an input bit for bit, on real weights."""

import pytest

from support.checkpoint import read_checkpoint
from support.numbers import same_bytes
from support.recipe import models


@pytest.mark.parametrize(
    "method, more",
    [
        ("linear", {"per_input": {"weight": [1.0, 0.0]}}),
        ("linear", {"per_input": {"weight": [0.3, 0.0]}}),
        ("slerp", {"parameters": {"t": 0.0}}),
        ("task_arithmetic", {"per_input": {"weight": [None, 0.0]}}),
        ("dare_linear", {"per_input": {"weight": [None, 1.0], "density": [None, 0.0]}}),
        ("ties", {"per_input": {"weight": [None, 1.0], "density": [None, 0.0]}}),
    ],
)
def test_returns_the_first_model(merged, stories, method, more):
    first = stories / "base"
    recipe = {
        "merge_method": method,
        "base_model": str(first),
        "models": models(first, stories / "inaugural", **more.get("per_input", {})),
        "parameters": more.get("parameters", {}),
    }
    ours, theirs = merged(recipe), read_checkpoint(first)
    assert sorted(ours) == sorted(theirs)
    assert all(same_bytes(ours[name], theirs[name]) for name in theirs)


def test_slerp_at_one_returns_the_other(merged, stories):
    recipe = {
        "merge_method": "slerp",
        "base_model": str(stories / "base"),
        "models": models(stories / "base", stories / "inaugural"),
        "parameters": {"t": 1.0},
    }
    ours, theirs = merged(recipe), read_checkpoint(stories / "inaugural")
    assert all(same_bytes(ours[name], theirs[name]) for name in theirs)
