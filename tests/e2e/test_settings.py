"""Where a parameter's value comes from: gradients, filters, blocks, and which level wins.

Seen through passthrough's scale and linear's weights on a tiny Llama, where every value shows.
"""

import numpy as np
import pytest

from reference.settings import conditional, gradient, layer_of, position
from support.checkpoint import read_checkpoint
from support.recipe import models

LAYERS = 4


@pytest.fixture
def scales(merged, llamas):
    """scales(setting) merges with passthrough and returns each tensor's scale."""
    base, *_ = llamas(layers=LAYERS)

    def run(setting, **keys):
        recipe = {"merge_method": "passthrough", "models": models(base), **keys}
        if setting is not None:
            recipe["parameters"] = {"scale": setting}
        got, before = merged(recipe), read_checkpoint(base)
        return {name: ratio(got[name], before[name]) for name in before}

    return run


def ratio(after, before):
    """The one factor between two arrays."""
    after, before = after.astype(float), before.astype(float)
    factor = (after * before).sum() / (before * before).sum()
    assert np.allclose(after, factor * before, rtol=1e-6, atol=0)
    return factor


def check(found, expected):
    for name, factor in found.items():
        assert factor == pytest.approx(expected(name), rel=1e-6, abs=1e-7), name


def test_scalar(scales):
    check(scales(0.5), lambda name: 0.5)


@pytest.mark.parametrize("values", [[0.25, 1], [1, 0.5, 2], [0.5, 1, 2, 3, 4], [0.75]])
def test_gradient(scales, values):
    check(scales(values), lambda name: gradient(values, position(name, LAYERS)))


def test_substring_filters(scales):
    cases = [
        {"filter": "self_attn", "value": [0.5, 2]},
        {"filter": "mlp.up", "value": 3},
        {"filter": "layers.1.", "value": 4},
        {"value": 0.25},
    ]
    check(scales(cases), lambda name: conditional(cases, name, position(name, LAYERS)))


def test_star_matches_everything(scales):
    check(scales([{"filter": "*", "value": 2}, {"value": 3}]), lambda name: 2)


def test_filter_without_a_match_leaves_the_default(scales):
    check(scales([{"filter": "mlp", "value": 2}]), lambda name: 2 if "mlp" in name else 1)


def test_bare_filter(scales):
    check(scales({"filter": "norm", "value": 2}), lambda name: 2 if "norm" in name else 1)


def test_substring_filter_is_no_pattern(scales):
    """A dot is a dot: MergeKit's filters are plain substrings."""
    check(scales([{"filter": "layers.*mlp", "value": 9}, {"value": 1}]), lambda name: 1)


def test_glob_filter(scales):
    cases = [{"filter": {"glob": "*.mlp.*"}, "value": 2}, {"filter": {"glob": "mlp"}, "value": 5},
             {"value": 1}]
    check(scales(cases), lambda name: 2 if ".mlp." in name else 1)


def test_regex_filter(scales):
    cases = [{"filter": {"regex": r"layers\.[02]\..*(q|k)_proj"}, "value": 2}, {"value": 1}]
    expected = lambda name: (
        2 if layer_of(name) in (0, 2) and ("q_proj" in name or "k_proj" in name) else 1
    )
    check(scales(cases), expected)


def test_blocks(scales):
    blocks = {"0-1": 0.5, "2": 2, "3": 1, "embed": 3, "head": 4, "other": 5}

    def expected(name):
        layer = layer_of(name)
        if layer is not None:
            return [0.5, 0.5, 2, 1][layer]
        return 3 if "embed" in name else 4  # the final norm and lm_head come after the layers

    check(scales({"blocks": blocks}), expected)


def test_text_that_yaml_reads_as_a_string_is_a_number(merged, llamas):
    """YAML 1.1: a bare 1e-1 is a string; MergeKit takes it as a number all the same."""
    base, *_ = llamas()
    text = f"merge_method: passthrough\nmodels:\n- model: {base}\nparameters:\n  scale: 5e-1\n"
    got, before = merged(text), read_checkpoint(base)
    assert all(ratio(got[name], before[name]) == pytest.approx(0.5) for name in before)


def test_precedence(merged, llamas):
    """Source, then slice, then global."""
    base, *_ = llamas(layers=LAYERS)
    source = lambda first, last, **p: {
        "model": str(base), "layer_range": [first, last], **({"parameters": p} if p else {})
    }
    recipe = {
        "merge_method": "passthrough",
        "slices": [
            {"sources": [source(0, 1, scale=2)], "parameters": {"scale": 3}},
            {"sources": [source(1, 2)], "parameters": {"scale": 3}},
            {"sources": [source(2, 3)]},
            {"sources": [source(3, 4)], "parameters": {"scale": [{"filter": "mlp", "value": 7}]}},
        ],
        "parameters": {"scale": 5},
    }
    got, before = merged(recipe), read_checkpoint(base)

    def expected(name):
        layer = layer_of(name)
        if layer is None:
            # The embedding takes the first slice's settings, norm and head the last one's.
            return 2 if "embed" in name else 5
        return [2, 3, 5, 7 if "mlp" in name else 5][layer]

    check({name: ratio(got[name], before[name]) for name in before}, expected)


def test_position_restarts_in_each_slice(merged, llamas):
    base, *_ = llamas(layers=LAYERS)
    part = lambda a, b: {"sources": [{"model": str(base), "layer_range": [a, b]}]}
    recipe = {
        "merge_method": "passthrough",
        "slices": [part(0, 3), part(3, 4)],
        "parameters": {"scale": [1, 3]},
    }
    got, before = merged(recipe), read_checkpoint(base)
    found = {name: ratio(got[name], before[name]) for name in before}
    # Three layers at t = 0, 1/2, 1; the only layer of its slice at t = 1; loose tensors at t = 0.
    check(found, lambda name: [1, 2, 3, 3][layer_of(name)] if layer_of(name) is not None else 1)


def test_filters_of_a_source_see_the_source_names(merged, llamas):
    """Layer 3 of the source becomes layer 0 of the output: per-input filters use the former."""
    base, *_ = llamas(layers=LAYERS)
    scale = [{"filter": "layers.3.", "value": 2}, {"filter": "layers.0.", "value": 9}, {"value": 1}]
    recipe = {
        "merge_method": "linear",
        "slices": [
            {
                "sources": [
                    {"model": str(base), "layer_range": [3, 4], "parameters": {"weight": scale}}
                ]
            }
        ],
        "parameters": {"normalize": False},
    }
    got, before = merged(recipe), read_checkpoint(base)
    name = "model.layers.0.mlp.up_proj.weight"
    assert ratio(got[name], before["model.layers.3.mlp.up_proj.weight"]) == pytest.approx(2)


def test_shared_filters_see_the_output_names(merged, llamas):
    base, tune, _ = llamas(layers=LAYERS)
    source = lambda model: {"model": str(model), "layer_range": [3, 4]}
    recipe = {
        "merge_method": "slerp",
        "base_model": str(base),
        "slices": [{"sources": [source(base), source(tune)]}],
        "parameters": {"t": [{"filter": "layers.0.", "value": 1}, {"value": 0}]},
    }
    got = merged(recipe)
    wanted, other = read_checkpoint(tune), read_checkpoint(base)
    layer = lambda n: n.replace("layers.0.", "layers.3.")
    for name, array in got.items():
        source_tensors = wanted if layer_of(name) == 0 else other
        assert np.array_equal(array, source_tensors[layer(name)]), name
