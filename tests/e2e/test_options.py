"""The papers' forms of TIES and SLERP, beside MergeKit's."""

import numpy as np
import pytest

from reference import slerp, task_vectors
from support.numbers import assert_rounded, working_epsilon
from support.shapes import base_tensors, fine_tuned

F32 = np.dtype(np.float32)
WEIGHTS = (0.75, 0.5, 0.25)
DENSITIES = (0.5, 0.2, 0.35)


@pytest.fixture(scope="module")
def inputs():
    """Tensors with task vectors of very different sizes, so that a whole-model trim empties some."""
    base = base_tensors(F32)
    scales = dict(zip(base, np.geomspace(0.003, 0.3, len(base))))
    models = []
    for seed in (1, 2, 3):
        moved = fine_tuned(base, seed, scale=1.0)
        models.append(
            {k: (base[k] + scales[k] * (moved[k] - base[k])).astype(F32) for k in base}
        )
    return base, models


def run(merge_files, inputs, **parameters):
    base, models = inputs
    return merge_files(
        "ties",
        models,
        base=base,
        per_input={"weight": WEIGHTS, "density": DENSITIES},
        parameters=parameters,
    )


def check(got, answers):
    uncertain = 0
    for name, answer in answers.items():
        assert_rounded(
            got[name], answer.value, answer.magnitude, working_epsilon(F32), name, answer.uncertain
        )
        uncertain += int(answer.uncertain.sum())
    assert uncertain <= 1e-3 * sum(array.size for array in got.values())


def together(inputs, **options):
    base, models = inputs
    names = sorted(base)
    answers = task_vectors.ties_together(
        [base[n] for n in names],
        [[model[n] for n in names] for model in models],
        WEIGHTS,
        DENSITIES,
        epsilon=working_epsilon(F32),
        **options,
    )
    return dict(zip(names, answers))


def separately(inputs, **options):
    base, models = inputs
    return {
        name: task_vectors.ties(
            base[name],
            [model[name] for model in models],
            WEIGHTS,
            DENSITIES,
            epsilon=working_epsilon(F32),
            **options,
        )
        for name in base
    }


OPTIONS = {
    "default": {},
    "sum": {"normalize": False},
    "count": {"vote": "count"},
    "count, sum": {"vote": "count", "normalize": False},
    "majority": {"zero_sign": "majority"},
}
each_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)


@each_option
def test_per_tensor(merge_files, inputs, options):
    check(run(merge_files, inputs, **options), separately(inputs, **options))


@each_option
def test_trim_over_the_whole_model(merge_files, inputs, options):
    got = run(merge_files, inputs, trim_scope="model", **options)
    answers = together(inputs, **options)
    check(got, answers)
    # The two scopes do differ here, or this test would say nothing.
    other = separately(inputs, **options)
    assert np.mean(answers["wide"].value != other["wide"].value) > 0.1


def test_whole_model_trim_in_little_memory_and_many_threads(merge_files, inputs):
    a = run(merge_files, inputs, trim_scope="model")
    base, models = inputs
    b = merge_files(
        "ties",
        models,
        "--memory",
        "8MiB",
        "--threads",
        16,
        base=base,
        per_input={"weight": WEIGHTS, "density": DENSITIES},
        parameters={"trim_scope": "model"},
        out="again.safetensors",
    )
    assert all(a[name].tobytes() == b[name].tobytes() for name in a)


def votes(merge_files, deltas, **parameters):
    """Deltas of several models from a base of ones: the merged delta, by hand-checked cases."""
    base = np.ones(len(deltas[0]), F32)
    got = merge_files(
        "ties",
        [{"x": (base + np.array(d, F32))} for d in deltas],
        base={"x": base},
        per_input={"weight": [1.0] * len(deltas)},
        parameters=parameters,
    )
    return list(got["x"].astype(float) - 1)


def test_vote_by_mass_or_count(merge_files):
    deltas = [[0.75], [-0.25], [-0.25]]
    assert votes(merge_files, deltas, vote="mass") == [0.75]
    assert votes(merge_files, deltas, vote="count") == [-0.25]


def test_sum_or_mean(merge_files):
    deltas = [[0.75], [0.25], [-0.5]]
    assert votes(merge_files, deltas, normalize=True) == [0.5]
    assert votes(merge_files, deltas, normalize=False) == [1.0]


# The first element's vote is tied by mass; the rest of the vector is mostly negative.
TIED = [[0.5, -0.25, -0.25, 0.25], [-0.25, -0.25, -0.25, 0.25], [-0.25, -0.5, -0.5, 0.25]]


@pytest.mark.parametrize("rule, first", [("positive", 0.5), ("majority", -0.25)])
def test_sign_of_a_tied_vote(merge_files, rule, first):
    got = votes(merge_files, TIED, zero_sign=rule)
    assert got[0] == first and got[3] == 0.25


def test_majority_is_that_of_the_vector(merge_files):
    """The same first element in a vector that is mostly positive."""
    flipped = [[d[0], *(-x for x in d[1:])] for d in TIED]
    assert votes(merge_files, flipped, zero_sign="majority")[0] == 0.5


@pytest.fixture(scope="module")
def pair():
    base = base_tensors(F32)
    other = fine_tuned(base, 1)
    # Apart in direction, and in length by a factor that varies from tensor to tensor.
    factors = dict(zip(base, np.linspace(0.3, 3, len(base))))
    return base, {k: (factors[k] * (other[k] - 0.7 * base[k])).astype(F32) for k in base}


@pytest.mark.parametrize("unit", [False, True], ids=["as they are", "unit vectors"])
@pytest.mark.parametrize("scope", ["tensor", "model"])
def test_slerp(merge_files, pair, scope, unit):
    base, other = pair
    parameters = {"t": 0.35, "scope": scope, "normalize": unit}
    got = merge_files("slerp", [other], base=base, parameters=parameters)
    names = sorted(base)
    if scope == "model":
        answers = dict(
            zip(names, slerp.slerp_together([base[n] for n in names], [other[n] for n in names],
                                            0.35, unit))
        )
    else:
        answers = {name: slerp.slerp(base[name], other[name], 0.35, unit) for name in names}
    for name, answer in answers.items():
        assert_rounded(got[name], answer.value, answer.magnitude, working_epsilon(F32), name)


def test_unit_slerp_keeps_the_interpolated_norm(merge_files, pair):
    base, other = pair
    got = merge_files("slerp", [other], base=base, parameters={"t": 0.5, "normalize": True})
    norm = lambda x: np.linalg.norm(x.astype(np.float64))
    for name in ("wide", "matrix", "odd"):
        expected = (norm(base[name]) + norm(other[name])) / 2
        assert abs(norm(got[name]) / expected - 1) <= 1e-6
