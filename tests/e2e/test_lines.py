"""LiNeS: the merged change from the base is scaled by the layer's depth."""

import numpy as np
import pytest

from support import checkpoint, program
from support.recipe import models, write_recipe

ALPHA, BETA, LAYERS = 0.25, 0.5, 3


def factor(name):
    if name.startswith("model.layers."):
        return ALPHA + BETA * int(name.split(".")[2]) / (LAYERS - 1)
    return ALPHA + BETA if name in ("lm_head.weight", "model.norm.weight") else ALPHA


@pytest.mark.parametrize("method", ["ties", "linear", "slerp", "passthrough", "task_arithmetic"])
def test_scales_the_change_of_any_method(tmp_path, llamas, method):
    base, a, b = llamas(layers=LAYERS, hidden=8)
    inputs = [a] if method in ("slerp", "passthrough") else [a, b]
    recipe = {"merge_method": method, "base_model": str(base), "models": models(*inputs)}
    if method == "slerp":
        recipe["parameters"] = {"t": 0.3}
    if method in ("ties", "task_arithmetic"):
        recipe["parameters"] = {"weight": 0.5}
    if method == "linear":
        recipe["models"] = models(base, *inputs)
        recipe["parameters"] = {"weight": 0.5}
    if method == "passthrough":  # an unlisted base would be one model too many
        recipe["models"] = models(a)
        recipe["merge_method"], recipe["parameters"] = "slerp", {"t": 1}
    program.succeed("merge", write_recipe(tmp_path / "plain.yml", recipe), tmp_path / "plain")
    recipe["lines"] = {"alpha": ALPHA, "beta": BETA}
    program.succeed("merge", write_recipe(tmp_path / "lines.yml", recipe), tmp_path / "lines")
    origin, plain, lines = (
        checkpoint.read_checkpoint(tmp_path / name) for name in ("base", "plain", "lines")
    )
    for name, weights in lines.items():
        wanted = origin[name] + factor(name) * (plain[name].astype(np.float64) - origin[name])
        # Three f32 roundings of numbers around 1 after the merge's own.
        np.testing.assert_allclose(weights, wanted, rtol=0, atol=4 * 2.0**-23 * 4, err_msg=name)


def test_needs_a_base(tmp_path, llamas):
    base, a, b = llamas()
    recipe = {"merge_method": "linear", "models": models(a, b, weight=[1, 1]),
              "lines": {"alpha": 1, "beta": 0}}
    error = program.fail("merge", write_recipe(tmp_path / "r.yml", recipe), tmp_path / "out")
    assert "base_model" in error and "r.yml:" in error
