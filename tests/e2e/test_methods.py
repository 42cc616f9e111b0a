"""Each method against its f64 reference: odd shapes, every float type, weights of all kinds."""

import numpy as np
import pytest

from reference import linear, slerp, task_vectors
from support.numbers import FLOATS, assert_rounded, working_epsilon
from support.shapes import base_tensors, fine_tuned

SELECTION = 1e-3  # elements within rounding of a threshold, as a share of all

each_dtype = pytest.mark.parametrize("dtype", FLOATS.values(), ids=FLOATS)


def inputs(dtype, count=3):
    base = base_tensors(dtype)
    return base, [fine_tuned(base, seed) for seed in range(1, 1 + count)]


def check(got, base, answers, dtype):
    """Every tensor right; the elements that a rounding may select or not are few."""
    assert sorted(got) == sorted(base)
    uncertain = 0
    for name, answer in answers.items():
        assert got[name].dtype == dtype, name
        epsilon = working_epsilon(dtype)
        assert_rounded(got[name], answer.value, answer.magnitude, epsilon, name, answer.uncertain)
        uncertain += 0 if answer.uncertain is None else int(answer.uncertain.sum())
    assert uncertain <= SELECTION * sum(array.size for array in base.values())


def most_equal(got, answers):
    """Beyond the tolerance: nearly all elements are the exact answer, rounded to nearest even.

    The rest lie within f32 rounding of a boundary. 16-bit types have 2^13 f32 steps or more
    between boundaries; 1 % allows for elements whose terms nearly cancel.
    """
    equal = total = 0
    for name, answer in answers.items():
        rounded = answer.value.astype(np.float32).astype(got[name].dtype)
        certain = np.ones(rounded.shape, bool) if answer.uncertain is None else ~answer.uncertain
        equal += int(np.sum((rounded == got[name]) & certain))
        total += int(np.sum(certain))
    return equal >= 0.99 * total


@each_dtype
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("weights", [(0.2, 0.5, 0.9), (1.0, -0.25, 0.5)], ids=["positive", "negative"])
def test_linear(merge_files, dtype, normalize, weights):
    base, models = inputs(dtype)
    got = merge_files(
        "linear", models, per_input={"weight": weights}, parameters={"normalize": normalize}
    )
    answers = {
        name: linear.linear([model[name] for model in models], weights, normalize) for name in base
    }
    check(got, base, answers, dtype)
    assert dtype.itemsize > 2 or most_equal(got, answers)


@each_dtype
@pytest.mark.parametrize("t", [0.3, 0.75])
def test_slerp(merge_files, dtype, t):
    base, (other,) = inputs(dtype, 1)
    # Far from parallel, so that the sines matter.
    other = {k: (v.astype(np.float64) - 0.8 * base[k]).astype(dtype) for k, v in other.items()}
    got = merge_files("slerp", [other], base=base, parameters={"t": t})
    answers = {name: slerp.slerp(base[name], other[name], t) for name in base}
    check(got, base, answers, dtype)
    assert dtype.itemsize > 2 or most_equal(got, answers)


@each_dtype
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("weights", [(0.6, 0.4, 0.3), (1.0, -0.5, 0.25)], ids=["positive", "negative"])
def test_task_arithmetic(merge_files, dtype, normalize, weights):
    base, models = inputs(dtype)
    got = merge_files(
        "task_arithmetic",
        models,
        base=base,
        per_input={"weight": weights},
        parameters={"normalize": normalize, "lambda": 0.7},
    )
    answers = {
        name: task_vectors.task_arithmetic(
            base[name], [model[name] for model in models], weights, normalize, 0.7
        )
        for name in base
    }
    check(got, base, answers, dtype)
    assert dtype.itemsize > 2 or most_equal(got, answers)


@each_dtype
@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize(
    "densities", [(0.5, 0.2, 0.8), (1.0, 1.0, 1.0), (0.0, 0.33, 0.01)], ids=str
)
# In eighths, so that products and votes are exact and a cancelled vote is exactly zero.
@pytest.mark.parametrize("weights", [(0.625, 0.375, 0.25), (1.0, -0.5, 0.25)], ids=str)
def test_ties(merge_files, dtype, rescale, densities, weights):
    base, models = inputs(dtype)
    got = merge_files(
        "ties",
        models,
        base=base,
        per_input={"weight": weights, "density": densities},
        parameters={"rescale": rescale, "lambda": 1.25},
    )
    answers = {
        name: task_vectors.ties(
            base[name],
            [model[name] for model in models],
            weights,
            densities,
            rescale,
            epsilon=working_epsilon(dtype),
            scale=1.25,
        )
        for name in base
    }
    if rescale:
        # The factor multiplies the terms of a trimmed delta: 1/density at most, less for heavy
        # tails; 1 where nothing is left.
        most = max(1.0, *(1 / d for d in densities if d > 0))
        answers = {k: a._replace(magnitude=most * a.magnitude) for k, a in answers.items()}
    check(got, base, answers, dtype)


@each_dtype
def test_passthrough_scale(merge_files, dtype):
    base, (model,) = inputs(dtype, 1)
    got = merge_files("passthrough", [model], parameters={"scale": -0.3})
    answers = {name: linear.passthrough(model[name], -0.3) for name in base}
    check(got, base, answers, dtype)


@each_dtype
@pytest.mark.parametrize("method", ["dare_linear", "dare_ties"])
def test_dare_at_density_one(merge_files, dtype, method):
    base, models = inputs(dtype)
    weights = (0.75, -0.5, 0.25)
    got = merge_files(
        method,
        models,
        base=base,
        per_input={"weight": weights},
        parameters={"density": 1.0, "lambda": 0.5},
    )
    combine = {
        "dare_linear": task_vectors.without_consensus,
        "dare_ties": task_vectors.with_consensus,
    }[method]
    answers = {}
    for name in base:
        arrays = [model[name] for model in models]
        parts = task_vectors.deltas(base[name], arrays)
        answer = combine(base[name], arrays, parts, weights, normalize=False, scale=0.5)
        tied = task_vectors.tied_vote([w * d for w, d in zip(weights, parts)], working_epsilon(dtype))
        answers[name] = answer._replace(uncertain=tied) if method == "dare_ties" else answer
    check(got, base, answers, dtype)


@each_dtype
def test_mixed_inputs_take_the_wider_type(merge_files, dtype):
    """Each input is widened from its own type; without dtype the output has the promoted one."""
    base, (model,) = inputs(np.dtype(np.float32), 1)
    narrow = {name: array.astype(dtype) for name, array in model.items()}
    got = merge_files("linear", [base, narrow], per_input={"weight": [0.5, 0.5]})
    wide = np.promote_types(np.float32, np.float64 if dtype == np.float64 else np.float32)
    answers = {name: linear.linear([base[name], narrow[name]], [0.5, 0.5]) for name in base}
    check(got, base, answers, wide)
