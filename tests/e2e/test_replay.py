"""replay: the same bytes again, or what changed."""

import json

import numpy as np
import pytest
import yaml

from support import checkpoint, program, safetensors_file
from support.recipe import models, write_recipe


@pytest.fixture
def made(tmp_path, llamas):
    """A DARE-TIES merge with relative model names, and the folder it was made in."""
    base, a, b = llamas(layers=2, hidden=16, dtype=checkpoint.BF16)
    recipe = {
        "merge_method": "dare_ties",
        "base_model": "base",
        "models": models("tune1", "tune2", weight=[0.4, 0.5]),
        "parameters": {"density": 0.5},
        "seed": 3,
    }

    def make(*arguments, **more):
        write_recipe(tmp_path / "r.yml", {**recipe, **more})
        program.succeed("merge", "r.yml", "out", *arguments, cwd=tmp_path)
        return tmp_path / "out"

    return make


def digest(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "README.md"}


@pytest.mark.parametrize("arguments", [[], ["--seed", "9"], ["--hash", "sha256"],
                                       ["--max-shard-size", "3kB"], ["--only", "*mlp*"]])
def test_the_same_bytes(made, tmp_path, arguments):
    out = made(*arguments)
    told = program.succeed("replay", out, tmp_path / "again", cwd=tmp_path)
    assert told.startswith("the same: ") and "written to" in told
    assert digest(out) == digest(tmp_path / "again")


def test_compares_without_writing(made, tmp_path):
    out = made()
    before = sorted(tmp_path.iterdir())
    # Relative names are also looked up beside the provenance: here they are not.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    program.succeed("replay", out / "merganser_provenance.json", cwd=tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([*before, elsewhere])
    assert "no such file" in program.fail("replay", out, cwd=elsewhere)


def test_says_what_changed(made, tmp_path):
    out = made()
    path = tmp_path / "tune1/model.safetensors"
    tensors = {k: v.copy() for k, v in safetensors_file.read(path).items()}
    name = "model.layers.1.mlp.up_proj.weight"
    tensors[name][0, 0] += 1
    safetensors_file.write(path, tensors, {"format": "pt"})
    outcome = program.run("replay", out, tmp_path / "again", cwd=tmp_path)
    assert outcome.code == 1, outcome.err
    assert f"input {name} of tune1: xxh3:" in outcome.out
    assert f"output {name}: xxh3:" in outcome.out
    assert outcome.out.startswith("not the same: 2 differences")
    assert not (tmp_path / "again").exists()
    report = json.loads(program.run("replay", out, "--json", cwd=tmp_path).out)
    assert report["same"] is False and len(report["differences"]) == 2


def test_a_changed_config_is_named(made, tmp_path):
    out = made()
    path = tmp_path / "tune2/config.json"
    path.write_text(path.read_text().replace("32", "33"))
    outcome = program.run("replay", out, cwd=tmp_path)
    assert outcome.code == 1 and "config.json of tune2" in outcome.out


def test_documents(made, tmp_path, llamas):
    first = {"name": "first", "merge_method": "linear", "models": models("tune1", "tune2"),
             "parameters": {"weight": 1}}
    last = {"merge_method": "slerp", "base_model": "base", "models": models("first"),
            "parameters": {"t": 0.5}}
    (tmp_path / "r.yml").write_text(yaml.safe_dump_all([first, last]))
    made()
    (tmp_path / "r.yml").write_text(yaml.safe_dump_all([first, last]))
    program.succeed("merge", "r.yml", "chain", cwd=tmp_path)
    program.succeed("replay", "chain", cwd=tmp_path)
    path = tmp_path / "tune1/model.safetensors"
    tensors = {k: v + np.asarray(1, v.dtype) for k, v in safetensors_file.read(path).items()}
    safetensors_file.write(path, tensors, {"format": "pt"})
    outcome = program.run("replay", "chain", cwd=tmp_path)
    assert outcome.code == 1 and "first: input model.norm.weight of tune1" in outcome.out


def test_without_hashes_there_is_nothing_to_compare(made, tmp_path):
    out = made("--hash", "none")
    assert "not compared" in program.succeed("replay", out, cwd=tmp_path)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"merganser": 1}', "\x00",
                                  '{"merganser": "1", "recipe": "x: [", "tensors": []}',
                                  '{"merganser":"1","format":99,"recipe":"a","tensors":[]}'])
def test_what_is_no_provenance(tmp_path, text):
    path = tmp_path / "merganser_provenance.json"
    path.write_text(text)
    program.fail("replay", path)
    program.fail("replay", tmp_path)


def test_hostile_records_do_not_crash(made, tmp_path):
    out = made()
    told = json.loads((out / "merganser_provenance.json").read_text())
    for key in list(told):
        for value in [None, 7, "x", [], {}, [None], [{"name": 3, "inputs": 5, "base": "b"}]]:
            if key in ("recipe",) and isinstance(value, str):
                continue
            path = tmp_path / "bad.json"
            path.write_text(json.dumps({**told, key: value}))
            outcome = program.run("replay", path, cwd=tmp_path)
            assert outcome.code in (0, 1, 2), (key, value, outcome)
            if outcome.code == 2:
                assert outcome.err.count("\n") == 1 and "json.exception" not in outcome.err, (
                    key, value, outcome.err)
