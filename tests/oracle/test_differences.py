"""Where merganser differs on purpose, on both programs: docs/mergekit_compatibility.md lists them.

Refusals are in differential/test_refusals.py; what needs no look at MergeKit is in e2e.
"""

import json

import ml_dtypes
import numpy as np
import pytest

from differential import checkpoints
from differential.compare import run_both, run_merganser, run_mergekit
from differential.methods import listed
from support import safetensors_file
from support.checkpoint import llama, read_checkpoint
from support.recipe import models

LLAMA = {"family": "llama", "layers": 2, "heads": 1, "kv_heads": 1, "head_dim": 4, "wide": 3,
         "vocab": 5, "seed": 1}  # fmt: skip
MODELS = {"a": {}, "b": {"delta": 0.1, "seed": 1}, "c": {"delta": 0.1, "seed": 2}}
F32 = np.float32


@pytest.fixture
def both(merganser, tmp_path):
    """both(recipe) merges generated models a, b, c; or, with files, bare arrays."""

    def run(recipe, family="llama", files=None):
        checkpoint = {**LLAMA, "family": family}
        if files is None:
            case = {"checkpoint": checkpoint, "models": MODELS, "recipe": recipe}
            return run_both(case, tmp_path / "pair")
        for name, tensors in files.items():
            path = safetensors_file.write(tmp_path / f"{name}.safetensors", tensors)
            recipe = json.loads(json.dumps(recipe).replace(f'"{name}"', f'"{path}"'))
        case = {"checkpoint": {"tensors": {}}}
        return run_merganser(case, recipe, tmp_path), run_mergekit(case, recipe, tmp_path)

    return run


def tensors(name, family="llama"):
    case = {"checkpoint": {**LLAMA, "family": family}, "models": MODELS}
    return checkpoints.tensors_of(case, name)[1]


def stack(*slices, method="passthrough", **more):
    return {"merge_method": method, "slices": [{"sources": s} for s in slices], **more}


def part(name, first=0, last=2):
    return {"model": name, "layer_range": [first, last]}


def close(x, y):
    return np.allclose(np.asarray(x, np.float64), np.asarray(y, np.float64), rtol=1e-6, atol=0)


def test_last_tensors_take_all_models_of_the_last_slice(both):
    """MergeKit takes as many as the first slice has."""
    slices = stack([part("a")], [part("a"), part("b")], method="linear", parameters={"weight": 1})
    ours, theirs = both(slices)
    a, b = (tensors(name)["lm_head.weight"] for name in "ab")
    assert close(theirs.tensors["lm_head.weight"], a)
    assert close(ours.tensors["lm_head.weight"], (a.astype(np.float64) + b) / 2)


def test_gradients_reach_the_layers_of_single_files(both):
    """mergekit-pytorch knows no layers and takes the first value for every tensor."""
    x = {f"layers.{i}.weight": np.full(4, 1, F32) for i in range(3)}
    recipe = {"merge_method": "passthrough", "models": [{"model": "x"}],
              "parameters": {"scale": [2, 4]}}  # fmt: skip
    ours, theirs = both(recipe, files={"x": x})
    assert [theirs.tensors[name][0] for name in sorted(x)] == [2, 2, 2]
    assert [ours.tensors[name][0] for name in sorted(x)] == [2, 3, 4]


def test_head_of_an_unknown_architecture_is_the_last_slice(both):
    """MergeKit takes all tensors outside the layers from the first one there."""
    ours, theirs = both(stack([part("a")], [part("b")]), family="gptj")
    assert np.array_equal(theirs.tensors["lm_head.weight"], tensors("a", "gptj")["lm_head.weight"])
    assert np.array_equal(ours.tensors["lm_head.weight"], tensors("b", "gptj")["lm_head.weight"])


def test_layer_count_of_a_stacked_unknown_architecture(both):
    ours, theirs = both(stack([part("a")], [part("b")]), family="gptj")
    assert (ours.layers, theirs.layers) == (4, 2)


def test_stack_of_an_architecture_with_layer_types(both, tmp_path):
    """transformers gives its config a list for each layer, which MergeKit leaves at two."""
    ours, theirs = both(stack([part("a")], [part("b")]), family="qwen2")
    assert "layer_type" in theirs.error and ours.layers == 4


def test_weights_without_a_definition_are_merged(merganser, tmp_path):
    """A Llama with biases. MergeKit drops what its definition does not name."""
    bias = "model.layers.0.self_attn.q_proj.bias"
    paths = []
    for value in (1, 3):
        folder = llama(tmp_path / f"model{value}", value)
        extra = {**read_checkpoint(folder), bias: np.full(8, value, F32)}
        safetensors_file.write(folder / "model.safetensors", extra, {"format": "pt"})
        paths.append(folder)
    recipe = {"merge_method": "linear", "models": models(*paths, weight=[1, 1])}
    case = {"checkpoint": {}}
    ours, theirs = (run(case, recipe, tmp_path) for run in (run_merganser, run_mergekit))
    assert bias not in theirs.tensors and np.array_equal(ours.tensors[bias], np.full(8, 2, F32))


@pytest.mark.parametrize("architectures", [[], ["LlamaForCausalLM", "LlamaModel"]])
def test_config_that_names_no_one_architecture(merganser, tmp_path, architectures):
    folder = llama(tmp_path / "model", architectures=architectures)
    recipe = {"merge_method": "passthrough", "models": models(folder)}
    case = {"checkpoint": {}}
    ours, theirs = (run(case, recipe, tmp_path) for run in (run_merganser, run_mergekit))
    assert theirs.error and not ours.error


def test_weights_that_sum_to_zero(both):
    recipe = {"merge_method": "linear", "models": models("a", "b", weight=[1, -1])}
    ours, theirs = both(recipe)
    assert "sum" in ours.error
    assert not any(np.isfinite(x).any() for x in theirs.tensors.values())


def test_weight_zero_times_infinity(both):
    files = {"x": {"w": np.array([1, 2], F32)}, "y": {"w": np.array([np.inf, 1], F32)}}
    recipe = {"merge_method": "linear", "models": models("x", "y", weight=[1, 0])}
    ours, theirs = both(recipe, files=files)
    assert np.array_equal(ours.tensors["w"], [1, 2]) and np.isnan(theirs.tensors["w"][0])


def test_not_a_number_is_refused(both):
    files = {"x": {"w": np.array([1, np.nan], F32)}, "y": {"w": np.array([1, 1], F32)}}
    ours, theirs = both({"merge_method": "linear", "models": models("x", "y", weight=[1, 1])},
                        files=files)  # fmt: skip
    assert ours.error and np.isnan(theirs.tensors["w"][1])


def test_names_that_are_mistyped_mean_the_default_to_mergekit(both):
    recipe = {"merge_method": "ties", "base_model": "a", "models": models("b", "c")}
    recipe["parameters"] = {"weight": 1, "densty": 0.2}
    ours, theirs = both(recipe)
    assert "density" in ours.error
    recipe["parameters"] = {"weight": 1, "density": 1}
    whole = both(recipe)[1]
    for name, array in whole.tensors.items():
        assert np.array_equal(theirs.tensors[name], array)


def needs(method):
    if method not in listed():
        pytest.skip(f"no method {method} yet")


@pytest.mark.parametrize("method", ["arcee_fusion", "ramplus_tl"])
def test_outputs_keep_their_type(both, method):
    """MergeKit's mask, or factor, is f32 and widens a bf16 merge."""
    needs(method)
    generator = np.random.default_rng(1)
    files = {name: {"w": generator.standard_normal((3, 5)).astype(ml_dtypes.bfloat16)}
             for name in "xy"}  # fmt: skip
    ours, theirs = both({"merge_method": method, "base_model": "x", "models": models("y")},
                        files=files)  # fmt: skip
    assert theirs.tensors["w"].dtype == F32
    assert ours.tensors["w"].dtype == ml_dtypes.bfloat16


@pytest.mark.parametrize("method", ["della", "della_linear"])
@pytest.mark.parametrize("shape", [(1,), (4, 1)])
def test_rows_of_one_element(both, method, shape):
    """MergeKit divides by the number of ranks minus one, and stops."""
    needs(method)
    files = {"x": {"w": np.zeros(shape, F32)}, "y": {"w": np.ones(shape, F32)}}
    recipe = {"merge_method": method, "base_model": "x", "models": models("y")}
    recipe["parameters"] = {"weight": 1, "density": 0.5, "epsilon": 0.1}
    ours, theirs = both(recipe, files=files)
    assert theirs.error and np.isfinite(ours.tensors["w"]).all()


def vectors(*arrays):
    return {name: {"w": np.asarray(array, F32)} for name, array in zip("xyz", arrays)}


# Of vectors that are opposite up to rounding MergeKit makes rounding errors times large numbers.
# Which ones depends on the processor, so many are tried.


def opposite(seed):
    x = np.random.default_rng(seed).standard_normal(1000).astype(F32)
    return x, -3 * x


def largest_error(both, recipe, expected):
    """Relative to x, over some x: merganser's, MergeKit's."""
    errors = []
    for seed in range(8):
        x, y = opposite(seed)
        size = np.linalg.norm(x)
        sides = both(recipe, files=vectors(x, y))
        errors.append([np.linalg.norm(side.tensors["w"] - expected(x)) / size for side in sides])
    return np.max(errors, axis=0)


def test_karcher_of_opposite_vectors(both):
    """There is no shortest way between them, so no step is made: the first direction, the mean
    length. MergeKit turns a right angle, into a direction that neither has."""
    recipe = {"merge_method": "karcher", "models": models("x", "y")}
    ours, theirs = largest_error(both, recipe, lambda x: 2 * x.astype(np.float64))
    assert ours <= 1e-6 and theirs > 1


def test_nuslerp_of_opposite_vectors(both):
    """They lie on a line, and so does the way between them. MergeKit takes the arc, and the result
    is thousands of times longer than either."""
    recipe = {"merge_method": "nuslerp", "models": models("x", "y", weight=[3, 1])}
    ours, theirs = largest_error(both, recipe, lambda x: 0 * x)
    assert ours <= 1e-6 and theirs > 100


def test_multislerp_of_directions_that_cancel(both):
    """Three at equal angles: MergeKit stops; here they are added with their weights, as MergeKit
    does with two."""
    plane = [[np.cos(a), np.sin(a), 0] for a in (0, 2 * np.pi / 3, 4 * np.pi / 3)]
    recipe = {"merge_method": "multislerp", "models": models("x", "y", "z", weight=[1, 1, 1])}
    ours, theirs = both(recipe, files=vectors(*plane))
    assert "weighted sum" in theirs.error
    assert np.max(np.abs(ours.tensors["w"])) <= 1e-6


def test_arcee_fusion_of_large_tensors(both):
    """MergeKit takes the quartiles of a random sample; here they are exact."""
    needs("arcee_fusion")
    generator = np.random.default_rng(1)
    base = generator.standard_normal((1001, 1000)).astype(F32)
    tuned = base + 0.1 * generator.standard_normal(base.shape).astype(F32)
    recipe = {"merge_method": "arcee_fusion", "base_model": "x", "models": models("y")}
    runs = [both(recipe, files=vectors(base, tuned)) for _ in range(2)]
    ours, theirs = zip(*((o.tensors["w"], t.tensors["w"]) for o, t in runs))
    assert np.array_equal(*ours) and not np.array_equal(*theirs)
    assert all(np.mean(o != t) < 0.01 for o, t in zip(ours, theirs))


@pytest.mark.parametrize("method", ["multislerp", "arcee_fusion"])
def test_empty_tensors(both, method):
    needs(method)
    files = {name: {"w": np.zeros((0, 4), F32)} for name in "xyz"}
    recipe = {"merge_method": method, "models": models("x", "y", "z", weight=[1, 1, 1])}
    if method == "arcee_fusion":
        recipe = {"merge_method": method, "base_model": "x", "models": models("y")}
    ours, theirs = both(recipe, files=files)
    assert theirs.error and ours.tensors["w"].shape == (0, 4)
