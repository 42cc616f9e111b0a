"""DARE against MergeKit, by statistics: the random numbers are each program's own."""

import numpy as np
import pytest

from oracle.recipes import all_recipes
from support.checkpoint import read_checkpoint

DENSITY = 0.4


@pytest.fixture
def recipe(stories):
    recipe = all_recipes(stories)["dare_linear, density 1"]
    recipe["models"] = [{**recipe["models"][0], "parameters": {"weight": 1.0}}]
    return {**recipe, "parameters": {"density": DENSITY}}


def moved(tensors, base):
    return {name: tensors[name].astype(np.float64) - base[name] for name in base}


def test_same_share_kept_and_same_norm(merged, mergekit_merge, recipe, stories):
    base = read_checkpoint(stories / "base")
    whole = moved(read_checkpoint(stories / "shakespeare"), base)
    ours, theirs = (moved(run(recipe), base) for run in (merged, mergekit_merge))
    size = sum(np.count_nonzero(delta) for delta in whole.values())
    for result in (ours, theirs):
        kept = sum(np.count_nonzero(delta) for delta in result.values())
        # Five standard deviations of a binomial count. (A kept delta of less than half a last
        # digit of the base would vanish in the sum: none here, as size counts sums too.)
        assert abs(kept - DENSITY * size) <= 5 * np.sqrt(size * DENSITY * (1 - DENSITY))
    for name, delta in whole.items():
        # Both restore each tensor's L1 norm, to f32's rounding of base + delta.
        rounding = 2.0**-23 * np.abs(base[name]).sum() + 1e-6 * np.abs(delta).sum()
        for result in (ours, theirs):
            assert abs(np.abs(result[name]).sum() - np.abs(delta).sum()) <= 4 * rounding, name


def test_mean_over_seeds_tends_to_the_whole_delta(merged, recipe, stories):
    """The masks of n seeds average out: the error shrinks as 1/sqrt(n)."""
    base = read_checkpoint(stories / "base")
    name = "model.layers.2.mlp.up_proj.weight"
    whole = read_checkpoint(stories / "shakespeare")[name].astype(np.float64) - base[name]
    runs = 24
    total = np.zeros_like(whole)
    for seed in range(runs):
        total += moved(merged(recipe, "--seed", seed, out=f"seed{seed}"), base)[name]
    # One run's element is 0 or d/p: variance d^2 (1-p)/p. The sum over elements of the squared
    # errors of the mean has that over n as expectation; 20 % is several deviations for 11,008 elements.
    expected = np.sum(whole**2) * (1 - DENSITY) / DENSITY / runs
    assert 0.8 <= np.sum((total / runs - whole) ** 2) / expected <= 1.2
