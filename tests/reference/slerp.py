"""Spherical interpolation from the base (t = 0) to the other model (t = 1)."""

import numpy as np

from reference.answer import Answer, widen

ALMOST_PARALLEL = 0.9995
ZERO_NORM = 1e-8


def slerp(base, other, t, unit=False):
    """One tensor; see slerp_together."""
    return slerp_together([base], [other], t, unit)[0]


def slerp_together(base, other, t, unit=False):
    """Several tensors as one flattened vector.

    unit=False interpolates the vectors as they are by the angle between their directions; unit=True
    the directions, and gives the result the linearly interpolated norm.
    """
    base, other = widen(base), widen(other)
    # Wider than f64, whose products of long vectors depend on how BLAS shares them out: to the last
    # bit, in which results in f64 are compared.
    v0 = np.concatenate([x.ravel() for x in base]).astype(np.longdouble)
    v1 = np.concatenate([x.ravel() for x in other]).astype(np.longdouble)
    n0, n1 = np.sqrt(v0 @ v0), np.sqrt(v1 @ v1)
    u0 = v0 / n0 if n0 > ZERO_NORM else v0
    u1 = v1 / n1 if n1 > ZERO_NORM else v1
    cosine = np.clip(u0 @ u1, -1, 1)
    if abs(cosine) > ALMOST_PARALLEL:
        a, b = 1 - t, t
    else:
        angle = np.arccos(cosine)
        a = np.sin((1 - t) * angle) / np.sin(angle)
        b = np.sin(t * angle) / np.sin(angle)
    if unit:
        norm = (1 - t) * n0 + t * n1
        a = a * norm / n0 if n0 > ZERO_NORM else a * norm
        b = b * norm / n1 if n1 > ZERO_NORM else b * norm
    a, b = float(a), float(b)
    return [Answer(a * x + b * y, np.abs(a * x) + np.abs(b * y)) for x, y in zip(base, other)]
