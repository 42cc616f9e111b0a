"""safetensors files, held against the library's reader and writer."""

import ml_dtypes
import numpy as np
import safetensors.numpy

import tensors_file


def test_the_library_reads_what_is_written(tmp_path):
    path = tmp_path / "new" / "model.safetensors"
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    bits = tensors_file.to_bf16(values.copy())
    tensors_file.write(path, {"b": values.T, "a": bits})
    found = safetensors.numpy.load_file(path)
    np.testing.assert_array_equal(found["b"], values.T)
    np.testing.assert_array_equal(found["a"].astype(np.float32), values)


def test_a_folder_is_read_as_one(tmp_path):
    one, two = np.arange(6, dtype=np.float32).reshape(2, 3), np.float32([1.5, -2])
    safetensors.numpy.save_file({"one": one}, tmp_path / "1.safetensors")
    safetensors.numpy.save_file({"two": two.astype(ml_dtypes.bfloat16)}, tmp_path / "2.safetensors",
                                {"format": "pt"})  # fmt: skip
    found = tensors_file.Checkpoint(tmp_path)
    assert found.layout() == {"one": ("F32", (2, 3)), "two": ("BF16", (2,))}
    np.testing.assert_array_equal(found.read("one"), one)
    np.testing.assert_array_equal(found.read("two"), two)
    np.testing.assert_array_equal(found.end_of("one", 4), [2, 3, 4, 5])
    np.testing.assert_array_equal(found.end_of("one", 100), one.ravel())
    alone = tensors_file.Checkpoint(tmp_path / "1.safetensors")
    assert list(alone.tensors) == ["one"]


def test_bf16_is_rounded_to_nearest_even():
    values = np.random.default_rng(0).standard_normal(10_000, np.float32)
    expected = values.astype(ml_dtypes.bfloat16).view(np.uint16)
    np.testing.assert_array_equal(tensors_file.to_bf16(values.copy()), expected)
