"""Every architecture that MergeKit defines: the same names, layers and positions in the gradient.

The checkpoints are made from MergeKit's definitions as they are installed: each weight that they
name, small, under a config of the right type. Definitions that need code from the hub are left out.
"""

import functools
import json
import zlib

import numpy as np
import pytest

from differential.compare import of_form, of_numbers, run_merganser, run_mergekit
from support import mergekit, safetensors_file
from support.recipe import models

pytestmark = pytest.mark.slow
LAYERS = 3
# MergeKit merges no checkpoint of these.
WRONG = {
    "WhisperForConditionalGeneration",  # a prefix without its dot
    "Qwen2VLForConditionalGeneration",  # a count of layers that its config lacks
    "BertModel",  # adds a list to a tuple of aliases
    "Glm4MoeForCausalLM",  # wants names that its own definition does not give
}
# Its projector, at both ends of the gradient.
PLANNED_TWICE = {"Qwen2_5_VLForConditionalGeneration"}
# Modules of these are named by their prefixes here.
NO_FAMILY = {
    "Llama4ForConditionalGeneration",
    "Qwen3VLForConditionalGeneration",
    "Qwen3VLMoeForConditionalGeneration",
}
CASE = {"checkpoint": {}}


@functools.cache
def definitions():
    """Architecture → MergeKit's definition and the config that it is tried with."""
    if mergekit.installed() != mergekit.WANTED:
        return {}
    from mergekit.architecture.json_definitions import NAME_TO_ARCH
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    found = {}
    for name, candidates in sorted(NAME_TO_ARCH.items()):
        for definition in candidates:
            if definition.expected_model_type in CONFIG_MAPPING and name not in WRONG:
                found[name] = definition, config_of(name, definition)
    return found


def config_of(name, definition):
    config = {"model_type": definition.expected_model_type, "architectures": [name]}
    for module in definition.modules.values():
        key = module.architecture.num_layers_config_key()
        *outer, last = key.split(".") if key else [None]
        if key:
            functools.reduce(lambda d, k: d.setdefault(k, {}), outer, config)[last] = LAYERS
    return config


def pytest_generate_tests(metafunc):
    several = {name for name, (definition, _) in definitions().items() if len(definition.modules) > 1}
    left_out = {
        "test_whole_models": PLANNED_TWICE,
        "test_stacks": several,  # slices: are for architectures of one module
        "test_modules_by_mergekits_names": definitions().keys() - several | NO_FAMILY,
    }[metafunc.function.__name__]
    metafunc.parametrize("name", [name for name in definitions() if name not in left_out])


@pytest.fixture
def pair(name, tmp_path):
    """Two checkpoints of the architecture."""
    from transformers import AutoConfig

    definition, config = definitions()[name]
    paths = []
    for seed in range(2):
        path = tmp_path / f"model{seed}"
        path.mkdir()
        (path / "config.json").write_text(json.dumps(config))
        weights = definition.all_weights(AutoConfig.from_pretrained(path))
        tensors = {weight.name: small(weight, seed) for weight in weights}
        safetensors_file.write(path / "model.safetensors", tensors, {"format": "pt"})
        paths.append(str(path))
    return paths


def small(weight, seed):
    if weight.force_dtype:
        return np.arange(5, dtype=weight.force_dtype)  # position ids
    generator = np.random.default_rng([seed, zlib.crc32(weight.name.encode())])
    shape = (5,) if weight.name.endswith("bias") or "norm" in weight.name else (4, 3)
    return generator.standard_normal(shape).astype(np.float32)


def assert_same(recipe, folder):
    ours, theirs = (run(CASE, recipe, folder) for run in (run_merganser, run_mergekit))
    assert not ours.error and not theirs.error, (ours.error, theirs.error)
    assert not (different := of_form(ours, theirs)), different.text
    assert not (different := of_numbers(ours.tensors, theirs.tensors)), different.text


def test_whole_models(merganser, pair, tmp_path):
    recipe = {"merge_method": "linear", "models": models(*pair, weight=[[0, 0.25, 1], [1, 0.5]])}
    assert_same(recipe, tmp_path)


def test_stacks(merganser, pair, tmp_path):
    # As many layers as before: MergeKit cannot write a config whose layer_types do not fit.
    slices = [
        {"sources": [{"model": pair[0], "layer_range": [1, 3]}], "parameters": {"scale": [2, 3]}},
        {"sources": [{"model": pair[1], "layer_range": [1, 2]}]},
    ]
    assert_same({"merge_method": "passthrough", "slices": slices}, tmp_path)


def test_modules_by_mergekits_names(merganser, name, pair, tmp_path):
    """A recipe that names each module, as an architecture of several needs for slices."""
    definition, _ = definitions()[name]
    modules = {
        module: {"models": models(*pair), "parameters": {"weight": 1 + i}}
        for i, module in enumerate(definition.modules)
    }
    recipe = {"merge_method": "linear", "modules": modules, "parameters": {"normalize": False}}
    assert_same(recipe, tmp_path)
