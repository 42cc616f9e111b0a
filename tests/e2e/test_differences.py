"""The methods of the Stable Diffusion tools against their f64 references, by stored type."""

import pytest

from reference import differences
from support.numbers import FLOATS, assert_rounded, working_epsilon
from support.shapes import SHAPES, base_tensors, fine_tuned

each_dtype = pytest.mark.parametrize("dtype", FLOATS.values(), ids=FLOATS)


@pytest.fixture
def abc(dtype):
    c = base_tensors(dtype)
    return fine_tuned(c, 1, 0.3), fine_tuned(c, 2, 0.2), c


def check(got, inputs, dtype, answer_of, roundings=8, shapes=SHAPES):
    for name in shapes:
        answer = answer_of(*(part[name] for part in inputs))
        assert got[name].dtype == dtype, name
        assert_rounded(
            got[name], answer.value, answer.magnitude, working_epsilon(dtype), name,
            roundings=roundings,
        )


@each_dtype
@pytest.mark.parametrize("clamped", [False, True])
def test_add_difference(merge_files, dtype, abc, clamped):
    a, b, c = abc
    got = merge_files(
        "add_difference", [a, b], base=c, parameters={"alpha": -0.7, "clamp_to_ab": clamped}
    )
    check(got, abc, dtype, lambda a, b, c: differences.add_difference(a, b, c, -0.7, clamped))


@each_dtype
def test_train_difference(merge_files, dtype, abc):
    a, b, c = abc
    got = merge_files("train_difference", [a, b], base=c, parameters={"alpha": 0.6})
    check(got, abc, dtype, lambda a, b, c: differences.train_difference(a, b, c, 0.6))


@each_dtype
def test_add_perpendicular(merge_files, dtype, abc):
    a, b, c = abc
    got = merge_files("add_perpendicular", [a, b], base=c, parameters={"alpha": 0.6})
    check(got, abc, dtype, lambda a, b, c: differences.add_perpendicular(a, b, c, 0.6), 12)


@each_dtype
def test_clamp(merge_files, dtype):
    x, *bounds = (base_tensors(dtype, seed) for seed in range(4))
    got = merge_files("clamp", bounds, base=x)
    check(got, (x, *bounds), dtype, lambda x, *bounds: differences.clamp(x, bounds), 0)


@each_dtype
def test_cosine(merge_files, dtype, abc):
    a, b, _ = abc
    got = merge_files(
        "cosine", [b], base=a, parameters={"alpha": 0.3, "mode": "add_cosine_b"}
    )
    # f64: columns' sums are good to 2^-48 times their rows.
    roundings = 2**16 if dtype.itemsize == 8 else 8
    check(got, (a, b), dtype, lambda a, b: differences.add_cosine_b(a, b, 0.3), roundings)


@each_dtype
def test_crossover(merge_files, dtype, abc):
    a, b, _ = abc
    got = merge_files("crossover", [b], base=a, parameters={"alpha": 0.371})
    check(got, (a, b), dtype, lambda a, b: differences.crossover(a, b, 0.371), 16)


@each_dtype
def test_geometric_median(merge_files, dtype):
    base = base_tensors(dtype)
    inputs = [fine_tuned(base, seed, scale) for seed, scale in enumerate((0.05, 0.1, 0.5))]
    got = merge_files("geometric_median", inputs)
    # Where there are few elements, it settles on one of the models, and slowly; in f64 it stops
    # where the mean distance no longer changes, some 1e-8 of the distances away.
    shapes = [name for name in SHAPES if base[name].size > 100]
    roundings = 2**30 if dtype.itemsize == 8 else 8
    check(
        got, inputs, dtype, lambda *models: differences.geometric_median(models), roundings, shapes
    )
