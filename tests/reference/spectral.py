"""The methods that merge a matrix as a whole, by NumPy's SVD in f64: plain formulas, no shortcuts.

Each takes the list of task vectors of one matrix (already weighted) and returns the merged one.
`noise`: singular values up to it are none; directions of a null space have no defined vectors, so
they must not contribute.
"""

import numpy as np


def svd(matrix, noise=0.0, most=None):
    u, s, vt = np.linalg.svd(np.asarray(matrix, np.float64), full_matrices=False)
    rank = int(np.sum(s > noise))
    rank = rank if most is None else min(rank, most)
    return u[:, :rank], s[:rank], vt[:rank]


def polar(matrix):
    """The nearest matrix with orthonormal rows or columns, of the rank of this one."""
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    keep = s > 1e-9 * max(s[0], 1e-300) if s.size else s > 0
    return u[:, keep] @ vt[keep]


def isotropic(deltas, noise=0.0):
    total = sum(deltas)
    u, s, vt = svd(total, noise)
    return s.sum() / min(total.shape) * (u @ vt)


def isotropic_common_task(deltas, fraction=0.8, noise=0.0):
    total = sum(deltas)
    full, tasks = min(total.shape), len(deltas)
    common = int(full * fraction)
    own = min(round((full - common) / tasks), full // tasks)
    common = full - own * tasks
    u, s, vt = svd(total, noise, common)
    left, values, right = [u], [s], [vt]
    for delta in deltas:
        rest = delta - u @ (u.T @ delta)
        ui, si, vti = svd(rest, noise, own)
        left.append(ui)
        values.append(si)
        right.append(vti)
    mean = np.concatenate(values).sum() / full
    return mean * (polar(np.hstack(left)) @ polar(np.vstack(right)))


def task_singular_vectors(deltas, lossless=False, noise=0.0):
    full = min(deltas[0].shape)
    most = full if lossless else max(1, full // len(deltas))
    parts = [svd(delta, noise, most) for delta in deltas]
    left = polar(np.hstack([u for u, _, _ in parts]))
    right = polar(np.vstack([vt for _, _, vt in parts]))
    return (left * np.concatenate([s for _, s, _ in parts])) @ right


def calibrated(deltas, scale=0.3, alpha=0.1, noise=0.0):
    """Singular value calibration of task arithmetic; `scale` is in the result."""
    merged = scale * sum(deltas)
    u, s, vt = svd(merged, noise)
    factors = np.zeros(len(s))
    for r in range(len(s)):
        response = u[:, r] @ merged
        for delta in deltas:
            own = u[:, r] @ delta
            factors[r] += max(alpha, (response @ own) / (own @ own))
    return (u * (len(deltas) / factors * s)) @ vt


def wudi_loss(t, deltas):
    total = 0.0
    for delta in deltas:
        total += np.sum(((t - delta) @ delta.T) ** 2) / np.sum(delta**2)
    return total


def wudi(deltas, iterations=400, rate=1e-5):
    """Adam on the loss as it is written, its gradient task by task."""
    deltas = [np.asarray(delta, np.float64) for delta in deltas]
    t = sum(deltas)
    m, v = np.zeros_like(t), np.zeros_like(t)
    for step in range(1, iterations + 1):
        gradient = np.zeros_like(t)
        for delta in deltas:
            norm = np.sum(delta**2)
            if norm > 0:
                gradient += 2 * ((t - delta) @ delta.T) @ delta / norm
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        t = t - rate * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
    return t


def ties(arrays, densities):
    """Trim, elect, mean of those that agree. Exact ties of magnitude do not occur in the tests."""
    trimmed = []
    for array, density in zip(arrays, densities):
        size = np.abs(array).ravel()
        keep = min(size.size, max(1, int(density * size.size)))
        threshold = np.sort(size)[size.size - keep]
        trimmed.append(np.where(np.abs(array) >= threshold, array, 0))
    sign = np.where(sum(trimmed) >= 0, 1, -1)
    agree = [np.where(array * sign > 0, array, 0) for array in trimmed]
    count = sum((array != 0).astype(int) for array in agree)
    return sum(agree) / np.maximum(count, 1)


def knots(deltas, densities=None, noise=0.0):
    """densities None: the right vectors are added up."""
    u, s, vt = svd(np.hstack(deltas), noise)
    parts = np.split(vt, len(deltas), axis=1)
    merged = sum(parts) if densities is None else ties(parts, densities)
    return (u * s) @ merged


def core_space(deltas, merge="isotropic", densities=None, rank=None, noise=0.0):
    parts = [svd(delta, noise, rank) for delta in deltas]
    left = svd(np.hstack([u * np.sqrt(s) for u, s, _ in parts]), 1e-9)[0]
    right = svd(np.vstack([(vt.T * np.sqrt(s)).T for _, s, vt in parts]), 1e-9)[2].T
    cores = [left.T @ ((u * s) @ vt) @ right for u, s, vt in parts]
    if merge == "isotropic":
        core = isotropic(cores)
    elif merge == "tsv":
        core = task_singular_vectors(cores, noise=1e-9)
    elif merge == "ties":
        core = ties(cores, densities)
    else:
        core = sum(cores)
    return left @ core @ right.T


def cut(delta, rank=None, energy=1.0, noise=0.0):
    """The largest singular triples: `rank`, or fewer if they have that share of the squared norm."""
    u, s, vt = svd(delta, noise, rank)
    if energy < 1:
        reached = np.cumsum(s**2) >= energy * np.sum(np.asarray(delta, np.float64) ** 2)
        keep = int(np.argmax(reached)) + 1 if reached.any() else s.size
        u, s, vt = u[:, :keep], s[:keep], vt[:keep]
    return (u * s) @ vt


def singular_projection(base, delta, zone="I", rank=-1, share=0.5, noise=0.0):
    """A zone of the base's singular vectors, by the full bases, as the paper writes it."""
    u, s, vt = np.linalg.svd(np.asarray(base, np.float64), full_matrices=True)
    there = int(np.sum(s > noise))
    total = np.cumsum(s[:there])
    r = int(np.sum(total < share * total[-1])) + 1 if rank < 0 else min(rank, there)
    chosen = {"I": slice(0, r), "II": slice(r, there), "II+III": slice(r, None)}[zone]
    u, v = u[:, chosen], vt[chosen].T
    return u @ (u.T @ np.asarray(delta, np.float64) @ v) @ v.T
