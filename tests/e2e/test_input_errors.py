"""Checkpoints that cannot be merged: named, explained, refused before any output."""

import json

import numpy as np
import pytest

from support import checkpoint, safetensors_file
from support.numbers import same_bytes
from support.program import fail, run
from support.recipe import models, write_recipe

pytestmark = pytest.mark.usefixtures("merganser")

LFS = b"""version https://git-lfs.github.com/spec/v1
oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
size 12345
"""


@pytest.fixture
def refuse(tmp_path):
    """refuse(*paths) averages these models, which must fail; returns the error line."""

    def run(*paths, **keys):
        recipe = {"merge_method": "linear", "models": models(*paths, weight=[1] * len(paths)), **keys}
        path = write_recipe(tmp_path / "recipe.yml", recipe)
        before = sorted(tmp_path.iterdir())
        line = fail("merge", path, tmp_path / "out")
        assert sorted(tmp_path.iterdir()) == before, "something was left behind"
        return line

    return run


def edit_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def edit_tensors(folder, change):
    tensors = dict(checkpoint.read_checkpoint(folder))
    change(tensors)
    safetensors_file.write(folder / "model.safetensors", tensors)


def test_missing_folder(refuse, llamas, tmp_path):
    assert "nowhere" in refuse(llamas()[0], tmp_path / "nowhere")


def test_hub_name_that_is_no_folder(refuse, llamas):
    """merganser does not download: the message says that this is not a local folder."""
    assert "someone/some-model" in refuse(llamas()[0], "someone/some-model")


def test_folder_without_weights(refuse, llamas):
    base, one, _ = llamas()
    (one / "model.safetensors").unlink()
    assert "tune1" in refuse(base, one)


def test_missing_shard(refuse, llamas):
    base, one, _ = llamas(shards=3)
    (one / "model-00002-of-00003.safetensors").unlink()
    assert "model-00002-of-00003" in refuse(base, one)


def test_index_names_a_tensor_that_its_shard_lacks(refuse, llamas):
    base, one, _ = llamas(shards=2)
    path = one / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    names = sorted(index["weight_map"])
    index["weight_map"][names[0]] = "model-00001-of-00002.safetensors"
    index["weight_map"][names[1]] = "model-00001-of-00002.safetensors"
    index["weight_map"]["model.ghost"] = "model-00001-of-00002.safetensors"
    path.write_text(json.dumps(index))
    assert "tune1" in refuse(base, one)


@pytest.mark.parametrize("target", ["../base/model.safetensors", "/etc/passwd", "sub/../../x"])
def test_index_that_leads_out_of_the_folder(refuse, llamas, target):
    base, one, _ = llamas(shards=2)
    path = one / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    index["weight_map"] = {name: target for name in index["weight_map"]}
    path.write_text(json.dumps(index))
    refuse(base, one)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"weight_map": 3}', '{"weight_map": {"a": 1}}'])
def test_broken_index(refuse, llamas, text):
    base, one, _ = llamas(shards=2)
    (one / "model.safetensors.index.json").write_text(text)
    assert "index.json" in refuse(base, one)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"architectures": ["LlamaForCausalLM"], "num_hidden_layers": "two"}'])
def test_broken_config(refuse, llamas, text):
    base, one, _ = llamas()
    (base / "config.json").write_text(text)
    assert "config.json" in refuse(base, one)


def test_wrong_shape_shows_both(refuse, llamas):
    base, one, _ = llamas()
    name = "model.layers.1.mlp.up_proj.weight"
    edit_tensors(one, lambda t: t.update({name: np.zeros((16, 9), np.float32)}))
    line = refuse(base, one)
    assert name in line and "16" in line and "8" in line and "9" in line


def test_same_size_in_another_shape(refuse, files):
    line = refuse(*files({"x": np.zeros((2, 6), np.float32)}, {"x": np.zeros((3, 4), np.float32)}))
    assert all(number in line for number in "2634")


def test_vocabulary_mismatch(refuse, tmp_path):
    a = checkpoint.llama(tmp_path / "a", 1, vocab=16)
    b = checkpoint.llama(tmp_path / "b", 2, vocab=24)
    line = refuse(a, b)
    assert "16" in line and "24" in line and "vocab" in line.lower()


def test_missing_tensor(refuse, llamas):
    base, one, _ = llamas()
    edit_tensors(one, lambda t: t.pop("model.layers.0.mlp.up_proj.weight"))
    assert "model.layers.0.mlp.up_proj.weight" in refuse(base, one)


def test_different_architectures(refuse, tmp_path):
    a = checkpoint.llama(tmp_path / "a", 1)
    b = checkpoint.llama(tmp_path / "b", 2)
    edit_config(b, model_type="gpt_neox", architectures=["GPTNeoXForCausalLM"])
    refuse(a, b)


def test_git_lfs_pointer(refuse, llamas):
    base, one, _ = llamas()
    (one / "model.safetensors").write_bytes(LFS)
    line = refuse(base, one)
    assert "lfs" in line.lower() and "lfs pull" in line and "model.safetensors" in line


def test_unfinished_download(refuse, llamas):
    base, one, _ = llamas()
    path = one / "model.safetensors"
    path.rename(one / "model.safetensors.incomplete")
    assert "incomplete" in refuse(base, one) or "unfinished" in refuse(base, one)


@pytest.mark.parametrize("config", [
    {"quantization_config": {"quant_method": "gptq", "bits": 4}},
    {"quantization_config": {"quant_method": "fp8"}},
])
def test_declared_quantisation(refuse, llamas, config):
    base, one, _ = llamas()
    edit_config(one, **config)
    line = refuse(base, one)
    assert "quanti" in line and config["quantization_config"]["quant_method"] in line


@pytest.mark.parametrize("suffix", ["qweight", "weight_scale_inv", "absmax", "weight.absmax"])
def test_quantisation_told_by_companion_tensors(refuse, llamas, suffix):
    base, one, _ = llamas()
    name = "model.layers.0.mlp.up_proj."
    for folder in (base, one):
        edit_tensors(folder, lambda t: t.update({name + suffix: np.zeros((2, 2), np.float32)}))
        if suffix == "weight_scale_inv":  # beside an f32 weight it would only be an odd name
            edit_tensors(folder, lambda t: t.update({name + "weight": np.zeros((2, 2), np.uint8)}))
    assert "quanti" in refuse(base, one)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_a_number_is_an_error_with_its_place(files, tmp_path, bad):
    x = np.ones(5000, np.float32)
    y = x.copy()
    y[[7, 4321]] = bad
    recipe = {"merge_method": "linear", "models": models(*files({"x": x}, {"x": y}), weight=[1, 1])}
    path, out = write_recipe(tmp_path / "r.yml", recipe), tmp_path / "out.safetensors"
    line = fail("merge", path, out, "--nan", "error")
    assert "x" in line and not out.exists()
    warned = run("merge", path, out, "--nan", "warn")
    assert warned.code == 0 and "warning" in warned.err and "2" in warned.err
    got = safetensors_file.read(out)["x"]
    assert not np.isfinite(got[[7, 4321]]).any() and np.isfinite(got).sum() == 4998
    silent = run("merge", path, out, "--nan", "ignore", "--force")
    assert silent.code == 0 and "warning" not in silent.err
    assert same_bytes(safetensors_file.read(out)["x"], got)


def test_control_characters_in_names_stay_in_one_line(refuse, files):
    name = "evil\nname\x1b[31m"
    line = refuse(*files({name: np.zeros(2, np.float32)}, {name: np.zeros(3, np.float32)}))
    assert "\x1b" not in line and "evil" in line


def test_unreadable_file(refuse, llamas):
    import os

    if os.getuid() == 0:
        pytest.skip("root reads everything")
    base, one, _ = llamas()
    (one / "model.safetensors").chmod(0)
    assert "model.safetensors" in refuse(base, one)


@pytest.mark.parametrize("special", ["folder", "fifo", "/dev/null"])
def test_weights_that_are_no_file(refuse, llamas, special):
    import os

    base, one, _ = llamas()
    path = one / "model.safetensors"
    path.unlink()
    if special == "folder":
        path.mkdir()
    elif special == "fifo":
        os.mkfifo(path)  # reading it would wait for ever
    else:
        path.symlink_to(special)
    refuse(base, one)
