"""Inputs where a formula divides by zero or a rule must break a tie, with answers by hand."""

import numpy as np
import pytest

from support.checkpoint import BF16
from support.numbers import same_bytes

F32 = np.float32


def f32(*values):
    return np.array(values, F32)


def slerp(merge_files, base, other, t, **parameters):
    got = merge_files("slerp", [{"x": other}], base={"x": base}, parameters={"t": t, **parameters})
    return got["x"]


VECTOR = f32(3, 0, -4)


@pytest.mark.parametrize("t", [0.25, 0.5])
def test_slerp_from_zero(merge_files, t):
    expected = np.sin(t * np.pi / 2) * VECTOR.astype(float)
    got = slerp(merge_files, 0 * VECTOR, VECTOR, t)
    assert np.allclose(got, expected, rtol=2**-22, atol=0)


def test_slerp_to_zero(merge_files):
    expected = np.cos(0.25 * np.pi / 2) * VECTOR.astype(float)
    assert np.allclose(slerp(merge_files, VECTOR, 0 * VECTOR, 0.25), expected, rtol=2**-22, atol=0)


def test_slerp_between_zeros(merge_files):
    assert not slerp(merge_files, 0 * VECTOR, 0 * VECTOR, 0.25).any()


def test_slerp_of_colinear_vectors_is_linear(merge_files):
    assert np.array_equal(slerp(merge_files, VECTOR, 3 * VECTOR, 0.25), 1.5 * VECTOR)


def test_slerp_of_antipodal_vectors_is_linear(merge_files):
    assert np.array_equal(slerp(merge_files, VECTOR, -VECTOR, 0.25), 0.5 * VECTOR)


def test_slerp_of_equal_vectors_is_that_vector(merge_files):
    got = slerp(merge_files, VECTOR, VECTOR, 0.3)
    assert np.allclose(got, VECTOR, rtol=2**-23, atol=0)


@pytest.mark.parametrize("t", [0.5, 0.2])
def test_slerp_of_right_angles(merge_files, t):
    got = slerp(merge_files, f32(2, 0), f32(0, 2), t)
    expected = [2 * np.cos(t * np.pi / 2), 2 * np.sin(t * np.pi / 2)]
    assert np.allclose(got, expected, rtol=2**-22, atol=0)


def delta_merge(merge_files, method, deltas, weights, **parameters):
    """The merge of these deltas from a base of ones, minus the base."""
    base = np.ones(len(deltas[0]), F32)
    got = merge_files(
        method,
        [{"x": base + f32(*d)} for d in deltas],
        base={"x": base},
        per_input={"weight": weights},
        parameters=parameters,
    )
    return list(got["x"].astype(float) - 1)


def test_trim_keeps_the_lowest_index_of_equals(merge_files):
    got = delta_merge(merge_files, "ties", [[0.5, -0.5, 0.5, 0.25]], [1.0], density=0.5)
    assert got == [0.5, -0.5, 0, 0]


def test_trim_keeps_the_lowest_index_of_equals_in_a_large_tensor(merge_files):
    """The same over many blocks and chunks: all |delta| equal, signs alternating."""
    size, density = 300_000, 0.3
    base = np.zeros(size, F32)
    delta = np.where(np.arange(size) % 2, 0.5, -0.5).astype(F32)
    got = merge_files(
        "ties",
        [{"x": delta}],
        "--threads",
        2,
        base={"x": base},
        per_input={"weight": [1.0]},
        parameters={"density": density},
    )["x"]
    count = int(density * size)
    assert np.array_equal(got[:count], delta[:count]) and not got[count:].any()


@pytest.mark.parametrize("density, kept", [(0.999, 3), (0.75, 3), (0.74, 2), (0.25, 1), (1e-9, 1)])
def test_kept_count_is_truncated_but_at_least_one(merge_files, density, kept):
    got = delta_merge(merge_files, "ties", [[0.125, 0.25, 0.5, 1]], [1.0], density=density)
    assert np.count_nonzero(got) == kept and got[3] == 1


@pytest.mark.parametrize("method", ["ties", "dare_ties", "dare_linear"])
def test_density_zero_is_the_base(merge_files, method):
    assert delta_merge(merge_files, method, [[0.5, -1], [1, 1]], [1, 1], density=0.0) == [0, 0]


def test_tied_vote_is_positive(merge_files):
    """+0.5 against -0.5: the positive side wins, and its mean is over that side alone."""
    assert delta_merge(merge_files, "ties", [[0.5, 0.25], [-0.5, 0.75]], [1, 1]) == [0.5, 0.5]


def test_zeros_do_not_vote_or_divide(merge_files):
    assert delta_merge(merge_files, "ties", [[0.5, 0], [0, 0], [0.25, 0]], [1, 1, 1]) == [0.375, 0]


def test_negative_weight_flips_vote_and_divisor(merge_files):
    # Weighted: -0.5 and +0.25: negative wins; (-1 * 0.5) / -1 = 0.5.
    assert delta_merge(merge_files, "ties", [[0.5], [0.25]], [-1, 1]) == [0.5]
    # Not normalised: the weighted delta itself.
    assert delta_merge(merge_files, "ties", [[0.5], [0.25]], [-1, 1], normalize=False) == [-0.5]


def test_task_arithmetic_ignores_a_vanishing_divisor(merge_files):
    got = delta_merge(merge_files, "task_arithmetic", [[0.5], [0.25]], [1, -1], normalize=True)
    assert got == [0.25]


def test_lambda_zero_is_the_base(merge_files):
    got = delta_merge(merge_files, "task_arithmetic", [[0.5], [0.25]], [1, 1], **{"lambda": 0.0})
    assert got == [0]


def test_weight_zero_is_not_read(merge_files):
    """0 times infinity would be NaN; a model of weight 0 takes no part."""
    a, b = f32(1, 2, 3), f32(np.inf, -np.inf, np.nan)
    got = merge_files("linear", [{"x": a}, {"x": b}], "--nan", "error",
                      per_input={"weight": [1.0, 0.0]})
    assert same_bytes(got["x"], a)


@pytest.mark.parametrize("dtype", [np.float64, F32, np.float16, BF16])
def test_bits_survive_a_copy(merge_files, dtype):
    """passthrough: signed zeros, subnormals and the largest numbers as they were."""
    bits = np.array([0, 1, 3], f"u{np.dtype(dtype).itemsize}")
    x = np.concatenate([bits.view(dtype), -bits.view(dtype), np.array([1, -2], dtype)])
    assert same_bytes(merge_files("passthrough", [{"x": x}])["x"], x)


def test_empty_tensor_stays_empty(merge_files):
    inputs = [{"x": np.zeros((0, 4), F32), "y": f32(i)} for i in (1, 3)]
    got = merge_files("linear", inputs, per_input={"weight": [1, 1]})
    assert got["x"].shape == (0, 4) and got["y"] == f32(2)


def test_linear_weights_that_sum_to_zero(merge_files, files, merganser, tmp_path):
    """MergeKit writes NaN; here it is an error, or without normalisation a fine merge."""
    from support.program import fail
    from support.recipe import models, write_recipe

    paths = files({"x": f32(1, 2)}, {"x": f32(3, 5)})
    recipe = {"merge_method": "linear", "models": models(*paths, weight=[1.0, -1.0])}
    out = tmp_path / "out.safetensors"
    assert "weight" in fail("merge", write_recipe(tmp_path / "r.yml", recipe), out)
    assert not out.exists()
    got = merge_files(
        "linear", [{"x": f32(1, 2)}, {"x": f32(3, 5)}], per_input={"weight": [1.0, -1.0]},
        parameters={"normalize": False},
    )
    assert list(got["x"]) == [-2, -3]
