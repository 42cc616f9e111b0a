"""Tiny checkpoints of a case, from plain data.

The tensors of a model follow from a seed and each tensor's own name, so that taking away layers,
tensors or models leaves the numbers of all others as they were.
"""

import json
import zlib

import ml_dtypes
import numpy as np

from support import safetensors_file
from support.checkpoint import TORCH_NAMES, llama_config, llama_shapes

DTYPES = {name: dtype for dtype, name in TORCH_NAMES.items()}


def llama(checkpoint, layers, tied):
    hidden = checkpoint["heads"] * checkpoint["head_dim"]
    config = llama_config(
        layers=layers,
        hidden=hidden,
        vocab=checkpoint["vocab"],
        tied=tied,
        intermediate_size=checkpoint["wide"],
        num_attention_heads=checkpoint["heads"],
        num_key_value_heads=checkpoint["kv_heads"],
    )
    return config, llama_shapes(config)


def qwen2(checkpoint, layers, tied):
    """Llama's layout with biases."""
    config, shapes = llama(checkpoint, layers, tied)
    config.update(model_type="qwen2", architectures=["Qwen2ForCausalLM"])
    for name, shape in list(shapes.items()):
        if name.endswith(("q_proj.weight", "k_proj.weight", "v_proj.weight")):
            shapes[name.replace("weight", "bias")] = shape[:1]
    return config, shapes


def gpt2(checkpoint, layers, tied):
    """Other names, and matrices that stand on end."""
    hidden, vocab = checkpoint["heads"] * checkpoint["head_dim"], checkpoint["vocab"]
    config = {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "vocab_size": vocab,
        "n_positions": 11,
        "n_embd": hidden,
        "n_layer": layers,
        "n_head": checkpoint["heads"],
        "n_inner": checkpoint["wide"],
        "tie_word_embeddings": tied,
    }
    shapes = {"transformer.wte.weight": (vocab, hidden), "transformer.wpe.weight": (11, hidden)}
    for layer in range(layers):
        prefix = f"transformer.h.{layer}."
        for name, rows, columns in [
            ("attn.c_attn", hidden, 3 * hidden),
            ("attn.c_proj", hidden, hidden),
            ("mlp.c_fc", hidden, checkpoint["wide"]),
            ("mlp.c_proj", checkpoint["wide"], hidden),
        ]:
            shapes[f"{prefix}{name}.weight"] = (rows, columns)
            shapes[f"{prefix}{name}.bias"] = (columns,)
        for name in ("ln_1", "ln_2"):
            shapes[f"{prefix}{name}.weight"] = shapes[f"{prefix}{name}.bias"] = (hidden,)
    shapes["transformer.ln_f.weight"] = shapes["transformer.ln_f.bias"] = (hidden,)
    if not tied:
        shapes["lm_head.weight"] = (vocab, hidden)
    return config, shapes


def gptj(checkpoint, layers, tied):
    """No definition in MergeKit and no family here: both sides infer it from the names."""
    hidden, vocab = checkpoint["heads"] * checkpoint["head_dim"], checkpoint["vocab"]
    config = {
        "model_type": "gptj",
        "architectures": ["GPTJForCausalLM"],
        "vocab_size": vocab,
        "n_positions": 16,
        "n_embd": hidden,
        "n_layer": layers,
        "n_head": checkpoint["heads"],
        "n_inner": checkpoint["wide"],
        "rotary_dim": 2,
        "tie_word_embeddings": False,
    }
    shapes = {"transformer.wte.weight": (vocab, hidden)}
    for layer in range(layers):
        prefix = f"transformer.h.{layer}."
        for name in "qkv":
            shapes[f"{prefix}attn.{name}_proj.weight"] = (hidden, hidden)
        shapes[f"{prefix}attn.out_proj.weight"] = (hidden, hidden)
        shapes[f"{prefix}mlp.fc_in.weight"] = (checkpoint["wide"], hidden)
        shapes[f"{prefix}mlp.fc_in.bias"] = (checkpoint["wide"],)
        shapes[f"{prefix}mlp.fc_out.weight"] = (hidden, checkpoint["wide"])
        shapes[f"{prefix}mlp.fc_out.bias"] = (hidden,)
        shapes[f"{prefix}ln_1.weight"] = shapes[f"{prefix}ln_1.bias"] = (hidden,)
    shapes["transformer.ln_f.weight"] = shapes["transformer.ln_f.bias"] = (hidden,)
    shapes["lm_head.weight"], shapes["lm_head.bias"] = (vocab, hidden), (vocab,)
    return config, shapes


FAMILIES = {"llama": llama, "qwen2": qwen2, "gpt2": gpt2, "gptj": gptj}


def is_files(case):
    """Single files instead of folders: bare tensors of any shape."""
    return "tensors" in case["checkpoint"]


def random_of(seed, name):
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def values(checkpoint, model, name, shape):
    """One tensor in f64. All models move away from one root, as fine-tunes do."""
    shape = tuple(shape)
    x = random_of(checkpoint["seed"], name).standard_normal(shape)
    if "grid" in checkpoint:  # many equal magnitudes, and sums without rounding
        x = np.round(x * 4) / 4
    if "delta" in model:
        generator = random_of(model["seed"], name)
        step = model["delta"] * generator.standard_t(4, shape)
        if "grid" in checkpoint:
            step = np.clip(np.round(step / model["delta"] * 2), -4, 4) / 8
        if "sparse" in model:
            step = np.where(generator.random(shape) < model["sparse"], 0, step)
        x = x + step
    return np.asarray(x * model.get("times", 1) * checkpoint.get("magnitude", 1))


def tensors_of(case, model):
    """config (None for a file) and tensors of one model, in its stored type."""
    checkpoint, spec = case["checkpoint"], case["models"][model]
    if is_files(case):
        config, shapes = None, checkpoint["tensors"]
    else:
        family = FAMILIES[checkpoint["family"]]
        tied = spec.get("tied", checkpoint.get("tied", False))
        config, shapes = family(checkpoint, spec.get("layers", checkpoint["layers"]), tied)
    dtype = DTYPES[spec.get("dtype", "float32")]
    if config is not None:
        config["torch_dtype"] = TORCH_NAMES[dtype]
    with np.errstate(over="ignore"):
        return config, {
            name: values(checkpoint, spec, name, shape).astype(dtype)
            for name, shape in shapes.items()
        }


def write(case, model, folder, widened=False):
    """Writes one model and returns its path. widened: the same numbers, stored in f64."""
    config, tensors = tensors_of(case, model)
    if widened:
        tensors = {name: array.astype(np.float64) for name, array in tensors.items()}
    if is_files(case):
        return safetensors_file.write(folder / f"{model}.safetensors", tensors)
    path = folder / model
    safetensors_file.write(path / "model.safetensors", tensors, {"format": "pt"})
    (path / "config.json").write_text(json.dumps(config))
    return path


def spacing(array):
    """The distance from each number to the next in its type: an output's last digit."""
    limits = ml_dtypes.finfo(array.dtype)
    _, exponent = np.frexp(np.abs(array.astype(np.float64)))
    return np.maximum(
        np.ldexp(1.0, exponent - 1 - limits.nmant), float(limits.smallest_subnormal)
    )
