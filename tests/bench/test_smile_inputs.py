"""Inputs are made once, and again when anything that makes them is another."""

import smile_inputs

TENSORS = [("model.layers.0.self_attn.q_proj.weight", (8, 8))]
SHAPE = smile_inputs.shape_of(64)


def made(folder, spectrum="power"):
    return smile_inputs.make(folder, TENSORS, SHAPE, spectrum)[1] / "model.safetensors"


def test_kept_while_nothing_changes(tmp_path):
    file = made(tmp_path)
    before = file.stat().st_mtime_ns, file.read_bytes()
    assert made(tmp_path) == file and (file.stat().st_mtime_ns, file.read_bytes()) == before


def test_another_spectrum_is_made_again(tmp_path, monkeypatch):
    before = made(tmp_path).read_bytes()
    assert made(tmp_path, "steep").read_bytes() != before
    assert made(tmp_path).read_bytes() == before, "the bytes depend on nothing else"
    monkeypatch.setitem(smile_inputs.SPECTRA, "power", (0.9, 1e-4))
    assert made(tmp_path).read_bytes() != before, "nor does the name of a spectrum stand for its numbers"


def test_more_fine_tunes_are_made(tmp_path, monkeypatch):
    made(tmp_path)
    monkeypatch.setattr(smile_inputs, "TUNES", smile_inputs.TUNES + 1)
    made(tmp_path)
    assert (tmp_path / f"ft{smile_inputs.TUNES - 1}" / "model.safetensors").exists()
