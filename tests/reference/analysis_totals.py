"""Figures of several tensors together, from sums: never means of the tensors' own figures."""

import math
from typing import Any, NamedTuple


class Sums(NamedTuple):
    """Of one tensor: squared norms, counts, and what the SMILE curve needs."""

    name: str
    where: Any
    elements: int
    shape: tuple
    base: float  # |W_0|^2
    changes: list  # |D_i|^2
    zones: list  # of each model: projected energies, or None
    pairs: list  # of each pair: agreement()
    losses: list  # [method][model]: |merged - W_0 - D_i|^2
    values: list  # of each model: all singular values, or None


def quotient(a, b):
    return a / b if b else None


def total_of(sums, squared):
    """The aggregate of these tensors; `squared` is |D_i|^2 of the whole models."""
    base = sum(part.base for part in sums)
    changes = [sum(part.changes[i] for part in sums) for i in range(len(squared))]
    pairs, n = [], len(squared)
    for index, (i, j) in enumerate((i, j) for i in range(n) for j in range(i + 1, n)):
        count = lambda key: sum(part.pairs[index][key] for part in sums)
        norms = math.sqrt(changes[i] * changes[j])
        pairs.append({
            "cosine": quotient(count("dot"), norms),
            "sign_conflict": quotient(count("against"), count("both")),
            "sign_conflict_top": quotient(count("against_top"), count("both_top")),
            "overlap_top": quotient(count("both_top"), count("either_top")) if norms else None,
        })
    return {
        "elements": sum(part.elements for part in sums),
        "base_norm": math.sqrt(base),
        "changes": [
            {
                "norm": math.sqrt(changes[i]),
                "relative": math.sqrt(changes[i] / base) if base else None,
                "share": quotient(changes[i], squared[i]),
                "zones": mean_zones(sums, i),
            }
            for i in range(n)
        ],
        "pairs": pairs,
        "losses": [
            [
                math.sqrt(sum(part.losses[m][i] for part in sums) / changes[i]) if changes[i] else None
                for i in range(n)
            ]
            for m in range(len(sums[0].losses))
        ],
    }


def mean_zones(sums, i):
    """Projected energies weighted by the squared change, over the tensors that have them."""
    parts = [part for part in sums if part.zones[i] is not None]
    weight = sum(part.changes[i] for part in parts)
    if not weight:
        return None
    return {
        zone: sum(part.changes[i] * part.zones[i][zone] for part in parts) / weight
        for zone in ("I", "II", "II_III")
    }
