"""Comparing a program's rounding with an exact answer."""

import ml_dtypes
import numpy as np

BF16 = np.dtype(ml_dtypes.bfloat16)
FLOATS = {
    "float64": np.dtype(np.float64),
    "float32": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
    "bfloat16": BF16,
}


def info(dtype):
    return ml_dtypes.finfo(dtype) if dtype == BF16 else np.finfo(dtype)


def half_ulp(values, dtype):
    """Half the spacing of `dtype` around each value: what one rounding to nearest may cost."""
    limits = info(np.dtype(dtype))
    tiny = float(limits.smallest_subnormal)
    _, exponent = np.frexp(np.maximum(np.abs(values), float(limits.smallest_normal)))
    # frexp's mantissa lies in [0.5, 1): the spacing is 2^(exponent - 1 - nmant). A result that is
    # rounded up to the next power of two is that spacing away too.
    return np.maximum(np.ldexp(0.5, exponent - 1 - limits.nmant), tiny / 2)


def working_epsilon(*dtypes):
    """The unit of the working precision: f64 where an input is f64, else f32."""
    return 2.0**-52 if any(np.dtype(d) == np.float64 for d in dtypes) else 2.0**-23


def assert_rounded(got, exact, magnitude, epsilon, name="", skip=None, roundings=4):
    """`got` = `exact` after a few roundings in working precision and one to the stored type.

    magnitude: for each element the sum of the sizes of the terms it was made from, since every
    rounding error on the way is at most epsilon/2 of one of them. Four half-epsilons per term:
    widening is exact; subtraction, product and sum round once each, and the divisor once.
    """
    assert got.shape == np.shape(exact), f"{name}: {got.shape} against {np.shape(exact)}"
    values = np.atleast_1d(np.asarray(got).astype(np.float64))
    exact = np.atleast_1d(np.asarray(exact, np.float64))
    allowed = half_ulp(exact, got.dtype) + roundings * epsilon / 2 * np.atleast_1d(magnitude)
    wrong = ~(np.abs(values - exact) <= allowed)
    if skip is not None:
        wrong &= ~np.atleast_1d(skip)
    if wrong.any():
        worst = np.flatnonzero(wrong)[0]
        raise AssertionError(
            f"{name}: {wrong.sum()} of {wrong.size} elements differ, the first at {worst}: "
            f"{values.flat[worst]!r} against {exact.flat[worst]!r} "
            f"(allowed {np.broadcast_to(allowed, exact.shape).flat[worst]:.3g})"
        )


def same_bytes(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
