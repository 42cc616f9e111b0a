"""One rounding, to nearest even, from the working precision to the stored type."""

import ml_dtypes
import numpy as np
import pytest

from support.numbers import same_bytes


def cast(merge_files, array, out_dtype):
    """The array through a passthrough merge with out_dtype."""
    return merge_files("passthrough", [{"x": array}], "--nan", "ignore", out_dtype=out_dtype)["x"]


def around_bfloat16_midpoints():
    """For every finite bf16: itself, both f32 next to the midpoint above, and that midpoint."""
    top = np.arange(0x10000, dtype=np.uint32)
    top = top[(top & 0x7F80) != 0x7F80]
    bits = (top[:, None] << 16) + np.array([0, 0x7FFF, 0x8000, 0x8001], np.uint32)
    return bits.ravel()


def test_f32_to_bfloat16(merge_files):
    bits = around_bfloat16_midpoints()
    got = cast(merge_files, bits.view(np.float32), "bfloat16")
    # Integer arithmetic: add half of the last kept bit, less one where that bit is even.
    expected = ((bits.astype(np.uint64) + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    assert np.array_equal(got.view(np.uint16), expected)


def test_f32_to_float16(merge_files):
    half = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float64)
    middle = ((half[:-1] + half[1:]) / 2).astype(np.float32)
    values = np.concatenate(
        [half.astype(np.float32), middle, np.nextafter(middle, np.float32(0)),
         np.nextafter(middle, np.float32(np.inf))]
    )
    values = np.concatenate([values, -values])
    got = cast(merge_files, values, "float16")
    # NumPy rounds f32 to f16 to nearest even, subnormals too.
    assert same_bytes(got, values.astype(np.float16))


def test_f64_to_f32(merge_files):
    generator = np.random.default_rng(5)
    low = generator.standard_normal(5000).astype(np.float32)
    high = np.nextafter(low, np.float32(np.inf)).astype(np.float64)
    middle = (low.astype(np.float64) + high) / 2
    values = np.concatenate([low, middle, np.nextafter(middle, -9), np.nextafter(middle, 9)])
    assert same_bytes(cast(merge_files, values, "float32"), values.astype(np.float32))


@pytest.mark.parametrize("name, dtype", [("bfloat16", ml_dtypes.bfloat16), ("float16", np.float16)])
def test_f64_rounds_once(merge_files, name, dtype):
    """A hair above or below a midpoint: by way of f32 the hair is lost and the tie goes to even."""
    step = float(ml_dtypes.finfo(dtype).eps)
    ones = 1 + step * np.arange(64)
    hair = 2.0**-40
    above, below = ones + step / 2 + hair, ones + step / 2 - hair
    got = cast(merge_files, np.concatenate([above, below]), name).astype(np.float64)
    assert np.array_equal(got, np.concatenate([ones + step, ones]))


@pytest.mark.parametrize("dtype", [ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2])
def test_f8_is_read_as_numbers(merge_files, dtype):
    """Plain f8 (no quantisation declared) widens exactly."""
    bits = np.arange(256, dtype=np.uint8)
    x = bits.view(dtype)
    x = x[np.isfinite(x.astype(np.float32))]
    got = cast(merge_files, x, "float32")
    assert np.array_equal(got, x.astype(np.float32))


def test_f8_merges_into_f8(merge_files):
    dtype = np.dtype(ml_dtypes.float8_e4m3fn)
    a = np.array([1, 2, 3, 0.5], np.float32).astype(dtype)
    b = np.array([3, 2, 1, 1.5], np.float32).astype(dtype)
    got = merge_files("linear", [{"x": a}, {"x": b}], per_input={"weight": [1, 1]})["x"]
    assert got.dtype == dtype
    assert list(got.astype(np.float32)) == [2, 2, 2, 1]
