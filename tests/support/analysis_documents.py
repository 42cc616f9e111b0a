"""Documents of an analysis for the tests of its page: a real one, and a large one of made-up numbers."""

import numpy as np

from reference.analysis import analyse, rank_90
from support.checkpoint import read_checkpoint

# The reference has no advice; the page must show whatever stands there, in each of its levels.
ADVICE = [
    {"topic": "base", "level": "info", "numbers": {"cosine": 0.232},
     "text": "Both fine-tunes are of this base: each moved by less than 15 % of its norm, and their "
             "task vectors are nearly orthogonal (cosine 0.232)."},
    {"topic": "conflict", "level": "note", "numbers": {"sign_conflict": 0.433},
     "text": "43.3 % of the elements that both changed have opposite signs, of the largest 20 % only "
             "24.3 %: trimming (TIES) removes most of the conflict."},
    {"topic": "caution", "level": "warning", "numbers": {},
     "text": "Weights alone do not say what a merge is worth; <measure> it on data & compare."},
]


def stories(folder):
    """The document of the two fine-tunes of stories260k (see its README)."""
    names = ["shakespeare", "inaugural"]
    tunes = [read_checkpoint(folder / name) for name in names]
    return {**analyse(read_checkpoint(folder / "base"), tunes, names=names), "advice": ADVICE}


MODULES = {
    "self_attn.q_proj": (4096, 4096),
    "self_attn.k_proj": (1024, 4096),
    "self_attn.v_proj": (1024, 4096),
    "self_attn.o_proj": (4096, 4096),
    "mlp.gate_proj": (14336, 4096),
    "mlp.up_proj": (14336, 4096),
    "mlp.down_proj": (4096, 14336),
}


def large(layers=32, models=3, seed=0):
    """The document of a model that is not there: as many tensors and numbers as a real one has."""
    random = np.random.default_rng(seed)
    names = [f"specialist-{i + 1}" for i in range(models)]
    pairs = models * (models - 1) // 2
    labels = ["linear", "task_arithmetic, weight 0.333", "task_arithmetic, weight 1",
              "ties, density 0.2", "dare_ties, density 0.2", "smile, rank 64"]
    number = lambda low, high: float(random.uniform(low, high))

    def spectrum(norm):
        values = np.sort(random.gamma(2, 1, 64))[::-1] * np.exp(-np.arange(64) / 30)
        residual = number(0.1, 0.6)
        values *= norm * (1 - residual**2) ** 0.5 / np.linalg.norm(values)
        reached = np.flatnonzero(np.cumsum(values**2) >= 0.9 * norm**2)
        return {"singular_values": values.tolist(), "residual": residual, "effective_rank": None,
                "stable_rank": float(norm**2 / values[0] ** 2),
                "rank_90": int(reached[0]) + 1 if reached.size else None}

    zone = lambda: {"I": number(0.02, 0.1), "II": number(0.2, 0.5), "II_III": number(0.5, 0.9)}
    pair = lambda: {"cosine": number(-0.1, 0.6), "sign_conflict": number(0.3, 0.55),
                    "sign_conflict_top": number(0.05, 0.5), "overlap_top": number(0.1, 0.5)}
    losses = lambda: [[number(0.2, 1.3) for _ in range(models)] for _ in labels]

    def cosines():
        return np.sort(random.uniform(0, 1, 8))[::-1].tolist()

    def tensor(name, role, layer, part, shape):
        size = int(np.prod(shape))
        base, matrix = 0.02 * size**0.5, part == "linear"
        changes = []
        for _ in range(models):
            relative = number(0.005, 0.03) * (1 + (layer or 0) / layers)
            changes.append({"norm": base * relative, "relative": relative, "max": number(0.001, 0.1),
                            "changed_share": number(0.9, 1), "spectrum": spectrum(base * relative) if matrix else None,
                            "zones": {"k": int(random.integers(50, 500)), **zone()} if matrix else None})
        angles = lambda: {"input": cosines(), "output": cosines()} if matrix else None
        return {"name": name, "role": role, "layer": layer, "part": part, "shape": list(shape),
                "dtype": "bf16", "elements": size, "base_norm": base, "changes": changes,
                "pairs": [{**pair(), "angles": angles()} for _ in range(pairs)], "losses": losses()}

    tensors = [tensor("model.embed_tokens.weight", "embed_tokens", None, "embedding", (32000, 4096))]
    for layer in range(layers):
        for module, shape in MODULES.items():
            name = f"model.layers.{layer}.{module}.weight"
            tensors.append(tensor(name, module.split(".")[1], layer, "linear", shape))
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors.append(tensor(f"model.layers.{layer}.{norm}.weight", norm, layer, "norm", (4096,)))
    tensors.append(tensor("model.norm.weight", "norm", None, "norm", (4096,)))
    tensors.append(tensor("lm_head.weight", "lm_head", None, "head", (32000, 4096)))

    squares = [sum(t["changes"][i]["norm"] ** 2 for t in tensors) for i in range(models)]

    def aggregate(of):
        base = sum(t["base_norm"] ** 2 for t in of) ** 0.5
        changes = []
        for i in range(models):
            norm = sum(t["changes"][i]["norm"] ** 2 for t in of) ** 0.5
            zones = zone() if any(t["part"] == "linear" for t in of) else None
            changes.append({"norm": norm, "relative": norm / base, "share": norm**2 / squares[i],
                            "zones": zones})
        return {"elements": sum(t["elements"] for t in of), "base_norm": base, "changes": changes,
                "pairs": [pair() for _ in range(pairs)], "losses": losses()}

    def grouped(key):
        values = list(dict.fromkeys(t[key] for t in tensors if t[key] is not None))
        return [{key: value, **aggregate([t for t in tensors if t[key] == value])} for value in values]

    total = sum(t["elements"] for t in tensors)
    ranks = [2**i for i in range(13)]
    curve = [{"rank": r, "parameters": total + r * 14_000_000, "ratio": 1 + r * 14e6 / total,
              "errors": [0.2 + 0.75 * 0.9**i + 0.01 * m for m in range(models)],
              "errors_linear": [0.95 * 0.88**i + 0.01 * m for m in range(models)]}
             for i, r in enumerate(ranks)]
    return {
        "merganser": "0.1.0", "document": "analysis", "schema": 1, "base": {"name": "large-base"},
        "models": [{"name": n, "kind": "lora" if i == 1 else "full",
                    "rank_90": rank_90([t["changes"][i]["spectrum"] for t in tensors])}
                   for i, n in enumerate(names)],
        "settings": {"rank": 64, "top_share": 0.2, "angles": 8, "zones": True, "zone_share": 0.5,
                     "seed": 0},
        "methods": [{"name": label.split(",")[0], "label": label, "from": "usual" if i else "recipe",
                     "parameters": {}} for i, label in enumerate(labels)],
        "tensors": tensors, "layers": grouped("layer"), "roles": grouped("role"),
        "parts": grouped("part"), "total": aggregate(tensors),
        "smile": {"curve": curve, "ranks": ranks}, "advice": ADVICE,
    }
