"""The spectral formulas as they are written down, through NumPy's LAPACK, in f32; or an iteration of
WUDI as FusionBench computes it, in torch.

    lapack.py FORMULA BASE MODEL...     one line of JSON: seconds of the arithmetic, BLAS threads

It is a process of its own: it has the machine's BLAS threads to itself, and its imports are not timed.
"""

import json
import sys
import time

import numpy as np

from tensors_file import Checkpoint


def read(path):
    """The one matrix of a file."""
    found = Checkpoint(path)
    (name,) = found.tensors
    return found.read(name)


def polar(a):
    u, _, vt = np.linalg.svd(a, full_matrices=False)
    return u @ vt


def isotropic(base, deltas):
    u, s, vt = np.linalg.svd(sum(deltas), full_matrices=False)
    return base + s.mean() * (u @ vt)


def tsv(base, deltas):
    left, values, right = [], [], []
    for delta in deltas:
        u, s, vt = np.linalg.svd(delta, full_matrices=False)
        rank = len(s) // len(deltas)
        left.append(u[:, :rank])
        values.append(s[:rank])
        right.append(vt[:rank])
    u, v = polar(np.concatenate(left, axis=1)), polar(np.concatenate(right))
    return base + (u * np.concatenate(values)) @ v


def wudi(base, deltas, iterations=5):
    """Seconds of one iteration."""
    import torch

    deltas = torch.stack([torch.from_numpy(d) for d in deltas])
    merged = torch.nn.Parameter(deltas.sum(0))
    optimizer = torch.optim.Adam([merged], lr=1e-5)
    norms = deltas.flatten(1).square().sum(1)
    seconds = []
    for _ in range(iterations):
        begin = time.perf_counter()
        inner = (merged.unsqueeze(0) - deltas) @ deltas.transpose(1, 2)
        loss = (inner.square() / norms[:, None, None]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - begin)
    return sorted(seconds)[len(seconds) // 2]


def main():
    formula, base, *models = sys.argv[1:]
    base = read(base)
    deltas = [read(model) - base for model in models]
    if formula == "wudi":
        print(json.dumps({"seconds": wudi(base, deltas)}))
        return
    begin = time.perf_counter()
    merged = {"isotropic": isotropic, "tsv": tsv}[formula](base, deltas)
    seconds = time.perf_counter() - begin
    if not np.isfinite(merged).all():
        raise SystemExit("lapack.py: the result is not finite")
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
