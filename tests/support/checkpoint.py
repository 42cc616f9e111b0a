"""Small checkpoints in the Hugging Face layout, and reading of what a merge wrote."""

import json

import ml_dtypes
import numpy as np

from support import safetensors_file

BF16 = np.dtype(ml_dtypes.bfloat16)
TORCH_NAMES = {
    np.dtype(np.float64): "float64",
    np.dtype(np.float32): "float32",
    np.dtype(np.float16): "float16",
    BF16: "bfloat16",
}


def llama_config(layers=2, hidden=8, vocab=16, dtype=np.float32, tied=False, **extra):
    """Keys deliberately out of alphabetical order: a merge must keep the order it finds."""
    return {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "vocab_size": vocab,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "intermediate_size": 2 * hidden,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 32,
        "rms_norm_eps": 1e-05,
        "tie_word_embeddings": tied,
        "torch_dtype": TORCH_NAMES[np.dtype(dtype)],
        "a_key_nobody_knows": {"b": 1, "a": [2, 1.0, None]},
        **extra,
    }


def llama_shapes(config):
    hidden, wide = config["hidden_size"], config["intermediate_size"]
    grouped = hidden // config["num_attention_heads"] * config["num_key_value_heads"]
    shapes = {"model.embed_tokens.weight": (config["vocab_size"], hidden)}
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        for name, rows in {"q": hidden, "k": grouped, "v": grouped, "o": hidden}.items():
            shapes[f"{prefix}self_attn.{name}_proj.weight"] = (rows, hidden)
        shapes[prefix + "mlp.gate_proj.weight"] = (wide, hidden)
        shapes[prefix + "mlp.up_proj.weight"] = (wide, hidden)
        shapes[prefix + "mlp.down_proj.weight"] = (hidden, wide)
        shapes[prefix + "input_layernorm.weight"] = (hidden,)
        shapes[prefix + "post_attention_layernorm.weight"] = (hidden,)
    shapes["model.norm.weight"] = (hidden,)
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (config["vocab_size"], hidden)
    return shapes


def random_tensors(shapes, seed, dtype=np.float32, scale=1.0):
    generator = np.random.default_rng(seed)
    return {
        name: np.asarray(scale * generator.standard_normal(shape)).astype(dtype)
        for name, shape in shapes.items()
    }


def near(tensors, seed, scale=0.1):
    """A fine-tune of these tensors: each moved a little."""
    generator = np.random.default_rng(seed)
    return {
        name: (array.astype(np.float64) + scale * generator.standard_normal(array.shape)).astype(
            array.dtype
        )
        for name, array in tensors.items()
    }


def write_checkpoint(folder, config, tensors, companions=None, shards=1):
    """A checkpoint folder; with `shards` > 1 an indexed one, whose tensors go round-robin."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    for name, content in (companions or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    if shards == 1:
        safetensors_file.write(folder / "model.safetensors", tensors, {"format": "pt"})
        return folder
    files = [f"model-{i + 1:05}-of-{shards:05}.safetensors" for i in range(shards)]
    weight_map = {name: files[i % shards] for i, name in enumerate(tensors)}
    for file in files:
        part = {name: tensors[name] for name in tensors if weight_map[name] == file}
        safetensors_file.write(folder / file, part, {"format": "pt"})
    total = sum(array.nbytes for array in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def llama(folder, seed=0, base=None, dtype=np.float32, companions=None, shards=1, **config):
    """A tiny Llama. With `base` (a folder), a fine-tune of that one."""
    config = llama_config(dtype=dtype, **config)
    if base is None:
        tensors = random_tensors(llama_shapes(config), seed, dtype)
    else:
        tensors = near(read_checkpoint(base), seed)
    return write_checkpoint(folder, config, tensors, companions, shards)


def read_checkpoint(path):
    """All tensors of a folder (one file or indexed shards) or of a single file."""
    if path.is_file():
        return safetensors_file.read(path)
    index = path / "model.safetensors.index.json"
    if not index.exists():
        return safetensors_file.read(path / "model.safetensors")
    weight_map = json.loads(index.read_text())["weight_map"]
    files = {file: safetensors_file.read(path / file) for file in set(weight_map.values())}
    return {name: files[file][name] for name, file in weight_map.items()}
