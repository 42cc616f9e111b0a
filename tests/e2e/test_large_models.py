"""Models that do not fit into memory are refused in one line before they are read."""

import json
import os
import struct
import subprocess

import numpy as np
import pytest

from support import networks, program
from support.recipe import models, write_recipe
from support.runtime import need_runtime

INPUTS = (1 << 20,)
WIDE = (1 << 19,)  # the first matrix alone takes 2.2 TB in f32


@pytest.fixture(autouse=True)
def runtime(merganser):
    need_runtime(merganser)


def zeros(folder, sizes):
    """A checkpoint of zeros, which takes no room on a disk."""
    folder.mkdir()
    config = networks.mlp_config(inputs=INPUTS, sizes=sizes)
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
def huge(tmp_path):
    return zeros(tmp_path / "huge", WIDE)


@pytest.fixture
def task(tmp_path):
    return networks.task(tmp_path, inputs=INPUTS, rows=(1, 1))[0]


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


def test_memory_that_runs_out_on_the_way(task, tmp_path):
    """2.1 GB of weights where a process may have 2 GB of addresses: only the allocation tells."""
    model = zeros(tmp_path / "large", (512,))
    limit = f"ulimit -v 2000000 && exec {program.program()} evaluate {model} -t {task} --threads 1"
    done = subprocess.run(["bash", "-c", limit], capture_output=True, text=True, timeout=300)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    # The former where this machine itself has no 2.1 GB left.
    assert "not enough memory" in line and "--compute-dtype" in line
