"""LoRA adapters: configs, patterns, ranks, scales, names and shapes of factors."""

import json
import os
import shutil

import numpy as np

from hostile.case import ADAPTER, ANY, FINE, Case
from support import safetensors_file

STEM = "base_model.model.model.layers.0.self_attn.q_proj."
A, B = STEM + "lora_A.weight", STEM + "lora_B.weight"


def ones(*shape):
    return np.ones(shape, np.float32)


def factors():
    return {A: ones(2, 8), B: ones(8, 2)}


def adapter(tensors=None, text=None, **config):
    def write(folder):
        (folder / "x").mkdir()
        safetensors_file.write(folder / "x/adapter_model.safetensors", factors() if tensors is None else tensors)
        told = {"peft_type": "LORA", "r": 2, "lora_alpha": 3, **config}
        (folder / "x/adapter_config.json").write_bytes(json.dumps(told).encode() if text is None else text)

    return write


def raw(header, data=b""):
    def write(folder):
        adapter()(folder)
        safetensors_file.write_raw(folder / "x/adapter_model.safetensors", header, data)

    return write


def placed(change):
    """`change` gets the path of the adapter's weights, which are not there."""

    def write(folder):
        adapter()(folder)
        path = folder / "x/adapter_model.safetensors"
        path.unlink()
        change(path)

    return write


TEXTS = {
    "empty": b"", "brace": b"{", "array": b"[]", "null": b"null", "binary": bytes(range(256)), "no type": b"{}",
    "deep": b'{"r":' * 100_000, "invalid UTF-8": b'{"peft_type": "\xff"}', "NaN": b'{"peft_type": "LORA", "r": 2, "lora_alpha": NaN}',
    "alpha 1e400": b'{"peft_type": "LORA", "r": 2, "lora_alpha": 1e400}',
}
CONFIGS = {
    "another kind": {"peft_type": "IA3"}, "kind is a list": {"peft_type": ["LORA"]}, "kind with escapes": {"peft_type": "\x1b[31m\n"},
    "rank 0": {"r": 0}, "rank -1": {"r": -1}, "rank 2^63": {"r": 2**63}, "rank 2^64": {"r": 2**64}, "rank 2.5": {"r": 2.5},
    "rank text": {"r": "2"}, "rank 3 of 2": {"r": 3}, "alpha text": {"lora_alpha": "3"}, "alpha list": {"lora_alpha": [3]},
    "rank pattern a list": {"rank_pattern": []}, "rank pattern of text": {"rank_pattern": {"q_proj": "2"}},
    "rank pattern 0": {"rank_pattern": {"q_proj": 0}}, "rank pattern broken": {"rank_pattern": {"(((": 2}},
    "rank pattern counted": {"rank_pattern": {"((a{999}){999}){999}": 2}},
    "rank pattern of a megabyte": {"rank_pattern": {"(" * 2**19 + ")" * 2**19: 2}},
    "rank pattern of brackets": {"rank_pattern": {"[" * 10_000: 2}},
    "DoRA without magnitudes": {"use_dora": True}, "scale of another type": {"use_rslora": "yes"},
}
HARMLESS = {
    "alpha 0": {"lora_alpha": 0}, "alpha tiny": {"lora_alpha": 5e-324}, "alpha negative": {"lora_alpha": -3},
    "pattern (a+)+b": {"rank_pattern": {"(a+)+b": 7}}, "pattern (x+x+)+y": {"alpha_pattern": {"(x+x+)+y": 7}},
    "pattern of stars": {"rank_pattern": {"(.*)*" * 20 + "#": 7}}, "pattern of a thousand choices": {
        "rank_pattern": {"(" + "|".join(f"m.*{i}" for i in range(1000)) + ")#": 7}},
    "ten thousand patterns": {"rank_pattern": {f"nothing{i}": 2 for i in range(10_000)}},
    "pattern back reference": {"rank_pattern": {r"(a*)\1*b": 7}}, "pattern look-ahead": {"rank_pattern": {"(?=(a+))b": 7}},
    "unknown keys": {"\x1b[31m": {"a": [1, {}]}, "target_modules": 17, "auto_mapping": "os.system"},
    "base of a megabyte": {"base_model_name_or_path": "x" * 2**20}, "alpha 1e308": {"lora_alpha": 1e308},
    "alpha pattern 1e308": {"alpha_pattern": {".*": 1e308}}, "bias without any": {"bias": "all"},
}
TENSORS = {
    "none": {}, "A alone": {A: ones(2, 8)}, "B alone": {B: ones(8, 2)}, "rank 0": {A: ones(0, 8), B: ones(8, 0)},
    "ranks differ": {A: ones(2, 8), B: ones(8, 3)}, "swapped": {A: ones(8, 2), B: ones(2, 8)},
    "one axis": {A: ones(16), B: ones(16)},
    "nine axes": {A: ones(2, 8, *[1] * 7), B: ones(8, 2, *[1] * 7)}, "integers": {A: ones(2, 8).astype(np.int32), B: ones(8, 2)},
    "unknown part": {**factors(), STEM + "lora_C.weight": ones(1)}, "no prefix": {"x": ones(1)},
    "prefix alone": {"base_model.model.": ones(1)}, "names with escapes": {"base_model.model.\x1b[2J\n.lora_A.weight": ones(2, 8)},
    "a name of a megabyte": {"base_model.model." + "a." * 2**19 + "lora_A.weight": ones(2, 8)},
    "magnitudes without DoRA": {**factors(), STEM + "lora_magnitude_vector": ones(8)},
    "bias without weight": {STEM + "lora_B.bias": ones(8)},
    "embedding halves mixed": {"base_model.model.model.embed_tokens.lora_embedding_A": ones(2, 16), B: ones(8, 2)},
}
# Whole adapters, but not of this base: merging adapters does not see it.
STRANGE = {
    "A too wide": {A: ones(2, 9), B: ones(8, 2)}, "B too tall": {A: ones(2, 8), B: ones(9, 2)},
    "three axes": {A: ones(2, 8, 1), B: ones(8, 2, 1)},
    "unknown module": {k.replace("q_proj", "z_proj"): v for k, v in factors().items()},
    "a layer that is not there": {k.replace("layers.0", "layers.9"): v for k, v in factors().items()},
    "whole module of another shape": {**factors(), "base_model.model.lm_head.modules_to_save.weight": ones(3, 3)},
}
# Seen once the factors themselves are read.
VALUES = {"NaN": np.nan, "infinite": np.inf}
HUGE = {A: {"dtype": "F32", "shape": [1, 2**31], "data_offsets": [0, 2**33]},
        B: {"dtype": "F32", "shape": [2**31, 1], "data_offsets": [2**33, 2**34]}}


def large(folder):
    """Rank 2^31 in a sparse file of 64 GB, which is all it claims to be."""
    header = {A: {"dtype": "F32", "shape": [2**30, 8], "data_offsets": [0, 2**35]},
              B: {"dtype": "F32", "shape": [8, 2**30], "data_offsets": [2**35, 2**36]}}
    adapter(r=2**30)(folder)
    path = safetensors_file.write_raw(folder / "x/adapter_model.safetensors", header)
    os.truncate(path, path.stat().st_size + 2**36)


def cases():
    for name, text in TEXTS.items():
        yield Case(f"adapter/config {name}", adapter(text=text), ADAPTER)
    for name, config in CONFIGS.items():
        yield Case(f"adapter/{name}", adapter(**config), ADAPTER)
    for name, config in HARMLESS.items():
        yield Case(f"adapter/{name}", adapter(**config), ADAPTER, ANY)
    for name, tensors in TENSORS.items():
        yield Case(f"factors/{name}", adapter(tensors), ADAPTER)
    for name, tensors in STRANGE.items():
        yield Case(f"factors/{name}", adapter(tensors), ADAPTER[:3])
        yield Case(f"factors/{name}, among adapters", adapter(tensors), ADAPTER[3:], ANY)
    for name, value in VALUES.items():
        yield Case(f"factors/{name}", adapter({A: np.full((2, 8), value, np.float32), B: ones(8, 2)}), ADAPTER[1:])
    repeated = b'{"peft_type": "LORA", "peft_type": "LORA", "r": 2, "lora_alpha": 3}'
    yield Case("adapter/config repeats a key, as Python reads it", adapter(text=repeated), ADAPTER, FINE)
    yield Case("adapter/good", adapter(), ADAPTER, FINE)
    yield Case("factors/larger than the file", raw(HUGE), ADAPTER)
    yield Case("factors/rank 2^30 in a sparse file", large, ADAPTER, ANY)
    yield Case("factors/a pipe", placed(os.mkfifo), ADAPTER)
    yield Case("factors/a folder", placed(os.mkdir), ADAPTER)
    yield Case("factors/a link to itself", placed(lambda path: path.symlink_to(path.name)), ADAPTER)
    yield Case("adapter/of an adapter", lambda folder: shutil.copytree(folder / "adapter", folder / "x/x"), ADAPTER)
