"""The document of `merganser analyze` once more, in plain NumPy f64: what each fine-tune changed,
where fine-tunes agree, what some merges would lose. Everything but the advice, which is words.

    analyse(base, models, settings) -> dict

`base` and each model: name -> array, in any dtype; a model may also be Lora(name -> (A, B, scale)),
whose change is scale * B @ A in the named tensors and none elsewhere.
"""

import math
from typing import NamedTuple

import numpy as np

from reference import linear, task_vectors
from reference.analysis_totals import Sums, total_of

DTYPES = {"float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16"}
SETTINGS = {
    "rank": 64,
    "top_share": 0.2,
    "angles": 8,
    "zones": True,
    "zone_share": 0.5,
    "rank_of_router": 8,
}
# Directions with less than this share of the largest singular value are rounding, not subspace.
NOISE = 1e-6


class Lora(NamedTuple):
    factors: dict  # name -> (A [r, n], B [m, r], scale)


class Place(NamedTuple):
    role: str
    layer: int | None
    part: str


def place(name, shape):
    """Role, layer and part by the names of Llamas and BERTs; a caller may bring its own."""
    words = name.split(".")
    layer = next((int(word) for word in words if word.isdigit()), None)
    role = words[-2] if len(words) > 1 else words[0]
    if "embed" in name.lower() and layer is None and len(shape) == 2:
        return Place(role, layer, "embedding")
    if "norm" in name.lower():
        return Place(role, layer, "norm")
    if words[-1] == "bias":
        return Place(role + ".bias", layer, "bias")
    if role in ("lm_head", "score", "classifier"):
        return Place(role, layer, "head")
    return Place(role, layer, "linear" if layer is not None and len(shape) == 2 else "other")


def ratio(a, b):
    return float(a / b) if b else None


# --- one change -------------------------------------------------------------------------------


def spectrum(delta, values, rank):
    """Of all singular values of `delta`, what the document says with the first `rank` of them."""
    squares = np.cumsum(values**2)
    k = min(rank, values.size)
    reached = np.flatnonzero(squares[:k] >= 0.9 * squares[-1])
    shares = values / values.sum()
    shares = shares[shares > 0]
    return {
        "singular_values": [float(s) for s in values[:k]],
        "residual": math.sqrt(np.sum(values[k:] ** 2)) / np.linalg.norm(delta),
        "effective_rank": float(np.exp(-np.sum(shares * np.log(shares)))) if k == values.size else None,
        "stable_rank": float(squares[-1] / values[0] ** 2),
        "rank_90": int(reached[0]) + 1 if reached.size else None,
    }


def zones(base, delta, share):
    """Projected energy in the base's zones (SMILE, arXiv 2408.10174; FusionBench's convention)."""
    u, s, vt = np.linalg.svd(base, full_matrices=True)
    total = np.cumsum(s)
    k = int(np.sum(total < share * total[-1])) + 1
    squared = np.sum(delta**2)
    energy = lambda a: float(np.sum((u[:, a].T @ delta @ vt[a].T) ** 2) / squared)
    return {
        "k": k,
        "I": energy(slice(0, k)),
        "II": energy(slice(k, s.size)),
        "II_III": energy(slice(k, None)),
    }


def top(delta, share):
    """A mask of the largest `share` of all elements by magnitude; ties at the threshold are in."""
    size = np.abs(delta).ravel()
    count = math.ceil(share * size.size)
    if count == 0:
        return np.zeros(delta.shape, bool)
    return (np.abs(delta) >= np.sort(size)[size.size - count]) & (delta != 0)


# --- two changes ------------------------------------------------------------------------------


def agreement(a, b, share):
    """Sums from which a pair's figures follow, so that those of tensors can be added up."""
    both = (a != 0) & (b != 0)
    # By signs: the product of two tiny differences may vanish.
    against = np.sign(a) * np.sign(b) < 0
    top_a, top_b = top(a, share), top(b, share)
    return {
        "dot": float(np.sum(a * b)),
        "both": int(both.sum()),
        "against": int(against.sum()),
        "both_top": int((top_a & top_b).sum()),
        "against_top": int((against & top_a & top_b).sum()),
        "either_top": int((top_a | top_b).sum()),
    }


def angles(a, b, most):
    """Cosines of the principal angles between the leading singular subspaces (Björck, Golub 1973)."""
    if a.ndim != 2 or not a.any() or not b.any():
        return None
    left, right = [], []
    for delta in (a, b):
        u, s, vt = np.linalg.svd(delta, full_matrices=False)
        k = min(most, int(np.sum(s > NOISE * s[0])))
        left.append(u[:, :k])
        right.append(vt[:k].T)
    cosines = lambda x, y: [float(c) for c in np.clip(np.linalg.svd(x.T @ y)[1], 0, 1)]
    return {"input": cosines(*right), "output": cosines(*left)}


# --- merges -----------------------------------------------------------------------------------


def merge(method, base, models):
    """One tensor by a method of the document: name, parameters."""
    parameters = {"weight": 1.0, "normalize": method["name"] != "task_arithmetic", **method["parameters"]}
    weights = parameters["weight"]
    weights = weights if isinstance(weights, list) else [weights] * len(models)
    normalize, scale = parameters["normalize"], parameters.get("lambda", 1.0)
    if method["name"] == "linear":
        return linear.linear(models, weights, normalize).value
    if method["name"] == "task_arithmetic":
        return task_vectors.task_arithmetic(base, models, weights, normalize, scale).value
    if method["name"] == "ties":
        densities = [parameters.get("density", 1.0)] * len(models)
        options = {"normalize": normalize, "scale": scale}
        return task_vectors.ties(base, models, weights, densities, **options).value
    raise ValueError(f"no reference for {method['name']}")


def usual_methods(count):
    even = {"weight": round(1 / count, 6)}
    return [
        {"name": "linear", "label": "linear", "from": "usual", "parameters": {}},
        {"name": "task_arithmetic", "label": f"task_arithmetic, weight {even['weight']:.3g}",
         "from": "usual", "parameters": even},
        {"name": "task_arithmetic", "label": "task_arithmetic, weight 1", "from": "usual",
         "parameters": {"weight": 1.0}},
        {"name": "ties", "label": "ties, density 0.2", "from": "usual",
         "parameters": {"weight": 1.0, "density": 0.2}},
    ]


def rank_90(spectra):
    """Over a model's linear matrices: the lower median of rank_90, None beyond what was looked at."""
    ranks = sorted(s["rank_90"] or math.inf for s in spectra if s)
    middle = ranks[(len(ranks) - 1) // 2] if ranks else math.inf
    return {
        "median": None if math.isinf(middle) else middle,
        "matrices": len(ranks),
        "beyond": sum(math.isinf(rank) for rank in ranks),
    }


# --- the document -----------------------------------------------------------------------------


def changes_of(base, model):
    if not isinstance(model, Lora):
        return {name: np.asarray(model[name]).astype(np.float64) - base[name] for name in base}
    changes = {name: np.zeros(array.shape) for name, array in base.items()}
    for name, (a, b, scale) in model.factors.items():
        changes[name] = scale * np.asarray(b).astype(np.float64) @ np.asarray(a).astype(np.float64)
    return changes


def tensor_of(name, base, deltas, where, dtype, settings, methods):
    """One tensor's entry, and its sums."""
    matrix = base.ndim == 2 and where.part in ("linear", "embedding", "head")
    every = [np.linalg.svd(d, compute_uv=False) if matrix and d.any() else None for d in deltas]
    changes = [
        {
            "norm": float(np.linalg.norm(delta)),
            "relative": ratio(np.linalg.norm(delta), np.linalg.norm(base)),
            "max": float(np.max(np.abs(delta), initial=0.0)),
            "changed_share": float(np.mean(delta != 0)),
            "spectrum": None if values is None else spectrum(delta, values, settings["rank"]),
            "zones": zones(base, delta, settings["zone_share"])
            if settings["zones"] and where.part == "linear" and delta.any() and base.any()
            else None,
        }
        for delta, values in zip(deltas, every)
    ]
    pairs = [(a, b) for i, a in enumerate(deltas) for b in deltas[i + 1 :]]
    models = [base + delta for delta in deltas]
    sums = Sums(
        name=name,
        where=where,
        elements=base.size,
        shape=base.shape,
        base=float(np.sum(base**2)),
        changes=[float(np.sum(delta**2)) for delta in deltas],
        zones=[change["zones"] for change in changes],
        pairs=[agreement(a, b, settings["top_share"]) for a, b in pairs],
        losses=[
            [float(np.sum((merge(method, base, models) - base - delta) ** 2)) for delta in deltas]
            for method in methods
        ],
        values=every,
    )
    whole = total_of([sums], sums.changes)
    entry = {
        "name": name,
        "role": where.role,
        "layer": where.layer,
        "part": where.part,
        "shape": list(base.shape),
        "dtype": DTYPES.get(str(dtype), str(dtype)),
        "elements": int(base.size),
        "base_norm": float(np.linalg.norm(base)),
        "changes": changes,
        "pairs": [
            {**figures, "angles": angles(a, b, settings["angles"]) if matrix else None}
            for figures, (a, b) in zip(whole["pairs"], pairs)
        ],
        "losses": whole["losses"],
    }
    return entry, sums


def smile_curve(sums, settings, count):
    """Error and size by one rank for all experts; size as the paper counts it, with the routers (one
    expert needs none). Experts carry the changes of the biases beside their weights whole."""
    base = sum(part.elements for part in sums)
    squared = [sum(part.changes[i] for part in sums) for i in range(count)]
    linear_parts = [part for part in sums if part.where.part == "linear"]
    linear_squared = [sum(part.changes[i] for part in linear_parts) for i in range(count)]
    biases_of = {part.name.removesuffix("weight") + "bias" for part in linear_parts}
    biases = [part for part in sums if part.name in biases_of]
    bias_squared = [sum(part.changes[i] for part in biases) for i in range(count)]
    curve = []
    for rank in settings["smile_ranks"]:
        parameters = base + count * sum(part.elements for part in biases)
        lost = [0.0] * count
        for part in linear_parts:
            m, n = part.shape
            k, g = min(rank, m, n), min(settings["rank_of_router"], m, n)
            parameters += count * (k * (m + n) + (g * n if count > 1 else 0))
            for i, values in enumerate(part.values):
                lost[i] += 0.0 if values is None else float(np.sum(values[k:] ** 2))
        root = lambda a, b: math.sqrt(max(a, 0.0) / b) if b else None
        rest = [squared[i] - linear_squared[i] - bias_squared[i] for i in range(count)]
        curve.append({
            "rank": rank,
            "parameters": parameters,
            "ratio": parameters / base,
            "errors": [root(rest[i] + lost[i], squared[i]) for i in range(count)],
            "errors_linear": [root(lost[i], linear_squared[i]) for i in range(count)],
        })
    return {"curve": curve, "ranks": settings["smile_ranks"]}


def analyse(base, models, settings=None, *, names=None, where=place, methods=None):
    """The document. `where(name, shape)` gives a tensor's Place; `methods` as in the document."""
    dtypes = {name: array.dtype for name, array in base.items()}
    base = {name: np.asarray(array).astype(np.float64) for name, array in base.items()}
    count = len(models)
    names = names or [f"model {i + 1}" for i in range(count)]
    methods = usual_methods(count) if methods is None else methods
    widest = max([min(a.shape) for n, a in base.items() if where(n, a.shape).part == "linear"], default=1)
    ranks = [2**i for i in range(math.ceil(math.log2(widest)) + 1)]
    settings = {**SETTINGS, "smile_ranks": ranks, **(settings or {})}
    all_changes = [changes_of(base, model) for model in models]

    tensors, sums = [], []
    for name, array in base.items():
        deltas = [changes[name] for changes in all_changes]
        entry, part = tensor_of(
            name, array, deltas, where(name, array.shape), dtypes[name], settings, methods
        )
        tensors.append(entry)
        sums.append(part)

    squared = [sum(part.changes[i] for part in sums) for i in range(count)]

    def grouped(key):
        values = dict.fromkeys(getattr(part.where, key) for part in sums)
        values = sorted(v for v in values if v is not None) if key == "layer" else values
        return [
            {key: v, **total_of([p for p in sums if getattr(p.where, key) == v], squared)} for v in values
        ]

    return {
        "merganser": "0.1.0",
        "document": "analysis",
        "schema": 1,
        "base": {"name": "base"},
        "models": [
            {"name": name, "kind": "lora" if isinstance(model, Lora) else "full",
             "rank_90": rank_90([t["changes"][i]["spectrum"] for t in tensors if t["part"] == "linear"])}
            for i, (name, model) in enumerate(zip(names, models))
        ],
        "settings": {key: settings[key] for key in SETTINGS},
        "methods": methods,
        "tensors": tensors,
        "layers": grouped("layer"),
        "roles": grouped("role"),
        "parts": grouped("part"),
        "total": total_of(sums, squared),
        "smile": smile_curve(sums, settings, count),
        "advice": [],
    }
