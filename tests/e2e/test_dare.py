"""DARE: shares, rescaling and expectation by statistics; bytes by seed alone."""

import numpy as np
import pytest

from reference.sparsify import l1_rescale

F32 = np.float32
SIZE = 200_000


@pytest.fixture(scope="module")
def delta():
    """Nowhere zero and exact in f32 sums with the base of zeros."""
    generator = np.random.default_rng(3)
    return (generator.standard_normal(SIZE) + np.where(generator.random(SIZE) < 0.5, 3, -3)).astype(F32)


def dare(merge_files, delta, density, *flags, method="dare_linear", out="merged.safetensors", **more):
    got = merge_files(
        method,
        [{"x": delta}],
        *flags,
        base={"x": np.zeros_like(delta)},
        per_input={"weight": [1.0]},
        parameters={"density": density, **more},
        out=out,
    )
    return got["x"]


@pytest.mark.parametrize("method", ["dare_linear", "dare_ties"])
@pytest.mark.parametrize("density", [0.01, 0.3, 0.5, 0.9, 0.999])
def test_share_kept(merge_files, delta, density, method):
    kept = np.count_nonzero(dare(merge_files, delta, density, method=method))
    # Five standard deviations of a binomial count; plus half of 2^-16 of all elements, since
    # 16 random bits an element can only express densities in steps of that.
    bound = 5 * np.sqrt(SIZE * density * (1 - density)) + SIZE * 2.0**-17
    assert abs(kept - density * SIZE) <= bound


def test_kept_elements_are_spread_evenly(merge_files, delta):
    """By position (each of 100 stretches, each residue mod 16) and without regard to size."""
    mask = dare(merge_files, delta, 0.5) != 0
    for groups in (mask.reshape(100, -1), mask.reshape(-1, 16).T):
        counts = groups.sum(axis=1)
        bound = 5 * np.sqrt(groups.shape[1] * 0.25)
        assert np.all(np.abs(counts - groups.shape[1] / 2) <= bound)
    # Neighbours agree half of the time.
    agree = np.count_nonzero(mask[1:] == mask[:-1])
    assert abs(agree - (SIZE - 1) / 2) <= 5 * np.sqrt(SIZE / 4)
    large = np.abs(delta) > np.median(np.abs(delta))
    assert abs(np.count_nonzero(mask & large) - large.sum() / 2) <= 5 * np.sqrt(large.sum() / 4)


def test_l1_rescale_restores_the_norm(merge_files, delta):
    got = dare(merge_files, delta, 0.3, rescale_mode="l1")
    expected = l1_rescale(delta.astype(np.float64), got != 0)
    assert np.max(np.abs(got - expected)) <= 2e-7 * np.max(np.abs(expected))


def test_l1_is_the_default(merge_files, delta):
    a, b = (dare(merge_files, delta, 0.3, **more) for more in ({}, {"rescale_mode": "l1"}))
    assert a.tobytes() == b.tobytes()


def test_inverse_rescale_divides_by_the_density(merge_files, delta):
    got = dare(merge_files, delta, 0.3, rescale_mode="inverse")
    expected = np.where(got != 0, delta.astype(np.float64) / 0.3, 0)
    assert np.max(np.abs(got - expected)) <= 2e-7 * np.max(np.abs(expected))


def test_no_rescale_keeps_elements_as_they_are(merge_files, delta):
    got = dare(merge_files, delta, 0.3, rescale=False)
    assert np.all((got == 0) | (got == delta))


def test_same_elements_whatever_the_rescale(merge_files, delta):
    a = dare(merge_files, delta, 0.3, rescale=False)
    b = dare(merge_files, delta, 0.3, rescale_mode="inverse")
    assert np.array_equal(a != 0, b != 0)


def test_expectation_is_the_delta(merge_files):
    """Over seeds: unbiased in the paper's form. 40 seeds of 20,000 elements of 1."""
    ones, runs = np.ones(20_000, F32), 40
    total = sum(
        dare(merge_files, ones, 0.25, "--seed", seed, rescale_mode="inverse").astype(float)
        for seed in range(runs)
    )
    mean = total / runs
    variance = (1 - 0.25) / 0.25 / runs
    # The grand mean within five standard deviations; the spread over elements as the seeds being
    # independent of each other makes it, within 10 % (its own deviation: 1 %).
    assert abs(mean.mean() - 1) <= 5 * np.sqrt(variance / mean.size) + 2.0**-14
    assert abs(mean.var() / variance - 1) <= 0.1


def test_seed_decides(merge_files, delta, merged, files):
    same, again = (dare(merge_files, delta, 0.5, "--seed", 7) for _ in range(2))
    other = dare(merge_files, delta, 0.5, "--seed", 8)
    assert same.tobytes() == again.tobytes()
    agree = np.count_nonzero((same != 0) == (other != 0))
    assert abs(agree - SIZE / 2) <= 5 * np.sqrt(SIZE / 4)


def test_seed_in_the_recipe(merge_files, delta):
    keys = dict(base={"x": np.zeros_like(delta)}, per_input={"weight": [1.0]},
                parameters={"density": 0.5})
    written = merge_files("dare_linear", [{"x": delta}], **keys, seed=11)["x"]
    flagged = merge_files("dare_linear", [{"x": delta}], "--seed", 11, **keys)["x"]
    default = merge_files("dare_linear", [{"x": delta}], **keys)["x"]
    assert written.tobytes() == flagged.tobytes() != default.tobytes()


def test_models_and_tensors_draw_apart(merge_files, delta):
    """The same delta as two tensors and in two models: four different masks."""
    zeros = np.zeros_like(delta)
    got = merge_files(
        "dare_linear",
        [{"x": delta, "y": delta}, {"x": 1000 * delta, "y": 1000 * delta}],
        base={"x": zeros, "y": zeros},
        per_input={"weight": [1.0, 1.0]},
        parameters={"density": 0.5, "rescale": False},
    )
    masks = []
    for value in got.values():
        second = np.abs(value) > 1.5 * np.max(np.abs(delta))
        first = np.abs(value - np.where(second, 1000 * delta.astype(float), 0)) > 0.5
        masks += [first, second]
    for i in range(4):
        for j in range(i):
            agree = np.count_nonzero(masks[i] == masks[j])
            assert abs(agree - SIZE / 2) <= 5 * np.sqrt(SIZE / 4), (i, j)
