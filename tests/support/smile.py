"""SMILE checkpoints for transformers: a plain upscaler in f64, the layout, and the formula.

The layout is described in src/smile/remote_code/README.md. `upscale` and `write_layout` make what
merganser makes; `reference` computes what such a checkpoint means without any of the code that is
written into it.
"""

import importlib.util
import json
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np

from support import safetensors_file
from support.program import REPOSITORY

CODE = REPOSITORY / "src/smile/remote_code"
FILES = ("configuration_smile.py", "modeling_smile.py")
ZERO = 1e-8  # differences up to here are none


class Smile(NamedTuple):
    tensors: dict  # of the checkpoint
    modules: dict  # name -> what config.json says of it


def svd(matrix, rank):
    """U, S and V of the leading `rank` triplets; V's null space where there are not as many."""
    u, s, vt = np.linalg.svd(matrix, full_matrices=rank > min(matrix.shape))
    return u, s, vt.T


def upscale(
    base,
    tunes,
    modules,
    rank,
    router_rank,
    *,
    dense=(),
    transposed=(),
    per_token=None,
):
    """The tensors of a SMILE checkpoint, from those of a base and of its fine-tunes.

    modules: names (without .weight) of the linear layers. rank: one for all, or name -> ranks,
    one for each expert. dense: layers whose experts keep their whole difference. transposed:
    layers that store [n, m]. per_token: name -> experts per token, where it is not the
    checkpoint's. Layers that no fine-tune changes stay as they are.
    """
    tensors, specs = dict(base), {}
    for name in modules:
        weight = name + ".weight"
        turn = np.transpose if name in transposed else np.asarray
        # In the stored dtype first, as FusionBench does; then exactly.
        deltas = [turn(tune[weight] - base[weight]).astype(np.float64) for tune in tunes]
        if all(np.all(np.abs(delta) <= ZERO) for delta in deltas):
            continue
        dtype = base[weight].dtype
        outputs, inputs = deltas[0].shape
        most = min(outputs, inputs)
        wanted = rank[name] if isinstance(rank, dict) else [rank] * len(tunes)
        ranks = [min(r, most) for r in wanted]
        routers = min(router_rank, inputs)
        parts = [svd(delta, routers) for delta in deltas]
        spec = {
            "router_rank": routers,
            "ranks": [0] * len(tunes) if name in dense else ranks,
            "bias": False,
            "dense": name in dense,
        }
        if per_token and name in per_token:
            spec["num_experts_per_tok"] = per_token[name]
        if len(tunes) > 1:
            router = np.concatenate([v[:, :routers].T for _, _, v in parts])
            tensors[name + ".smile_router"] = router.astype(dtype)
        if name in dense:
            tensors[name + ".smile_dense"] = np.stack(deltas).astype(dtype)
        elif sum(ranks):
            pairs = list(zip(parts, ranks))
            inside = np.concatenate([(s[:k] * v[:, :k]).T for (_, s, v), k in pairs])
            outside = np.concatenate([u[:, :k].T for (u, _, _), k in pairs])
            tensors[name + ".smile_in"] = inside.astype(dtype)
            tensors[name + ".smile_out"] = outside.astype(dtype)
        bias = name + ".bias"
        if bias in base:
            differences = np.stack([tune[bias] - base[bias] for tune in tunes])
            if np.any(differences != 0):
                spec["bias"] = True
                tensors[name + ".smile_bias"] = differences
        specs[name] = spec
    return Smile(tensors, specs)


def configuration():
    """The module configuration_smile, from where it is written."""
    path = CODE / FILES[0]
    spec = importlib.util.spec_from_file_location("configuration_smile", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def layout_config(config, modules, experts, num_experts_per_tok=1):
    """The config.json of a SMILE checkpoint, from the base's."""
    architecture = config["architectures"][0]
    return {
        **config,
        "model_type": "smile_" + config["model_type"],
        "architectures": ["Smile" + architecture],
        "auto_map": configuration().auto_map(architecture),
        "smile": {
            "version": 1,
            "base_model_type": config["model_type"],
            "num_experts": len(experts),
            "num_experts_per_tok": num_experts_per_tok,
            "experts": list(experts),
            "modules": modules,
        },
    }


def write_layout(folder, base, smile, experts, num_experts_per_tok=1):
    """A checkpoint that transformers loads: config of the base folder, these tensors, the code."""
    folder.mkdir(parents=True, exist_ok=True)
    config = json.loads((base / "config.json").read_text())
    config = layout_config(config, smile.modules, experts, num_experts_per_tok)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    safetensors_file.write(folder / "model.safetensors", smile.tensors, {"format": "pt"})
    for file in FILES:
        shutil.copyfile(CODE / file, folder / file)
    generation = Path(base) / "generation_config.json"
    if generation.exists():
        shutil.copyfile(generation, folder / generation.name)
    return folder


def linear_modules(model, tensors):
    """Name in the checkpoint -> linear layer of a plain model, told by the values of the weights,
    so that nothing need be known about how transformers renames tensors. Tied heads are left
    out."""
    import torch
    from transformers.pytorch_utils import Conv1D

    names = {}
    for name, array in tensors.items():
        if name.endswith(".weight") and array.ndim == 2:
            names.setdefault(array.astype(np.float64).tobytes(), name.removesuffix(".weight"))
    embeddings = {m.weight for m in model.modules() if isinstance(m, torch.nn.Embedding)}
    found = {}
    for module in model.modules():
        if isinstance(module, (torch.nn.Linear, Conv1D)) and module.weight not in embeddings:
            key = module.weight.detach().double().numpy().tobytes()
            if key in names:
                found[names[key]] = module
    return found


def expert(tensors, name, spec, index):
    """The difference of one expert: its matrix [m, n] and its bias, or None."""
    if spec["dense"]:
        matrix = tensors[name + ".smile_dense"][index].astype(np.float64)
    elif sum(spec["ranks"]):
        first = sum(spec["ranks"][:index])
        rows = slice(first, first + spec["ranks"][index])
        inside = tensors[name + ".smile_in"][rows].astype(np.float64)
        matrix = tensors[name + ".smile_out"][rows].astype(np.float64).T @ inside
    else:
        matrix = None
    bias = tensors[name + ".smile_bias"][index].astype(np.float64) if spec["bias"] else None
    return matrix, bias


def router_logits(tensors, name, spec, x):
    """r of each expert for the rows of x."""
    rows = tensors[name + ".smile_router"].astype(np.float64)
    size, rank = len(spec["ranks"]), spec["router_rank"]
    parts = [rows[i * rank : (i + 1) * rank] for i in range(size)]
    return np.stack([np.linalg.norm(x @ part.T, axis=1) for part in parts], axis=1)


def route(tensors, name, spec, x, top):
    """Weights [tokens, experts], 0 where an expert is not chosen."""
    size = len(spec["ranks"])
    if size == 1:
        return np.ones((len(x), 1))
    logits = router_logits(tensors, name, spec, x)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    weights = np.zeros_like(p)
    for token, row in enumerate(p):
        best = np.argsort(-row, kind="stable")[:top]
        weights[token, best] = row[best] / row[best].sum()
    return weights


def reference(plain, smile, num_experts_per_tok=1, weights=None):
    """Makes this plain model one in f64 whose linear layers compute SMILE's formula, expert after
    expert.

    weights: [experts] for everything, in place of the routers. Returns the model and the routes:
    name -> choices of each expert, counted while it runs.
    """
    import torch

    model = plain.double().eval()
    layers = linear_modules(model, smile.tensors)
    assert set(smile.modules) <= set(layers)
    routes = {}
    for name, spec in smile.modules.items():
        top = spec.get("num_experts_per_tok", num_experts_per_tok)
        experts = [expert(smile.tensors, name, spec, i) for i in range(len(spec["ranks"]))]

        def forward(x, own=layers[name].forward, name=name, spec=spec, top=top, experts=experts):
            rows = x.reshape(-1, x.shape[-1]).numpy()
            if weights is None:
                chosen = route(smile.tensors, name, spec, rows, top)
            else:
                chosen = np.tile(np.asarray(weights, np.float64), (len(rows), 1))
            routes[name] = routes.get(name, 0) + (chosen != 0).sum(axis=0)
            y = own(x)
            added = np.zeros((len(rows), y.shape[-1]))
            for i, (matrix, bias) in enumerate(experts):
                part = np.zeros_like(added)
                if matrix is not None:
                    part += rows @ matrix.T
                if bias is not None:
                    part += bias
                added += chosen[:, i : i + 1] * part
            return y + torch.from_numpy(added).view(y.shape)

        layers[name].forward = forward
    return model, routes
