"""Outputs are checkpoints that transformers loads and that still speak."""

import numpy as np
import pytest

from oracle.recipes import all_recipes

SOME = [
    "linear",
    "slerp, gradients by filter",
    "task arithmetic",
    "ties",
    "frankenmerge, damped repeats",
    "modules of slices",
]


def load(folder):
    from transformers import AutoModelForCausalLM

    model, loading = AutoModelForCausalLM.from_pretrained(
        folder, output_loading_info=True, local_files_only=True
    )
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not loading[what], f"{what}: {loading[what]}"
    return model.eval()


def generate(folder, tokens=24):
    """Greedy text after a prompt, and the mean log-probability of each step's choice."""
    import torch
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    ids = tokenizer("Once upon a time", return_tensors="pt").input_ids
    with torch.no_grad():
        out = load(folder).generate(ids, max_new_tokens=tokens, do_sample=False)
    return tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)


@pytest.mark.parametrize("name", SOME)
def test_loads_without_missing_or_unexpected_keys(merge, stories, name):
    out = merge(all_recipes(stories)[name])
    model = load(out)
    layers = {"frankenmerge, damped repeats": 7, "modules of slices": 4}.get(name, 5)
    assert model.config.num_hidden_layers == layers == len(model.model.layers)


@pytest.mark.parametrize("name", ["linear", "slerp", "task arithmetic", "ties"])
def test_merged_model_speaks(merge, stories, name):
    text = generate(merge(all_recipes(stories)[name]))
    # A broken model repeats one token or emits bytes: a working one writes words and spaces.
    words = text.split()
    assert len(words) >= 5 and len(set(words)) >= 4, text
    assert sum(c.isascii() for c in text) >= 0.9 * len(text), text


def test_copy_of_the_base_says_the_same(merge, stories):
    base = str(stories / "base")
    recipe = {"merge_method": "passthrough", "models": [{"model": base}]}
    assert generate(merge(recipe)) == generate(base)


def test_sharded_output_loads(merge, stories):
    out = merge(all_recipes(stories)["linear"], "--max-shard-size", "100KB")
    assert len(list(out.glob("model-*-of-*.safetensors"))) > 1
    load(out)


def test_bfloat16_output_loads_as_bfloat16(merge, stories):
    import torch

    out = merge({**all_recipes(stories)["linear"], "out_dtype": "bfloat16"})
    assert load(out).dtype == torch.bfloat16


def test_logits_of_a_merge_are_those_of_merged_weights(merge, stories):
    """The numbers transformers reads are the average of the numbers it reads from the inputs."""
    import torch

    folders = [stories / "shakespeare", stories / "inaugural"]
    recipe = {
        "merge_method": "linear",
        "models": [{"model": str(f), "parameters": {"weight": 0.5}} for f in folders],
    }
    first, second, merged = (load(folder) for folder in (*folders, merge(recipe)))
    ids = torch.arange(3, 60)[None]
    with torch.no_grad():
        state = {k: (v + second.state_dict()[k]) / 2 for k, v in first.state_dict().items()}
        first.load_state_dict(state)
        difference = (first(ids).logits - merged(ids).logits).abs().max().item()
    # Two equal halves: the weights agree to the last digit, or one unit of it.
    assert difference <= 1e-4 and np.isfinite(difference)
