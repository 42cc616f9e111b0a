"""A base with an adapter is what PEFT's merge_and_unload() makes of the two."""

import copy

import numpy as np
import pytest

from oracle import adapters
from support import checkpoint

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
pytest.importorskip("transformers")

R = 4

# name: (model, arguments of LoraConfig)
FORMS = {
    "llama": ("llama", {"target_modules": ["q_proj", "v_proj", "down_proj"], "lora_alpha": 6}),
    "rslora": ("llama", {"target_modules": "all-linear", "use_rslora": True}),
    "patterns": (
        "llama",
        {
            "target_modules": ["q_proj", "k_proj", "up_proj"],
            "rank_pattern": {"layers.1.self_attn.q_proj": 7, "^model.layers.0.mlp.up_proj": 2},
            "alpha_pattern": {"[qk]_proj": 3, "up_proj": 12},
        },
    ),
    "embeddings": ("llama", {"target_modules": ["embed_tokens", "lm_head", "q_proj"]}),
    "dora": ("llama", {"target_modules": ["q_proj", "o_proj", "embed_tokens"], "use_dora": True}),
    "conv1d": ("gpt2", {"target_modules": ["c_attn", "c_proj", "c_fc"]}),
    "conv1d of both kinds": ("gpt2", {"target_modules": ["c_attn", "c_proj", "lm_head"]}),
    "conv1d dora": ("gpt2", {"target_modules": ["c_attn", "c_proj"], "use_dora": True}),
    "bias all": ("bert", {"target_modules": ["query", "dense"], "bias": "all"}),
    "bias lora_only": (
        "bert",
        {"target_modules": ["query"], "bias": "lora_only", "modules_to_save": ["pooler"]},
    ),
    "new head": ("bert", {"target_modules": ["query"], "task_type": "SEQ_CLS", "bias": "all"}),
    "bert embeddings": ("bert", {"target_modules": ["word_embeddings", "value"]}),
    "lora_bias": ("bert", {"target_modules": ["key", "value"], "lora_bias": True}),
    "convolutions": (
        "resnet",
        {"target_modules": ["convolution"], "modules_to_save": ["classifier.1"]},
    ),
    "convolutions dora": ("resnet", {"target_modules": ["convolution"], "use_dora": True}),
    "gaussian": ("llama", {"target_modules": ["q_proj"], "init_lora_weights": "gaussian"}),
    "orthogonal": ("llama", {"target_modules": ["q_proj"], "init_lora_weights": "orthogonal"}),
}


def passthrough(base, adapter, **more):
    model = f"{base}+{adapter}"
    if more:
        model = {"model": {"path": str(base)}, "lora": {"path": str(adapter), **more}}
    return {"merge_method": "passthrough", "models": [{"model": model}]}


def expect_equal(out, reference):
    """`reference`: f64 tensors. f32: each of the r + 3 operations on an element rounds at most at
    2^-24 of the largest number that takes part; DoRA's norm adds a few more."""
    found = checkpoint.read_checkpoint(out)
    assert set(found) == set(reference)
    for name, expected in reference.items():
        array = found[name]
        assert array.shape == tuple(expected.shape), name
        if array.dtype == np.float32:
            bound = 16 * 2**-24 * (1 + 2 * expected.abs().max().item())
            assert np.abs(array - expected.numpy()).max(initial=0) <= bound, name
        elif array.dtype == checkpoint.BF16:
            expect_rounded_once(array, expected, name)
        else:
            assert np.array_equal(array, expected.numpy()), name


def expect_rounded_once(array, expected, name):
    """f32 holds 16 bits more than bf16: one element in some thousands may lie so near to the middle
    of two bf16 numbers that it falls to the other side."""
    rounded = expected.to(torch.bfloat16).double().numpy()
    found = array.astype(np.float64)
    differ = found != rounded
    assert differ.mean() <= 2e-3 + 1 / max(array.size, 1), name
    assert np.all(np.abs(found - expected.numpy())[differ] <= np.abs(rounded)[differ] * 2**-8), name


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", FORMS)
def test_equals_merge_and_unload(merge, tmp_path, name, dtype):
    kind, arguments = FORMS[name]
    model = adapters.model(kind).to(getattr(torch, dtype))
    model.save_pretrained(tmp_path / "base")
    reference = adapters.adapt(model, tmp_path / "adapter", r=R, **arguments)
    expect_equal(merge(passthrough(tmp_path / "base", tmp_path / "adapter")), reference)


def test_bf16_and_f16_adapters(merge, tmp_path):
    for dtype in (torch.bfloat16, torch.float16):
        folder = tmp_path / str(dtype)
        model = adapters.model("llama")
        model.save_pretrained(folder / "base")
        reference = adapters.adapt(model, folder / "adapter", dtype, r=R, target_modules=["q_proj"])
        expect_equal(merge(passthrough(folder / "base", folder / "adapter")), reference)


def test_resized_vocabulary(merge, tmp_path):
    model = adapters.model("llama")
    model.save_pretrained(tmp_path / "base")
    model.resize_token_embeddings(53)
    reference = adapters.adapt(
        model, tmp_path / "adapter", r=R, target_modules=["q_proj", "embed_tokens", "lm_head"]
    )
    out = merge(passthrough(tmp_path / "base", tmp_path / "adapter"))
    expect_equal(out, reference)
    assert '"vocab_size": 53' in (out / "config.json").read_text()


@pytest.mark.parametrize("scale", [0, 0.5, -1])
def test_scale(merge, tmp_path, scale):
    model = adapters.model("llama")
    model.save_pretrained(tmp_path / "base")
    base = {k: v.double() for k, v in copy.deepcopy(model.state_dict()).items()}
    merged = adapters.adapt(model, tmp_path / "adapter", r=R, target_modules=["q_proj", "up_proj"])
    reference = {k: base[k] + scale * (merged[k] - base[k]) for k in base}
    out = merge(passthrough(tmp_path / "base", tmp_path / "adapter", scale=scale))
    expect_equal(out, reference)
    if scale == 0:
        before = checkpoint.read_checkpoint(tmp_path / "base")
        after = checkpoint.read_checkpoint(out)
        assert all(np.array_equal(before[k], after[k]) for k in before)


@pytest.mark.parametrize("method", ["linear", "task_arithmetic", "ties", "dare_ties", "slerp"])
def test_a_recipe_over_adapters_is_one_over_the_merged_models(merge, tmp_path, method):
    """In f32, where materialised models lose nothing: the same bytes."""
    adapters.model("llama").save_pretrained(tmp_path / "base")
    for number in (1, 2):
        model = adapters.model("llama")
        modules = ["q_proj", "up_proj"]
        adapters.adapt(model, tmp_path / f"a{number}", seed=number, r=R, target_modules=modules)
        merge(passthrough(tmp_path / "base", tmp_path / f"a{number}"), out=tmp_path / f"m{number}")

    def recipe(first, second):
        several = {} if method == "slerp" else {"weight": 0.6}
        both = [{"model": str(m), "parameters": dict(several)} for m in (first, second)]
        recipe = {"merge_method": method, "models": both, "parameters": {}}
        if method == "slerp":
            recipe.update(base_model=str(first), parameters={"t": 0.3})
        elif method != "linear":
            recipe["base_model"] = str(tmp_path / "base")
        if "ties" in method:
            recipe["parameters"] = {"density": 0.4}
        return recipe

    base = tmp_path / "base"
    direct = merge(recipe(f"{base}+{tmp_path / 'a1'}", f"{base}+{tmp_path / 'a2'}"))
    through = merge(recipe(tmp_path / "m1", tmp_path / "m2"))
    first, second = (folder / "model.safetensors" for folder in (direct, through))
    assert first.read_bytes() == second.read_bytes()


def expect_trained(merge, base, model, loss, adapter, **arguments):
    reference = adapters.train(model, adapter, loss, **arguments)
    out = merge(passthrough(base, adapter))
    before = checkpoint.read_checkpoint(base)
    # MiniLM's file has position_ids, which are no part of transformers' state dict.
    kept = {k: torch.from_numpy(v) for k, v in before.items() if k not in reference}
    assert len(kept) <= 1
    expect_equal(out, {k: reference[k] for k in before if k in reference} | kept)
    after = checkpoint.read_checkpoint(out)
    assert sum(not np.array_equal(after[k], before[k]) for k in before) > 10


@pytest.mark.parametrize("use_dora", [False, True])
def test_trained_on_stories260k(merge, stories, tmp_path, use_dora):
    """A few steps on real tokens, whose factors are neither random nor all of one size."""
    from transformers import AutoModelForCausalLM

    base = stories / "base"
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    loss = adapters.language_loss(base)
    expect_trained(merge, base, model, loss, tmp_path / "adapter", use_dora=use_dora)


@pytest.mark.parametrize("use_dora", [False, True])
def test_trained_on_minilm(merge, minilm, tmp_path, use_dora):
    from transformers import AutoModel

    model = AutoModel.from_pretrained(minilm, dtype=torch.float32)
    loss = adapters.contrastive_loss(minilm)
    expect_trained(merge, minilm, model, loss, tmp_path / "adapter", use_dora=use_dora)
