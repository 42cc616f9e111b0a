"""Tied embeddings: an output head exists if any input has one, as in MergeKit."""

import json
import shutil

import numpy as np
import pytest

from support import safetensors_file
from support.checkpoint import read_checkpoint
from support.recipe import models


@pytest.fixture
def untied(stories, tmp_path):
    """The Shakespeare model with an lm_head of its own."""
    folder = tmp_path / "untied"
    shutil.copytree(stories / "shakespeare", folder)
    tensors = dict(read_checkpoint(folder))
    tensors["lm_head.weight"] = (tensors["model.embed_tokens.weight"] * 1.25).astype(np.float32)
    safetensors_file.write(folder / "model.safetensors", tensors, {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": False}))
    return folder


def test_tied_inputs_give_no_head(merged, stories):
    recipe = {
        "merge_method": "linear",
        "models": models(stories / "base", stories / "inaugural", weight=[1, 1]),
    }
    assert "lm_head.weight" not in merged(recipe)


def test_one_untied_input_gives_a_head(merge, mergekit_merge, stories, untied):
    recipe = {
        "merge_method": "linear",
        "base_model": str(untied),
        "models": models(untied, stories / "inaugural", weight=[0.6, 0.4]),
    }
    out, theirs = merge(recipe), mergekit_merge(recipe)
    ours = read_checkpoint(out)
    assert sorted(ours) == sorted(theirs)
    for name, array in theirs.items():
        assert np.max(np.abs(ours[name] - array)) <= 1e-6 * np.max(np.abs(array)), name
    # Else transformers would ignore the head that was written.
    assert json.loads((out / "config.json").read_text())["tie_word_embeddings"] is False


def test_base_tied_other_not(merge, stories, untied):
    """The base's config says tied, the output has a head: the config must say so."""
    recipe = {
        "merge_method": "linear",
        "base_model": str(stories / "inaugural"),
        "models": models(stories / "inaugural", untied, weight=[0.6, 0.4]),
    }
    out = merge(recipe)
    assert "lm_head.weight" in read_checkpoint(out)
    assert json.loads((out / "config.json").read_text())["tie_word_embeddings"] is False
