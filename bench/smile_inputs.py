"""Checkpoints for the measurements of SMILE: a base with random weights in bf16, and fine-tunes whose
differences have a known kind of spectrum. The bytes depend on the tensors' order alone."""

import json

import numpy as np

import make_inputs
import tensors_file
from tensors_file import from_bf16, to_bf16

FORMAT = 1  # raise it when the code that follows makes other bytes
TUNES = 3
# Singular values of the differences: exponent p of i^-p over the first 256, and noise below them.
SPECTRA = {"power": (0.7, 1e-4), "steep": (1.0, 2e-5), "noise": (0.0, 1e-3)}


def difference(random, dims, spectrum):
    """f32 [rows, cols]: 256 directions with singular values i^-p, and noise; of size 1e-3."""
    exponent, noise = SPECTRA[spectrum]
    change = random.standard_normal(dims, np.float32) * np.float32(noise)
    if exponent:
        left = random.standard_normal((dims[0], 256), np.float32)
        right = random.standard_normal((256, dims[1]), np.float32)
        left *= (np.arange(1, 257) ** -exponent).astype(np.float32)
        change += np.float32(3e-4) * (left @ right)
    return change


def make(folder, tensors, shape, spectrum):
    """The folders base, ft0, ft1, ft2 with these (name, dims); the config is Mistral's."""
    names = ("base", *(f"ft{i}" for i in range(TUNES)))
    folders = [folder / name for name in names]
    # All that makes the bytes belongs to the mark: others must not pass for these.
    mark, made = folder / "done", json.dumps({"format": FORMAT, "shape": shape, "tunes": TUNES,
                                              "spectrum": SPECTRA[spectrum], "tensors": tensors})
    if mark.exists() and mark.read_text() == made:
        return folders
    mark.unlink(missing_ok=True)
    written = {name: {} for name in names}
    for number, (name, dims) in enumerate(tensors):
        random = np.random.default_rng(number)
        bits = to_bf16(random.standard_normal(dims, np.float32) * np.float32(0.02))
        written["base"][name] = bits
        for i in range(TUNES):
            tuned = from_bf16(bits)
            if "_proj" in name:
                tuned = tuned + difference(np.random.default_rng([number, i]), dims, spectrum)
            written[f"ft{i}"][name] = to_bf16(np.ascontiguousarray(tuned))
    for path in folders:
        tensors_file.write(path / "model.safetensors", written[path.name])
        config = {**make_inputs.config(shape), "model_type": "mistral",
                  "architectures": ["MistralForCausalLM"]}
        (path / "config.json").write_text(json.dumps(config))
    mark.write_text(made)
    return folders


def recipe(folder, rank, tolerance):
    text = "merge_method: smile\nbase_model: base\nmodels:\n"
    text += "".join(f"  - model: ft{i}\n" for i in range(TUNES))
    text += f"parameters: {{rank_of_expert: {rank}, svd_tolerance: {tolerance}}}\n"
    path = folder / f"smile-{rank}-{tolerance}.yml"
    path.write_text(text)
    return path


def shape_of(hidden):
    """Mistral-7B's measures at hidden 4096, one layer, a small vocabulary."""
    return dict(hidden=hidden, intermediate=hidden * 7 // 2, layers=1, heads=32,
                kv_heads=8, vocab=1000)
