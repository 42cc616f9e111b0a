"""The errors of experts, from the files of both programs."""

import numpy as np
import pytest

import smile_linear
import tensors_file

NAME = "model.layers.0.self_attn.q_proj"
RANK = 2


@pytest.fixture
def files(tmp_path):
    """A base and two fine-tunes in bf16, and experts in f32: exact, and with the second triple missing."""
    random = np.random.default_rng(0)
    left = np.linalg.qr(random.standard_normal((6, 2)))[0].T
    right = np.linalg.qr(random.standard_normal((5, 2)))[0].T
    base = np.zeros((6, 5), np.float32)
    sizes = np.array([4.0, 3.0])
    changes = [(left.T * sizes) @ right, (left.T * sizes[::-1]) @ right]
    # As bf16 holds them, so that the exact experts are not exact to the last digit.
    written = [base, *(change.astype(np.float32) for change in changes)]
    paths = []
    for i, array in enumerate(written):
        bits = (array.view(np.uint32) >> 16).astype(np.uint16)
        paths.append(tmp_path / f"{i}.safetensors")
        tensors_file.write(paths[-1], {f"{NAME}.weight": bits})
    ours, theirs = {}, {}
    inner = np.concatenate([sizes[:, None] * right, sizes[::-1, None] * right]).astype(np.float32)
    ours[f"{NAME}.smile_in"] = inner
    ours[f"{NAME}.smile_out"] = np.concatenate([left, left]).astype(np.float32)
    for i, values in enumerate((sizes, sizes[::-1])):
        kept = np.where(np.arange(2) == 0, values, 0)  # the first triple alone
        theirs[f"experts.{i}.u"] = left.T.astype(np.float32)
        theirs[f"experts.{i}.svh"] = (kept[:, None] * right).astype(np.float32)
    for name, tensors in (("ours", ours), ("theirs", theirs)):
        paths.append(tmp_path / f"{name}.safetensors")
        tensors_file.write(paths[-1], tensors)
    return paths


def test_errors(files):
    *models, ours, theirs = files
    found = smile_linear.errors(NAME, RANK, models, ours, theirs)
    assert found["ours"] == pytest.approx([0, 0], abs=0.01)
    assert found["theirs"] == pytest.approx([3 / 5, 4 / 5], abs=0.01)


@pytest.mark.parametrize(
    "ours, wrong", [([0.5, 0.5], False), ([0.501, 0.5], False), ([0.5, 0.51], True), ([float("nan"), 0.5], True)]
)
def test_no_larger_than_theirs(ours, wrong):
    assert smile_linear.wrong({"ours": ours, "theirs": [0.5, 0.5]}) == wrong
