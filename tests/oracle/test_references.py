"""The f64 references say what MergeKit says, on odd shapes and special cases, both in f64.

This ties the two yardsticks together: what the end-to-end tests accept, MergeKit users get.
"""

import numpy as np
import pytest

from reference import linear, slerp, task_vectors
from support.shapes import SHAPES, base_tensors, fine_tuned

BASE = base_tensors(np.float64)
MODELS = [fine_tuned(BASE, seed) for seed in (1, 2, 3)]
# f64 on both sides; sums of up to 123,300 elements in different orders (slerp's norms).
TOLERANCE = 1e-12

# Not "wide": MergeKit's full sorts of it would take most of the time and show nothing new.
each_shape = pytest.mark.parametrize("name", [name for name in SHAPES if name != "wide"])


def assert_same(theirs, answer):
    assert theirs.shape == answer.value.shape
    assert np.max(np.abs(theirs - answer.value)) <= TOLERANCE * np.max(np.abs(answer.value))


@each_shape
@pytest.mark.parametrize("weights", [(0.2, 0.5, 0.9), (1.0, -0.25, 0.5), (1.0, 0.0, 0.0)])
@pytest.mark.parametrize("normalize", [True, False])
def test_linear(mergekit_tensors, name, weights, normalize):
    arrays = [model[name] for model in MODELS]
    theirs = mergekit_tensors("linear", arrays, weight=list(weights), normalize=normalize)
    # MergeKit's linear multiplies by weights in f32.
    weights = [float(np.float32(w)) for w in weights]
    answer = linear.linear(arrays, weights, normalize)
    assert np.max(np.abs(theirs - answer.value)) <= 1e-6 * np.max(np.abs(answer.value))


@each_shape
@pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
def test_slerp(mergekit_tensors, name, t):
    arrays = [BASE[name], MODELS[0][name] - 0.5 * BASE[name]]
    assert_same(mergekit_tensors("slerp", arrays, 0, t=t), slerp.slerp(*arrays, t))


@pytest.mark.parametrize("case", ["zero base", "zero model", "colinear", "antipodal", "both zero"])
def test_slerp_special_cases(mergekit_tensors, case):
    v, zero = BASE["matrix"], np.zeros((33, 65))
    pair = {
        "zero base": (zero, v),
        "zero model": (v, zero),
        "colinear": (v, 2 * v),
        "antipodal": (v, -v),
        "both zero": (zero, zero),
    }[case]
    theirs, answer = mergekit_tensors("slerp", pair, 0, t=0.25), slerp.slerp(*pair, 0.25)
    assert np.max(np.abs(theirs - answer.value)) <= TOLERANCE


@each_shape
@pytest.mark.parametrize("weights", [(0.6, 0.4, 0.3), (1.0, -0.5, 0.25)])
@pytest.mark.parametrize("normalize", [True, False])
def test_task_arithmetic(mergekit_tensors, name, weights, normalize):
    arrays = [BASE[name], *(model[name] for model in MODELS)]
    parameters = {"weight": list(weights), "normalize": normalize, "lambda": 0.7}
    theirs = mergekit_tensors("task_arithmetic", arrays, 0, **parameters)
    assert_same(
        theirs, task_vectors.task_arithmetic(arrays[0], arrays[1:], weights, normalize, 0.7)
    )


@each_shape
@pytest.mark.parametrize("weights", [(0.6, 0.4, 0.3), (1.0, -0.5, 0.25)])
@pytest.mark.parametrize("densities", [(0.0, 0.5, 0.2), (1.0, 1.0, 1.0), (0.33, 0.7, 0.01)])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("rescale", [True, False])
def test_ties(mergekit_tensors, name, weights, densities, normalize, rescale):
    arrays = [BASE[name], *(model[name] for model in MODELS)]
    parameters = {
        "weight": list(weights),
        "density": list(densities),
        "normalize": normalize,
        "rescale": rescale,
        "lambda": 1.3,
    }
    theirs = mergekit_tensors("ties", arrays, 0, **parameters)
    answer = task_vectors.ties(
        arrays[0], arrays[1:], weights, densities, rescale, normalize=normalize, scale=1.3
    )
    # MergeKit sorts |delta| in f32: elements within its rounding of the threshold may differ.
    _, uncertain = task_vectors.trim(arrays[0], arrays[1:], densities, epsilon=2.0**-23)
    assert uncertain.mean() <= 1e-3 or uncertain.sum() == 0
    # Which of them are kept also moves an L1 factor, by at most their share of the norm.
    tolerance = TOLERANCE if not (rescale and uncertain.any()) else 1e-3
    error = np.where(uncertain, 0, np.abs(theirs - answer.value))
    assert np.max(error) <= tolerance * np.max(np.abs(answer.value))


@pytest.mark.parametrize("method", ["dare_ties", "dare_linear"])
def test_dare_at_density_one(mergekit_tensors, method):
    arrays = [BASE["wide"], *(model["wide"] for model in MODELS)]
    weights = (0.6, 0.4, -0.3)
    theirs = mergekit_tensors(method, arrays, 0, weight=list(weights), density=1.0)
    parts = task_vectors.deltas(arrays[0], arrays[1:])
    combine = {
        "dare_ties": task_vectors.with_consensus,
        "dare_linear": task_vectors.without_consensus,
    }[method]
    assert_same(theirs, combine(arrays[0], arrays[1:], parts, weights, normalize=False))
