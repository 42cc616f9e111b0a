"""Tiny multilayer perceptrons as checkpoints, and tasks for them, without PyTorch."""

import gzip
import json
import struct

import numpy as np

from support import safetensors_file


def mlp_config(sizes=(5, 4), inputs=(6,), classes=3, norm="none", **more):
    return {"model_type": "mlp", "input_shape": list(inputs), "hidden_sizes": list(sizes),
            "num_labels": classes, "norm": norm, **more}


def mlp(folder, seed, scale=1.0, **options):
    """A checkpoint with random weights; with norm="batch" as PyTorch saves it."""
    config = mlp_config(**options)
    random = np.random.default_rng(seed)
    tensors, width = {}, int(np.prod(config["input_shape"]))

    def linear(name, out):
        tensors[f"{name}.weight"] = (scale * random.normal(size=(out, width)) / width**0.5).astype("f4")
        tensors[f"{name}.bias"] = (scale * random.normal(size=out)).astype("f4")

    for i, size in enumerate(config["hidden_sizes"]):
        linear(f"layers.{i}.linear", size)
        if config["norm"] == "batch":
            tensors[f"layers.{i}.norm.weight"] = np.ones(size, "f4")
            tensors[f"layers.{i}.norm.bias"] = np.zeros(size, "f4")
            tensors[f"layers.{i}.norm.running_mean"] = random.normal(size=size).astype("f4")
            tensors[f"layers.{i}.norm.running_var"] = random.uniform(0.5, 2, size).astype("f4")
            tensors[f"layers.{i}.norm.num_batches_tracked"] = np.array(7 + seed, "i8")
        width = size
    linear("classifier", config["num_labels"])
    safetensors_file.write(folder / "model.safetensors", tensors)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def forward(folder, values):
    """Logits in f64 of an MLP without norms."""
    tensors = {n: t.astype("f8") for n, t in safetensors_file.read(folder / "model.safetensors").items()}
    config = json.loads((folder / "config.json").read_text())
    return forward_with(tensors, config, values)


def forward_with(tensors, config, values):
    x = values.reshape(len(values), -1).astype("f8")
    for i in range(len(config["hidden_sizes"])):
        x = np.maximum(x @ tensors[f"layers.{i}.linear.weight"].T + tensors[f"layers.{i}.linear.bias"], 0)
    return x @ tensors["classifier.weight"].T + tensors["classifier.bias"]


def losses(logits, labels):
    shifted = logits - logits.max(1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return -log_probabilities[np.arange(len(labels)), labels]


def task(folder, inputs=(6,), classes=3, rows=(20, 11), name="random", seed=3):
    """A task file with a train and a test split; the arrays of the splits."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    text, splits = f"type: classification\ntask: {name}\n", {}
    for split, count in zip(("train", "test"), rows):
        values = random.normal(size=(count, *inputs)).astype("f4")
        labels = random.integers(0, classes, count)
        splits[split] = values, labels
        safetensors_file.write(folder / f"{name}-{split}.safetensors", {"x": values, "y": labels})
        text += f"{split}: {{file: {name}-{split}.safetensors, inputs: x, labels: y}}\n"
    (folder / f"{name}.yml").write_text(text)
    return folder / f"{name}.yml", splits


def idx(path, array, packed=False):
    array = np.asarray(array, "u1")
    content = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(content) if packed else content)
    return path
