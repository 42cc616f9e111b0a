"""Is an output what its recipe says? A few tensors against numpy, in f64.

This is no test of the methods (tests/ is); it keeps the benchmark from timing wrong results.
"""

import pathlib

import numpy as np

from tensors_file import Checkpoint, from_bf16, to_bf16

SLICE = 1 << 20  # elements of a large tensor that are compared
WHOLE = "model.layers.0.self_attn.k_proj.weight"
PARTS = ("model.embed_tokens.weight", "lm_head.weight", "model.norm.weight",
         "model.layers.0.mlp.down_proj.weight")


def largest(delta, density):
    """Keep the largest magnitudes; of equal ones those that come first."""
    kept = np.argsort(-np.abs(delta), kind="stable")[: max(1, int(density * delta.size))]
    mask = np.zeros(delta.size, bool)
    mask[kept] = True
    return np.where(mask, delta, 0.0)


def expected(merge, values):
    """The merge of `values` (model → f64 array), or None where only statistics can be checked."""
    if merge.name == "linear":
        total = sum(w * values[m] for w, m in zip(merge.weights, merge.models))
        return total / sum(merge.weights)
    if merge.name == "slerp":
        first, second = (values[m] for m in merge.models)
        cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
        if abs(cosine) > 0.9995:
            return (1 - merge.t) * first + merge.t * second
        angle = np.arccos(cosine)
        return (np.sin((1 - merge.t) * angle) * first + np.sin(merge.t * angle) * second
                ) / np.sin(angle)
    if merge.name == "karcher":
        return karcher([values[m] for m in merge.models])
    base = values["base"]
    deltas = [values[m] - base for m in merge.models if m != "base"]
    if merge.name == "task_arithmetic":
        return base + sum(w * d for w, d in zip(merge.weights, deltas))
    if merge.name == "model_stock":
        pairs = [(a, b) for i, a in enumerate(deltas) for b in deltas[:i]]
        cosine = np.mean([a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in pairs])
        share = len(deltas) * cosine / (1 + (len(deltas) - 1) * cosine)
        return base + share * sum(deltas) / len(deltas)
    if merge.name == "multislerp":
        return base + multislerp(deltas, merge.weights)
    if merge.name == "ties":
        parts = [w * largest(d, merge.density) for w, d in zip(merge.weights, deltas)]
        majority = np.where(sum(parts) >= 0, 1.0, -1.0)
        keep = [np.sign(part) == majority for part in parts]
        weight = sum(w * k for w, k in zip(merge.weights, keep))
        total = sum(part * k for part, k in zip(parts, keep))
        return base + total / np.where(weight == 0, 1.0, weight)
    return None


def karcher(vectors, iterations=10, tolerance=1e-5):
    units = [v / np.linalg.norm(v) for v in vectors]
    mean = sum(units) / np.linalg.norm(sum(units))
    for _ in range(iterations):
        tangent = 0
        for unit in units:
            cosine = min(1.0, unit @ mean)
            angle = np.arccos(cosine)
            if angle >= tolerance:
                tangent = tangent + angle / np.sin(angle) * (unit - cosine * mean) / len(units)
        length = np.linalg.norm(tangent)
        if length < tolerance:
            break
        mean = np.cos(length) * mean + np.sin(length) * tangent / length
        mean /= np.linalg.norm(mean)
    return np.mean([np.linalg.norm(v) for v in vectors]) * mean


def multislerp(vectors, weights, epsilon=1e-8):
    shares = np.array(weights) / sum(weights)
    norms = [np.linalg.norm(v) for v in vectors]
    units = [v / (n + epsilon) for v, n in zip(vectors, norms)]
    mean = sum(w * u for w, u in zip(shares, units))
    mean = mean / np.linalg.norm(mean)
    tangent = sum(w * (u - (u @ mean) * mean) for w, u in zip(shares, units))
    length = np.linalg.norm(tangent) + epsilon
    direction = mean * np.cos(length) + tangent * np.sin(length) / length
    return direction * (shares @ norms)


def compare(name, found, wanted, allowed):
    """Within one unit of bf16 (or f32 rounding of the tensor's largest, where terms cancel)
    everywhere, but for the share `allowed`; mostly equal."""
    if not np.isfinite(found).all():
        return [f"{name}: values that are not finite"]
    rounded = from_bf16(to_bf16(wanted.astype(np.float32))).astype(np.float64)
    floor = 1e-6 * np.abs(rounded).max()
    unit = np.maximum(np.abs(rounded), np.abs(found)) / 128
    far = np.abs(found - rounded) > unit + floor
    if far.mean() > allowed:
        at = int(np.argmax(far))
        return [f"{name}: {far.sum()} of {far.size} elements are wrong, the first at {at}: "
                f"{found[at]:.9g} instead of {rounded[at]:.9g}"]
    different = (found != rounded).mean()
    if different > allowed + 0.01:
        return [f"{name}: {different:.2%} of the elements are not rounded as expected"]
    return []


def statistics(name, found, values, merge):
    """For random methods: what was dropped, what was kept, and in which direction it went."""
    if not np.isfinite(found).all():
        return [f"{name}: values that are not finite"]
    base = values["base"]
    deltas = np.array([values[m] - base for m in merge.models if m != "base"])
    moved, problems = found - base, []
    if moved[(deltas == 0).all(axis=0)].any():
        problems.append(f"{name}: elements changed that no model changes")
    changed = (moved[(deltas != 0).all(axis=0)] != 0).mean()
    if not 0.6 < changed < 0.92:
        problems.append(f"{name}: {changed:.1%} of the elements changed, about 80 % expected")
    similar = np.corrcoef(moved, deltas.mean(axis=0))[0, 1]
    if not 0.4 < similar < 0.98:
        problems.append(f"{name}: correlation {similar:.3f} with the mean delta")
    return problems


def check(merge, inputs, output):
    """What is wrong with an output; an empty list is good."""
    models = {m: Checkpoint(pathlib.Path(inputs) / m) for m in merge.models}
    made = Checkpoint(output)
    if made.layout() != models[merge.models[0]].layout():
        return ["the output has other tensors, shapes or dtypes than its inputs"]
    whole = lambda checkpoint: checkpoint.read(WHOLE).ravel().astype(np.float64)
    last = lambda checkpoint, name: checkpoint.end_of(name, SLICE).astype(np.float64)
    values = {m: whole(c) for m, c in models.items()}
    wanted = expected(merge, values)
    if wanted is None:
        return statistics(WHOLE, whole(made), values, merge)
    problems = compare(WHOLE, whole(made), wanted, 1e-3 if merge.density < 1 else 0)
    if merge.name in ("linear", "task_arithmetic"):  # where an element needs only its own inputs
        for name in PARTS:
            values = {m: last(c, name) for m, c in models.items()}
            problems += compare(name, last(made, name), expected(merge, values), 0)
    return problems
