"""A merged checkpoint held against its provenance."""

import json

import numpy as np
import pytest

from support import checkpoint, safetensors_file
from support.program import fail, run, succeed
from support.recipe import models, write_recipe
from support.unfinished import recipe_of

pytestmark = pytest.mark.usefixtures("merganser")


@pytest.fixture(params=[[], ["--max-shard-size", "64KB"], ["--hash", "sha256"]],
                ids=["one", "shards", "sha256"])
def merged(two, tmp_path, request):
    out = tmp_path / "out"
    (tmp_path / "tokens").mkdir()
    succeed("merge", recipe_of(two, tmp_path), out, *request.param)
    return out


def problems(path, *options):
    outcome = run("verify", path, "--json", *options)
    assert outcome.code == 1, outcome.err
    report = json.loads(outcome.out)
    assert not report["whole"]
    return {p["what"]: p["problem"] for p in report["problems"]}


def weight_files(folder):
    return sorted(folder.glob("model*.safetensors"))


def test_whole(merged, tmp_path):
    report = json.loads(succeed("verify", merged, "--json"))
    names = checkpoint.read_checkpoint(merged)
    assert report["whole"] and report["tensors"] == report["compared"] == len(names)
    assert report["files"] == len(list(merged.iterdir())) - len(weight_files(merged)) - 2  # card, record
    assert "as recorded" in succeed("verify", merged, "--threads", 1)
    succeed("verify", merged / "merganser_provenance.json")
    merged.rename(tmp_path / "elsewhere")  # the record has no places in it
    succeed("verify", tmp_path / "elsewhere")


def test_every_changed_byte_shows(merged):
    path = weight_files(merged)[-1]
    data = path.read_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    entries = {k: v for k, v in json.loads(data[8:header]).items() if k != "__metadata__"}
    generator = np.random.default_rng(1)
    for at in sorted(generator.integers(header, len(data), 8)):
        name = next(n for n, e in entries.items()
                    if e["data_offsets"][0] <= at - header < e["data_offsets"][1])
        path.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1:])
        assert list(problems(merged)) == [name]
    path.write_bytes(data)
    succeed("verify", merged)


def test_changed_files_show_but_the_card_may_change(merged):
    (merged / "README.md").write_text("my merge")
    succeed("verify", merged)
    config = merged / "config.json"
    config.write_text(config.read_text().replace("1e-05", "1e-06"))
    (merged / "merganser_recipe.yml").unlink()
    assert problems(merged) == {"config.json": "was changed after the merge",
                                "merganser_recipe.yml": "is not there"}


def test_tensors_that_are_missing_added_or_of_another_kind(two, tmp_path):
    out = tmp_path / "out"
    succeed("merge", recipe_of(two, tmp_path), out)
    path = out / "model.safetensors"
    tensors = safetensors_file.read(path)
    names = sorted(tensors)
    del tensors[names[0]]
    tensors[names[1]] = tensors[names[1]].astype(np.float16)
    tensors[names[2]] = tensors[names[2]][None]
    tensors["extra"] = np.zeros(3, np.float32)
    safetensors_file.write(path, tensors)
    found = problems(out)
    assert set(found) == {*names[:3], "extra"}
    assert "not there" in found[names[0]] and "F16" in found[names[1]] and "shape" in found[names[2]]


def test_without_hashes(two, tmp_path):
    out = tmp_path / "out"
    succeed("merge", recipe_of(two, tmp_path), out, "--hash", "none")
    assert "no hashes" in succeed("verify", out)


def test_single_file(two, tmp_path):
    source = two[0] / "model.safetensors"
    out = tmp_path / "x.safetensors"
    succeed("merge", "--method", "linear", source, "-o", out)
    succeed("verify", out)
    succeed("verify", tmp_path / "x.merganser.json")
    data = bytearray(out.read_bytes())
    data[-1] ^= 1
    out.write_bytes(data)
    assert len(problems(out)) == 1


def test_masks(two, tmp_path):
    recipe = {"merge_method": "emr", "base_model": str(two[0]), "models": models(two[1])}
    out = tmp_path / "out"
    succeed("merge", write_recipe(tmp_path / "r.yml", recipe), out)
    report = json.loads(succeed("verify", out, "--json"))
    assert report["compared"] > report["tensors"]
    path = out / "task_masks.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    [what] = problems(out)
    assert what.startswith("mask ")


@pytest.mark.parametrize("change", [
    lambda told: told.pop("tensors"),
    lambda told: told.update(format=2),
    lambda told: told["tensors"][0].update(hash="md5:0"),
    lambda told: told["tensors"].append(3),
    lambda told: told["tensors"][0].update(name=7),
])
def test_hostile_records(two, tmp_path, change):
    out = tmp_path / "out"
    succeed("merge", recipe_of(two, tmp_path), out)
    path = out / "merganser_provenance.json"
    told = json.loads(path.read_text())
    change(told)
    path.write_text(json.dumps(told))
    outcome = run("verify", out)
    assert outcome.code in (1, 2) and len((outcome.err or outcome.out).splitlines()) <= 4


def test_names_of_files_do_not_lead_out(two, tmp_path):
    out = tmp_path / "out"
    succeed("merge", recipe_of(two, tmp_path), out)
    path = out / "merganser_provenance.json"
    told = json.loads(path.read_text())
    told["files"] = {"../recipe.yml": "sha256:0", "/etc/passwd": "sha256:0", "a/../../x": "sha256:0"}
    path.write_text(json.dumps(told))
    assert set(problems(out).values()) == {"is no file of the output"}


def test_not_a_merge(two, tmp_path):
    assert "merganser_provenance.json" in fail("verify", two[0])
    fail("verify", tmp_path / "absent")


def test_adapters(two, tmp_path):
    out = tmp_path / "lora"
    succeed("extract-lora", two[1], two[0], out, "--max-rank", 4)
    report = json.loads(succeed("verify", out, "--json"))
    assert report["whole"] and report["compared"] == report["tensors"] > 0
    path = out / "adapter_model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    config = out / "adapter_config.json"
    config.write_text(config.read_text().replace("LORA", "lora"))
    found = problems(out)
    assert len(found) == 2 and found["adapter_config.json"] == "was changed after the merge"
    assert "recipe" in fail("replay", out)
