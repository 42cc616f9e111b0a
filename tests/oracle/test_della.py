"""DELLA against MergeKit, by statistics: the random numbers are each program's own."""

import numpy as np
import pytest

from oracle.recipes import all_recipes
from support.checkpoint import read_checkpoint
from support.program import fail
from support.recipe import write_recipe

DENSITY, EPSILON = 0.4, 0.3
GROUPS = 10


@pytest.fixture
def recipe(stories):
    recipe = all_recipes(stories)["della_linear, density 1"]
    recipe["models"] = [{**recipe["models"][0], "parameters": {"weight": 1.0}}]
    return {**recipe, "parameters": {"density": DENSITY, "epsilon": EPSILON}}


def moved(tensors, base):
    return {name: tensors[name].astype(np.float64) - base[name] for name in base}


def test_larger_entries_of_a_row_are_kept_more_often(merged, mergekit_merge, recipe, stories):
    """By rank in the row, in ten groups: the share kept is the mean of the group's probabilities."""
    base = read_checkpoint(stories / "base")
    tuned = read_checkpoint(stories / "shakespeare")
    # The rank is that of the f32 difference, rows being of the last axis.
    whole = {name: tuned[name] - base[name] for name in base}
    results = [moved(run(recipe), base) for run in (merged, mergekit_merge)]
    kept, wanted, variance = np.zeros((2, GROUPS)), np.zeros(GROUPS), np.zeros(GROUPS)
    for name, delta in whole.items():
        rows = delta.reshape(-1, delta.shape[-1])
        n = rows.shape[1]
        order = np.argsort(np.abs(rows), axis=1, kind="stable")
        place = np.empty_like(order)
        np.put_along_axis(place, order, np.arange(n)[None, :], axis=1)
        p = DENSITY - EPSILON + 2 * EPSILON * place / (n - 1)
        group = place * GROUPS // n
        for g in range(GROUPS):
            there = (group == g) & (rows != 0)  # where d is zero nothing shows
            wanted[g] += p[there].sum()
            variance[g] += (p * (1 - p))[there].sum()
            for result, total in zip(results, kept):
                total[g] += np.count_nonzero(result[name].reshape(rows.shape)[there])
    assert np.all(np.abs(kept - wanted) <= 5 * np.sqrt(variance)), (kept - wanted) / np.sqrt(variance)


def test_same_norm(merged, mergekit_merge, recipe, stories):
    base = read_checkpoint(stories / "base")
    whole = moved(read_checkpoint(stories / "shakespeare"), base)
    for result in (moved(run(recipe), base) for run in (merged, mergekit_merge)):
        for name, delta in whole.items():
            # Each tensor's L1 norm is restored, to f32's rounding of base + delta.
            rounding = 2.0**-23 * np.abs(base[name]).sum() + 1e-6 * np.abs(delta).sum()
            assert abs(np.abs(result[name]).sum() - np.abs(delta).sum()) <= 4 * rounding, name


@pytest.mark.parametrize("density, epsilon", [(0.9, 0.15), (0.1, 0.15), (0.75, 0.25)])
def test_both_refuse_probabilities_beyond_their_range(
    mergekit_merge, recipe, tmp_path, density, epsilon
):
    refused = {**recipe, "parameters": {"density": density, "epsilon": epsilon}}
    with pytest.raises(ValueError, match="[Ee]psilon"):
        mergekit_merge(refused)
    assert "epsilon" in fail("merge", write_recipe(tmp_path / "r.yml", refused), tmp_path / "out")
