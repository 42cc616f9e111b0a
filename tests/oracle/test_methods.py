"""Every recipe of recipes.py: merganser's output against MergeKit's, both in f32."""

from pathlib import Path

import numpy as np
import pytest

from oracle.recipes import all_recipes
from reference import task_vectors
from support.checkpoint import read_checkpoint

# MergeKit works in f32 with f32 coefficients, rounding after every operation, merganser rounds in
# other places: a few units of 2^-24 = 6e-8 of the largest term, which the largest element bounds.
TOLERANCE = 1e-6
# Selecting methods: the elements whose |delta| lies within rounding of the trim threshold.
SELECTION = 1e-3
SELECTING = ("ties", "breadcrumbs", "breadcrumbs_ties", "sce", "arcee_fusion")

NAMES = list(all_recipes(Path("stories")))


def different(ours, theirs):
    """The elements beyond the tolerance of one tensor."""
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
    error = np.abs(ours.astype(np.float64) - theirs)
    return ~(error <= TOLERANCE * np.max(np.abs(theirs)))


@pytest.mark.parametrize("name", NAMES)
def test_same_as_mergekit(merged, mergekit_merge, stories, name):
    recipe = all_recipes(stories)[name]
    ours, theirs = merged(recipe), mergekit_merge(recipe)
    assert sorted(ours) == sorted(theirs)
    wrong = {tensor: int(different(ours[tensor], theirs[tensor]).sum()) for tensor in theirs}
    if recipe["merge_method"] in SELECTING:
        total = sum(array.size for array in theirs.values())
        assert sum(wrong.values()) <= SELECTION * total, wrong
    else:
        assert not any(wrong.values()), wrong


def test_ties_selects_what_mergekit_selects(merged, mergekit_merge, stories):
    """Element by element: where the outputs differ, the reference calls the selection a toss-up."""
    weights, densities = [0.6, 0.4], [0.5, 0.2]
    recipe = all_recipes(stories)["ties"]
    for model, weight, density in zip(recipe["models"], weights, densities):
        model["parameters"] = {"weight": weight, "density": density}
    ours, theirs = merged(recipe), mergekit_merge(recipe)
    inputs = [read_checkpoint(stories / name) for name in ("shakespeare", "inaugural")]
    tossed = 0
    for name, base in read_checkpoint(stories / "base").items():
        answer = task_vectors.ties(
            base, [model[name] for model in inputs], weights, densities, epsilon=2.0**-23
        )
        # Exact ties at the threshold go to any of the equals in MergeKit: also a toss-up.
        equal = np.zeros(base.shape, bool)
        for model, density in zip(inputs, densities):
            size = np.abs(model[name].astype(np.float64) - base)
            count = max(1, int(density * size.size))
            equal |= size == np.sort(size.ravel())[size.size - count]
        sure = ~(answer.uncertain | equal)
        assert not (different(ours[name], theirs[name]) & sure).any(), name
        tossed += int((different(ours[name], theirs[name])).sum())
    assert tossed <= SELECTION * sum(array.size for array in theirs.values())


@pytest.mark.parametrize(
    "name", [name for name in NAMES if name.startswith("breadcrumbs, d")]  # of one model, or whole
)
def test_breadcrumbs_keeps_what_mergekit_keeps(merged, mergekit_merge, stories, name):
    """The masks alone: where base + d is not the base. None may differ, as no |delta| is tied."""
    recipe = all_recipes(stories)[name]
    ours, theirs = merged(recipe), mergekit_merge(recipe)
    base = read_checkpoint(stories / "base")
    kept = 0
    for tensor, weight in base.items():
        assert np.array_equal(ours[tensor] != weight, theirs[tensor] != weight), tensor
        kept += np.count_nonzero(ours[tensor] != weight)
    assert kept > 0


def test_deltas_are_computed_before_the_dtype_cast(merged, mergekit_merge, stories):
    """`dtype: bfloat16` stores bf16 here too, but from f32 deltas: nearer to the f32 answer."""
    recipe = all_recipes(stories)["task arithmetic, lambda"]
    exact = mergekit_merge(recipe)
    ours = merged({**recipe, "dtype": "bfloat16"})
    theirs = mergekit_merge({**recipe, "dtype": "bfloat16"})
    distance = lambda tensors: sum(
        float(np.sum((tensors[name].astype(np.float64) - exact[name]) ** 2)) for name in exact
    )
    assert all(array.dtype == theirs[name].dtype for name, array in ours.items())
    assert distance(ours) < distance(theirs)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
@pytest.mark.parametrize("name", ["linear", "slerp", "task arithmetic", "passthrough"])
def test_out_dtype(merged, mergekit_merge, stories, name, dtype):
    """The cast on saving: the same number, but for those that lie on a rounding boundary."""
    recipe = {**all_recipes(stories)[name], "out_dtype": dtype}
    ours, theirs = merged(recipe), mergekit_merge(recipe)
    unit = {"bfloat16": 2.0**-8, "float16": 2.0**-10, "float64": 2.0**-23}[dtype]
    for tensor, array in theirs.items():
        assert ours[tensor].dtype == array.dtype
        a, b = ours[tensor].astype(np.float64), array.astype(np.float64)
        # f64 holds both f32 answers, which differ in their own last digits.
        assert dtype == "float64" or np.mean(a == b) >= 0.99, tensor
        assert np.all(np.abs(a - b) <= 2 * unit * np.abs(b) + 1e-6 * np.max(np.abs(b))), tensor
