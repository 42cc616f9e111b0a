"""Models that do not fit into memory are refused in one line before they are read."""

import json
import os
import struct

import numpy as np
import pytest

from support import networks, program
from support.recipe import models, write_recipe
from support.runtime import need_runtime

SIZES = {"inputs": (1 << 20,), "sizes": (1 << 19,)}  # the first matrix alone takes 2.2 TB in f32


@pytest.fixture(autouse=True)
def runtime(merganser):
    need_runtime(merganser)


@pytest.fixture
def huge(tmp_path):
    """A checkpoint of zeros, which takes no room on a disk."""
    folder = tmp_path / "huge"
    folder.mkdir()
    config = networks.mlp_config(**SIZES)
    (folder / "config.json").write_text(json.dumps(config))
    (wide,), (inside,), classes = config["hidden_sizes"], config["input_shape"], config["num_labels"]
    header, end = {}, 0
    for name, shape in (("classifier.bias", [classes]), ("classifier.weight", [classes, wide]),
                        ("layers.0.linear.bias", [wide]), ("layers.0.linear.weight", [wide, inside])):
        begin, end = end, end + 4 * int(np.prod(shape))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    try:
        with open(folder / "model.safetensors", "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            os.ftruncate(file.fileno(), 8 + len(text) + end)
    except OSError as error:
        pytest.skip(f"the file system has no files of {end} bytes: {error}")
    return folder


@pytest.fixture
def task(tmp_path):
    return networks.task(tmp_path, inputs=SIZES["inputs"], rows=(1, 1))[0]


def test_a_checkpoint(huge, task):
    line = program.fail("evaluate", huge, "-t", task)
    assert "huge" in line and "not enough memory: its weights take 2.20 TB" in line
    assert "--compute-dtype" in line
    assert "take 1.10 TB" in program.fail("barrier", huge, huge, "-t", task, "--compute-dtype", "bfloat16")


def test_a_merge_in_memory(huge, task, tmp_path):
    write_recipe(tmp_path / "soup.yml", {"merge_method": "linear", "models": models("huge"),
                                         "parameters": {"weight": 1}})
    line = program.fail("evaluate", "soup.yml", "-t", task, cwd=tmp_path)
    assert "soup.yml" in line and "not enough memory" in line


def test_one_drawn_at_random(huge, task, tmp_path):
    line = program.fail("train", huge, "--init", "-t", task, "-o", tmp_path / "out", "--steps", 1)
    assert "not enough memory: to draw 'layers.0.linear.weight' takes 4.40 TB" in line
    assert not (tmp_path / "out").exists()
