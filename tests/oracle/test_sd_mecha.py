"""The methods that sd-mecha has too, against its functions; smoothAdd's filters against SciPy's."""

from importlib import import_module

import numpy as np
import pytest

from support import safetensors_file
from support.recipe import models
from support.shapes import fine_tuned

SHAPES = {
    "scalar": (),
    "vector": (257,),
    "matrix": (33, 66),
    "row": (1, 70),
    "column": (70, 1),
    "convolution": (12, 10, 3, 3),
    "blocks": (40, 300),
    "prime": (1009,),
}
TOLERANCE = 1e-6  # of the tensor's largest magnitude: f32 on both sides


def tensors(seed):
    generator = np.random.default_rng(seed)
    return {n: np.asarray(generator.standard_normal(s), np.float32) for n, s in SHAPES.items()}


@pytest.fixture(scope="module")
def abc():
    c = tensors(0)
    return fine_tuned(c, 1, 0.3), fine_tuned(c, 2, 0.2), c


@pytest.fixture
def run(merged, tmp_path):
    """run(method, base, models, **parameters) over dicts of arrays."""

    def run(method, base, inputs, **parameters):
        write = lambda name, part: safetensors_file.write(tmp_path / f"{name}.safetensors", part)
        paths = [write(f"model{i}", part) for i, part in enumerate(inputs)]
        recipe = {"merge_method": method, "models": models(*paths), "parameters": parameters}
        if base is not None:
            recipe["base_model"] = str(write("base", base))
        return merged(recipe, out="merged.safetensors")

    return run


@pytest.fixture(scope="module")
def mecha():
    """mecha("linear.subtract", *arrays, **parameters): a function of its merge_methods."""
    reason = "needs sd-mecha 1.1.8 (pip install sd-mecha==1.1.8)"
    package = pytest.importorskip("sd_mecha.extensions.builtin.merge_methods", reason=reason)
    import torch

    def call(path, *arrays, **parameters):
        module, name = path.split(".")
        # Not by attribute: a function of the same name hides the module.
        function = getattr(import_module(f"{package.__name__}.{module}"), name).__wrapped__
        # Some of them write into their arguments.
        return function(*(torch.tensor(array) for array in arrays), **parameters).numpy()

    return call


def compare(got, expected, inputs, tolerance=TOLERANCE):
    assert sorted(got) == sorted(SHAPES)
    for name, array in got.items():
        exact = expected(*(part[name] for part in inputs))
        scale = max(np.abs(part[name]).max() for part in inputs)
        assert np.abs(array - exact).max() <= tolerance * scale, name


@pytest.mark.parametrize("clamped", [False, True])
@pytest.mark.parametrize("alpha", [1.0, -0.7, 3.0])
def test_add_difference(run, mecha, abc, alpha, clamped):
    a, b, c = abc

    def expected(a, b, c):
        # Its wrapper of the two builds a graph; these are its nodes.
        added = a + np.float32(alpha) * mecha("linear.subtract", b, c)
        return mecha("limiting.clamp", added, a, b) if clamped else added

    compare(run("add_difference", c, [a, b], alpha=alpha, clamp_to_ab=clamped), expected, abc)


@pytest.mark.parametrize(
    "mask, function",
    [
        ("train_difference", "train_difference_mask"),
        ("add_opposite", "add_opposite_mask"),
        ("add_strict_opposite", "add_strict_opposite_mask"),
    ],
)
def test_train_difference(run, mecha, abc, mask, function):
    a, b, c = abc
    b = {name: np.where(np.arange(x.size).reshape(x.shape) % 5, x, c[name]) for name, x in b.items()}

    def expected(a, b, c):
        return a + mecha(f"linear.{function}", a, b, c, alpha=0.8) * (b - c)

    compare(run("train_difference", c, [a, b], alpha=0.8, mask=mask), expected, (a, b, c))


def test_add_perpendicular(run, mecha, abc):
    a, b, c = abc

    def expected(a, b, c):
        perpendicular = mecha("linear.perpendicular_component", a - c, b - c)
        # Of one element nothing is perpendicular; in f32 a little is left.
        return a + np.float32(0.8) * perpendicular

    compare(run("add_perpendicular", c, [a, b], alpha=0.8), expected, abc)


@pytest.mark.parametrize("stiffness", [0.0, 0.4, 1.0])
def test_clamp(run, mecha, stiffness):
    x, *bounds = (tensors(seed) for seed in range(4))
    got = run("clamp", x, bounds, stiffness=stiffness)
    compare(
        got, lambda *arrays: mecha("limiting.clamp", *arrays, stiffness=stiffness), (x, *bounds)
    )


@pytest.mark.parametrize("mode", ["add_cosine_a", "add_cosine_b"])
@pytest.mark.parametrize("alpha", [0.0, 0.3, -0.5])
def test_cosine(run, mecha, abc, mode, alpha):
    a, b, _ = abc
    compare(
        run("cosine", a, [b], alpha=alpha, mode=mode),
        lambda a, b: mecha(f"cosine.{mode}", a, b, alpha),
        (a, b),
    )


# No frequency of the shapes lies on a cut, which rounding could put on either side.
@pytest.mark.parametrize(
    "alpha, tilt", [(0.371, 0), (0.371, 0.4), (0.371, 1), (0.613, 1.6), (0.371, 2), (0.613, 3.2)]
)
def test_crossover(run, mecha, abc, alpha, tilt):
    a, b, _ = abc
    compare(
        run("crossover", a, [b], alpha=alpha, tilt=tilt),
        lambda a, b: mecha("crossover.crossover", a, b, alpha=alpha, tilt=tilt),
        (a, b),
    )


def test_smooth_add(run, abc):
    ndimage = pytest.importorskip("scipy.ndimage", reason="needs SciPy (MergeKit brings it)")
    a, b, c = abc

    def expected(a, b, c):
        difference = ndimage.median_filter(b - c, size=3) if a.ndim else b - c
        return a + np.float32(0.7) * ndimage.gaussian_filter(difference, sigma=1)

    compare(run("smooth_add", c, [a, b], alpha=0.7), expected, abc)


@pytest.mark.parametrize("mode", ["cosineA", "cosineB"])
@pytest.mark.parametrize("alpha", [0.2, -0.3])
def test_cosine_of_the_model(run, abc, mode, alpha):
    """supermerger's modes, by its formulas; its range of the whole model is what is tried here."""
    torch = pytest.importorskip("torch")
    cosine_similarity, normalize = torch.nn.functional.cosine_similarity, torch.nn.functional.normalize
    a, b, _ = abc
    ours = run("cosine", a, [b], alpha=alpha, mode=mode)

    def similarities(x, y):
        """Of the columns, and their mean with that of the tensor."""
        x, y = torch.tensor(x), torch.tensor(y)
        if mode == "cosineA":
            x, y = normalize(x, dim=0), normalize(y, dim=0)
        columns = cosine_similarity(x, y, dim=0)
        return columns, (columns + (x * y).sum() / (x.norm() * y.norm())) / 2

    part = 0 if mode == "cosineA" else 1
    values = np.concatenate([similarities(a[n], b[n])[part].numpy().ravel() for n in SHAPES])
    values = values[values >= np.percentile(values, 1, method="midpoint")]
    values = values[values <= np.percentile(values, 99, method="midpoint")]

    def expected(x, y):
        k = (similarities(x, y)[1].numpy() - values.min()) / (values.max() - values.min())
        k = np.clip(k - (abs(alpha) if mode == "cosineA" else alpha), 0, 1)
        return y * (1 - k) + x * k

    # Divided by the range, an error of the cosines grows.
    compare(ours, expected, (a, b), TOLERANCE / min(1, values.max() - values.min()))


def test_geometric_median(run, mecha):
    base = tensors(0)
    inputs = [fine_tuned(base, seed, scale) for seed, scale in enumerate((0.02, 0.05, 0.5, 0.03))]
    # Its distances are summed up in f32, ours in f64.
    compare(
        run("geometric_median", None, inputs),
        lambda *arrays: mecha("ties.geometric_median", *arrays),
        inputs,
        1e-4,
    )


@pytest.mark.parametrize("width, offset", [(0.4, 0), (0.5, 0.25), (0.4, 0.8), (-0.3, 0.2), (0.9, -1.3)])
def test_tensor_sum(run, mecha, abc, width, offset):
    a, b, _ = abc
    compare(
        run("tensor_sum", a, [b], width=width, offset=offset),
        lambda a, b: mecha("slicing.tensor_sum", a, b, width=width, offset=offset),
        (a, b),
        0,
    )
