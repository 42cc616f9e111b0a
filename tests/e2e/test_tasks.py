"""emr and consensus: one unified model, masks, and the checkpoint of each task from them."""

import json

import numpy as np
import pytest

from support import checkpoint, program, safetensors_file
from support.recipe import models, write_recipe

ODD = {"layers": 2, "hidden": 10, "vocab": 301}  # masks that end inside a byte


@pytest.fixture
def make(tmp_path, llamas):
    base, a, b = llamas(**ODD)

    def run(method, out="out", *arguments, **parameters):
        recipe = {"merge_method": method, "base_model": "base", "models": models("tune1", "tune2"),
                  "parameters": parameters}
        write_recipe(tmp_path / f"{out}.yml", recipe)
        program.succeed("merge", f"{out}.yml", out, *arguments, cwd=tmp_path)
        return tmp_path / out

    run.folder = tmp_path
    run.tensors = [
        {k: v.astype(np.float64) for k, v in checkpoint.read_checkpoint(p).items()}
        for p in (base, a, b)
    ]
    return run


def bits(folder, task, name, shape):
    packed = safetensors_file.read(folder / "task_masks.safetensors")[f"{task}/{name}"]
    count = int(np.prod(shape))
    assert packed.dtype == np.uint8 and packed.size == (count + 7) // 8
    return np.unpackbits(packed, count=count, bitorder="little").reshape(shape).astype(bool)


def emr(base, tunes):
    """The unified vector and the masks, as the paper defines them."""
    deltas = [t - base for t in tunes]
    positive = sum(deltas) > 0
    unified = np.max([np.where((d > 0) == positive, np.abs(d), 0) for d in deltas], axis=0)
    unified *= np.where(positive, 1, -1)
    return unified, [d * unified > 0 for d in deltas]


@pytest.mark.parametrize("rescale", ["elements", "tensors", "none"])
def test_emr(make, rescale):
    out = make("emr", rescale=rescale)
    base, *tunes = make.tensors
    merged = checkpoint.read_checkpoint(out)
    told = json.loads((out / "task_masks.json").read_text())
    assert [t["name"] for t in told["tasks"]] == ["tune1", "tune2"]
    parts = {n: emr(base[n], [t[n] for t in tunes]) for n in base}
    for name, (unified, masks) in parts.items():
        # Subtraction, factor and addition: three f32 roundings of numbers below 8.
        np.testing.assert_allclose(merged[name], base[name] + unified, rtol=0, atol=3 * 2.0**-22)
        for task, mask in zip(("tune1", "tune2"), masks):
            assert (bits(out, task, name, mask.shape) == mask).all(), name
    for i, task in enumerate(told["tasks"]):
        if rescale == "none":
            assert task["scale"] == 1
            continue
        weight = (lambda n: 1 / base[n].size) if rescale == "tensors" else (lambda n: 1)
        own = sum(weight(n) * np.abs(tunes[i][n] - base[n]).sum() for n in base)
        unified = sum(weight(n) * np.abs(parts[n][0][parts[n][1][i]]).sum() for n in base)
        # Sums of f32 deltas: each is off by at most 2^-24 of values near 1.
        assert task["scale"] == pytest.approx(own / unified, rel=1e-5)


@pytest.mark.parametrize("method", ["emr", "consensus"])
@pytest.mark.parametrize("arguments", [[], ["--memory", "8MiB", "--threads", "3"]])
def test_materialise(make, method, arguments):
    out = make(method, "out", *arguments)
    base, merged = make.tensors[0], checkpoint.read_checkpoint(out)
    told = json.loads((out / "task_masks.json").read_text())
    listed = program.succeed("materialise", out)
    for task in told["tasks"]:
        assert task["name"] in listed
        target = make.folder / f"{task['name']}-again"
        program.succeed("materialise", out, task["name"], target, *arguments, cwd=make.folder)
        for name, got in checkpoint.read_checkpoint(target).items():
            mask = bits(out, task["name"], name, got.shape)
            wanted = np.where(
                mask, base[name] + task["scale"] * (merged[name] - base[name]), base[name]
            )
            np.testing.assert_allclose(got, wanted, rtol=0, atol=3 * 2.0**-22, err_msg=name)
            assert (got[~mask] == base[name][~mask]).all()
        assert (target / "config.json").exists() and not (target / "task_masks.json").exists()


def test_emr_of_one_model_is_that_model(make):
    recipe = {"merge_method": "emr", "base_model": "base", "models": models("tune1")}
    write_recipe(make.folder / "one.yml", recipe)
    program.succeed("merge", "one.yml", "one", cwd=make.folder)
    program.succeed("materialise", "one", "tune1", "same", cwd=make.folder)
    same, tune = (checkpoint.read_checkpoint(make.folder / n) for n in ("same", "tune1"))
    for name, tensor in tune.items():
        # base + (tune - base): two roundings.
        np.testing.assert_allclose(same[name], tensor, rtol=0, atol=2 * 2.0**-22)


@pytest.mark.parametrize("min_tasks", [0, 1, 2])
def test_consensus(make, min_tasks):
    out = make("consensus", mask_lambda=0.5, min_tasks=min_tasks, **{"lambda": 0.7})
    base, *tunes = make.tensors
    for name, got in checkpoint.read_checkpoint(out).items():
        deltas = [(t[name].astype(np.float32) - base[name].astype(np.float32)) for t in tunes]
        total = deltas[0] + deltas[1]
        masks = [np.abs(d) > np.float32(0.5) * np.abs(total - d) for d in deltas]
        kept = sum(m.astype(int) for m in masks) >= min_tasks
        np.testing.assert_allclose(
            got, base[name] + 0.7 * np.where(kept, total, 0), rtol=0, atol=4 * 2.0**-22)
        for task, mask in zip(("tune1", "tune2"), masks):
            assert (bits(out, task, name, mask.shape) == mask).all(), name


def test_a_task_is_a_model_in_a_recipe(make):
    out = make("emr")
    program.succeed("materialise", out, "tune2", "two", cwd=make.folder)
    for path, model in [("a", {"model": {"path": "out"}, "task": "tune2"}), ("b", "two")]:
        recipe = {"merge_method": "linear", "models": [{"model": model}, {"model": "tune1"}],
                  "parameters": {"weight": 1}}
        write_recipe(make.folder / f"{path}.yml", recipe)
        program.succeed("merge", f"{path}.yml", path, cwd=make.folder)
    a, b = (checkpoint.read_checkpoint(make.folder / n) for n in "ab")
    assert all(a[n].tobytes() == b[n].tobytes() for n in a)


def test_replay_compares_masks(make):
    out = make("emr")
    program.succeed("replay", out, cwd=make.folder)
    path = out / "merganser_provenance.json"
    told = json.loads(path.read_text())
    told["tensors"][3]["masks"][1] = "xxh3:" + "0" * 32
    path.write_text(json.dumps(told))
    outcome = program.run("replay", out, cwd=make.folder)
    assert outcome.code == 1 and f"masks of {told['tensors'][3]['name']}" in outcome.out


def test_refusals(make, files):
    out = make("emr")
    folder = make.folder
    assert "tune1" in program.fail("materialise", out, "tune", folder / "x", cwd=folder)
    assert "no tasks" in program.fail("materialise", folder / "base", "a", folder / "x")
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    # The base is also looked for beside the output.
    program.succeed("materialise", out, "tune1", elsewhere / "ok", cwd=elsewhere)
    (folder / "base").rename(folder / "moved")
    assert "--base" in program.fail("materialise", out, "tune1", folder / "x", cwd=folder)
    program.succeed("materialise", out, "tune1", folder / "y", "--base", folder / "moved")
    told = json.loads((out / "task_masks.json").read_text())
    for key in told:
        for value in (None, 3, [], {}, "../x", [{"name": 1}]):
            (out / "task_masks.json").write_text(json.dumps({**told, key: value}))
            outcome = program.run("materialise", out, "tune1", folder / "z", "--base",
                                  folder / "moved")
            if key in ("method", "base_model") and outcome.code == 0:
                program.succeed("materialise", out, "tune1", folder / "z", "--base",
                                folder / "moved", "--force")
                continue
            assert outcome.code == 2 and "json.exception" not in outcome.err, (key, value)


def test_single_files_are_refused(tmp_path, files):
    a = {"w": np.ones((3, 3), np.float32)}
    paths = files(a, a)
    recipe = {"merge_method": "emr", "base_model": str(paths[0]), "models": models(paths[1])}
    error = program.fail("merge", write_recipe(tmp_path / "r.yml", recipe),
                         tmp_path / "o.safetensors")
    assert "folder" in error
