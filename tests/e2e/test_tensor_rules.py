"""Tensors that are not simply floats in all inputs: integers, heads, prefixes."""

import numpy as np
import pytest

from support import checkpoint
from support.numbers import same_bytes
from support.program import fail
from support.recipe import models, write_recipe

F32 = np.float32
X = [{"x": np.float32([1, 2])}, {"x": np.float32([3, 6])}]


def with_integers(first, second):
    return [{**X[0], "ids": np.array(first)}, {**X[1], "ids": np.array(second)}]


def test_equal_integers_are_copied(merge_files):
    got = merge_files("linear", with_integers([1, 2], [1, 2]), per_input={"weight": [1, 1]})
    assert same_bytes(got["ids"], np.array([1, 2])) and list(got["x"]) == [2, 4]


def test_equal_bools_are_copied(merge_files):
    got = merge_files(
        "linear", with_integers([True, False], [True, False]), per_input={"weight": [1, 1]},
        out_dtype="bfloat16",
    )
    assert same_bytes(got["ids"], np.array([True, False]))


def test_different_integers_are_an_error(files, tmp_path, merganser):
    paths = files(*with_integers([1, 2], [1, 3]))
    recipe = {"merge_method": "linear", "models": models(*paths, weight=[1, 1])}
    out = tmp_path / "out.safetensors"
    assert "ids" in fail("merge", write_recipe(tmp_path / "r.yml", recipe), out)
    assert not out.exists()


def test_different_integers_from_the_first(merge_files):
    got = merge_files(
        "linear", with_integers([1, 2], [1, 3]), per_input={"weight": [1, 1]}, integers="first"
    )
    assert same_bytes(got["ids"], np.array([1, 2]))


def test_different_integers_from_the_base(merge_files):
    inputs = with_integers([1, 2], [1, 3])
    got = merge_files(
        "task_arithmetic", inputs, base={"x": np.float32([0, 0]), "ids": np.array([7, 7])},
        per_input={"weight": [1, 1]}, integers="base",
    )
    assert same_bytes(got["ids"], np.array([7, 7])) and list(got["x"]) == [4, 8]


@pytest.fixture
def encoders(tmp_path):
    """Two fine-tunes of one body, each with a head of its own, of different shapes."""
    config = checkpoint.llama_config()
    body = checkpoint.random_tensors(checkpoint.llama_shapes(config), 0)
    paths = []
    for i, classes in enumerate((2, 5)):
        tensors = checkpoint.near(body, 1 + i)
        tensors[f"classifier{i}.weight"] = np.full((classes, 8), i, F32)
        paths.append(checkpoint.write_checkpoint(tmp_path / f"encoder{i}", config, tensors))
    return paths


def average(paths, **keys):
    return {"merge_method": "linear", "models": models(*paths, weight=[1, 1]), **keys}


def test_a_head_in_one_input_is_an_error_that_names_it(encoders, tmp_path, merganser):
    recipe = write_recipe(tmp_path / "r.yml", average(encoders))
    assert "classifier" in fail("merge", recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_heads_dropped(merged, encoders):
    got = merged(average(encoders, heads="drop"))
    assert not any("classifier" in name for name in got) and "model.norm.weight" in got


def test_head_kept_from_one_model(merged, encoders):
    got = merged(average(encoders, heads={"keep_from": str(encoders[1])}))
    assert "classifier0.weight" not in got
    assert same_bytes(got["classifier1.weight"], np.full((5, 8), 1, F32))


def test_prefix_is_bridged(merge, tmp_path):
    """`encoder.*` against `bert.encoder.*`: one unique common prefix, reported, and no error."""
    from support.checkpoint import read_checkpoint

    config = {"model_type": "bert", "architectures": ["BertModel"], "num_hidden_layers": 1,
              "hidden_size": 4, "vocab_size": 6}
    names = {
        "embeddings.word_embeddings.weight": (6, 4),
        "encoder.layer.0.attention.self.query.weight": (4, 4),
        "encoder.layer.0.attention.self.query.bias": (4,),
    }
    plain = checkpoint.random_tensors(names, 1)
    other = checkpoint.near(plain, 2)
    a = checkpoint.write_checkpoint(tmp_path / "plain", config, plain)
    b = checkpoint.write_checkpoint(
        tmp_path / "prefixed", {**config, "architectures": ["BertForMaskedLM"]},
        {"bert." + name: array for name, array in other.items()},
    )
    got = read_checkpoint(merge({**average([a, b]), "base_model": str(a)}))
    assert sorted(got) == sorted(names)
    for name in names:
        assert np.allclose(got[name], (plain[name] + other[name]) / 2, rtol=1e-6, atol=1e-7)
