"""The methods that merge matrices as a whole, against NumPy's SVD in f64."""

import json

import numpy as np
import pytest

from reference import spectral

# Relative to the largest element of the difference. The program decomposes in f64, but stores
# singular vectors in f32 and multiplies in f32; and the base, of which every sum is rounded, is some
# ten times larger than the differences.
TOLERANCE = 2e-5

# Rows, columns, models, rank of the differences (None: full). Sides beyond 256 take the program's
# shortcuts: Gram matrices, and factors for low ranks.
SHAPES = {
    "small": (20, 30, 3, None),
    "square": (280, 280, 3, None),
    "wide": (270, 400, 4, None),
    "tall": (700, 280, 2, None),
    "low rank": (300, 350, 3, 8),
    "low rank, tall": (600, 300, 2, 20),
    "small, low rank": (40, 50, 3, 4),
    "rank too high for factors": (300, 320, 2, 120),
}


def case(rows, columns, count, rank, seed=0):
    rng = np.random.default_rng(seed)
    base = (rng.normal(size=(rows, columns)) * 0.02).astype(np.float32)
    models = []
    for _ in range(count):
        if rank is None:
            change = rng.normal(size=(rows, columns))
        else:
            change = rng.normal(size=(rows, rank)) @ rng.normal(size=(rank, columns)) / np.sqrt(rank)
        models.append((base + 2e-3 * change).astype(np.float32))
    return base, models


# Method and parameters, and the reference: (deltas, noise) -> difference.
METHODS = {
    "isotropic": ("isotropic", {}, lambda d, e: spectral.isotropic(d, e)),
    "isotropic, common and task": (
        "isotropic",
        {"mode": "common_task"},
        lambda d, e: spectral.isotropic_common_task(d, 0.8, e),
    ),
    "tsv": ("tsv", {}, lambda d, e: spectral.task_singular_vectors(d, noise=e)),
    "tsv, lossless": (
        "tsv",
        {"mode": "lossless"},
        lambda d, e: spectral.task_singular_vectors(d, True, e),
    ),
    "svc": ("svc", {}, lambda d, e: spectral.calibrated(d, noise=e)),
    "wudi": ("wudi", {"iterations": 40}, lambda d, e: spectral.wudi(d, 40)),
    "knots": ("knots", {}, lambda d, e: spectral.knots(d, [0.2] * len(d), e)),
    "core_space": ("core_space", {}, lambda d, e: spectral.core_space(d, noise=e)),
    "core_space, tsv": (
        "core_space",
        {"merge": "tsv"},
        lambda d, e: spectral.core_space(d, "tsv", noise=e),
    ),
    "low_rank_task_arithmetic": (
        "low_rank_task_arithmetic",
        {"rank": 5, "svd_tolerance": 0},
        lambda d, e: sum(spectral.cut(x, 5, noise=e) for x in d),
    ),
    "low_rank_task_arithmetic, energy": (
        "low_rank_task_arithmetic",
        {"energy": 0.7},
        lambda d, e: sum(spectral.cut(x, energy=0.7, noise=e) for x in d),
    ),
}


def different(got, base, wanted, tolerance=TOLERANCE):
    """Which elements are too far from base + wanted."""
    error = np.abs(got.astype(np.float64) - base - wanted)
    return ~(error <= tolerance * np.max(np.abs(wanted)))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", METHODS)
def test_matrices(merge_files, name, shape):
    method, parameters, reference = METHODS[name]
    rows, columns, count, rank = SHAPES[shape]
    base, models = case(rows, columns, count, rank)
    got = merge_files(method, [{"w": m} for m in models], base={"w": base}, parameters=parameters)
    deltas = [(model - base).astype(np.float64) for model in models]
    # Rounding of the weights makes singular values of 1e-7 or less, the differences' own are larger.
    wanted = reference(deltas, 0.0 if rank is None else 1e-6)
    # Adam moves by sign where a gradient is near zero: f32 rounding counts for more there.
    wrong = different(got["w"], base, wanted, 1e-4 if method == "wudi" else TOLERANCE)
    # TIES may select another of two entries that are equal up to rounding.
    assert np.mean(wrong) <= (1e-3 if method == "knots" else 0), (method, np.mean(wrong))


SUMS = ("svc", "low_rank_task_arithmetic")


@pytest.mark.parametrize("method", ["isotropic", "tsv", "wudi", "knots", "core_space", *SUMS])
def test_other_tensors(merge_files, method):
    """Vectors and tensors of more axes get the mean of the differences, or their sum."""
    rng = np.random.default_rng(1)
    shapes = {"vector": (50,), "filter": (4, 3, 2), "scalar": ()}
    base = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    models = [
        {name: np.float32(array + 0.1 * rng.normal(size=array.shape)) for name, array in base.items()}
        for _ in range(3)
    ]
    got = merge_files(method, models, base=base, parameters={"lambda": 0.5})
    for name, array in base.items():
        total = sum(model[name].astype(np.float64) - array for model in models)
        wanted = array + 0.5 * total / (1 if method in SUMS else 3)
        np.testing.assert_allclose(got[name], wanted, rtol=1e-6, atol=1e-6)


# Rows, columns, rank of the base (None: full).
BASES = {
    "small": (20, 30, None),
    "tall": (40, 25, None),
    "large": (280, 400, None),
    "large, low rank": (300, 290, 20),
}


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("rank", [4, -1])
@pytest.mark.parametrize("zone", ["I", "II", "II+III"])
def test_singular_projection(merge_files, tmp_path, zone, rank, base):
    rows, columns, full = BASES[base]
    rng = np.random.default_rng(rows)
    u, _ = np.linalg.qr(rng.normal(size=(rows, min(rows, columns))))
    v, _ = np.linalg.qr(rng.normal(size=(columns, min(rows, columns))))
    # The values fall, so that the first four vectors are defined to many digits.
    s = 0.97 ** np.arange(min(rows, columns)) + np.array([2, 1.5, 1, 0.5] + [0] * (u.shape[1] - 4))
    s[full:] = 0 if full else s[full:]
    weight = ((u * s) @ v.T).astype(np.float32)
    tuned = (weight + 1e-2 * rng.normal(size=weight.shape)).astype(np.float32)
    vector = rng.normal(size=7).astype(np.float32)
    got = merge_files(
        "singular_projection",
        [{"w": tuned, "v": vector + 1}],
        base={"w": weight, "v": vector},
        parameters={"zone": zone, "rank": rank},
    )
    change = (tuned - weight).astype(np.float64)
    noise = 1e-5 if full else 0.0
    wanted = spectral.singular_projection(weight, change, zone, rank, noise=noise)
    assert not different(got["w"], weight, wanted, 1e-4).any()
    assert np.array_equal(got["v"], vector + 1)
    text = next(tmp_path.glob("merged*.json")).read_text()
    tensors = {tensor["name"]: tensor for tensor in json.loads(text)["tensors"]}
    facts = tensors["w"]["facts"]
    assert facts["energy_kept"] == pytest.approx(np.sum(wanted**2) / np.sum(change**2), rel=1e-4)
    if full and facts.get("numerical_rank"):
        assert facts["numerical_rank"] == full


def test_facts_are_in_the_provenance(merge_files, tmp_path):
    base, models = case(30, 40, 2, 3)
    merge_files("isotropic", [{"w": m} for m in models], base={"w": base})
    text = next(tmp_path.glob("merged*.json")).read_text()
    facts = json.loads(text)["tensors"][0]["facts"]
    assert facts["rank"] == 6
    s = spectral.svd(sum((m - base).astype(np.float64) for m in models), 1e-6)[1]
    assert facts["mean_singular_value"] == pytest.approx(s.sum() / 30, rel=1e-5)
    assert facts["largest_singular_value"] == pytest.approx(s[0], rel=1e-5)


@pytest.mark.parametrize("method", ["isotropic", "tsv", "svc", "wudi", "knots", "core_space"])
def test_f64(merge_files, method):
    rng = np.random.default_rng(2)
    base = rng.normal(size=(12, 9))
    models = [base + 0.01 * rng.normal(size=(12, 9)) for _ in range(2)]
    parameters = {"iterations": 5} if method == "wudi" else {}
    got = merge_files(method, [{"w": m} for m in models], base={"w": base}, parameters=parameters)
    assert got["w"].dtype == np.float64
    deltas = [model - base for model in models]
    wanted = {
        "isotropic": lambda: spectral.isotropic(deltas),
        "tsv": lambda: spectral.task_singular_vectors(deltas),
        "svc": lambda: spectral.calibrated(deltas),
        "wudi": lambda: spectral.wudi(deltas, 5),
        "knots": lambda: spectral.knots(deltas, [0.2] * 2),
        "core_space": lambda: spectral.core_space(deltas),
    }[method]()
    assert np.max(np.abs(got["w"] - base - wanted)) <= 1e-12
