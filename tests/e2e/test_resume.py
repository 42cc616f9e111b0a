"""Interrupted merges go on where they stopped, and end in the bytes of an uninterrupted one."""

import json
import os
import random
import shutil
import signal
import subprocess
import time

import pytest

from support import checkpoint
from support.program import fail, finish, start, succeed
from support.recipe import models, write_recipe
from support.unfinished import (
    JOURNAL,
    hidden,
    journaled,
    kill_after,
    recipe_of,
    snapshot,
    unfinished_folder,
)

pytestmark = pytest.mark.usefixtures("merganser")


@pytest.mark.parametrize("options", [[], ["--threads", 2, "--max-shard-size", "64KB"]])
def test_resumed_work_is_the_remainder(two, tmp_path, troubled_io, options):
    """Bytes read by the second run: those of the tensors that were not in the journal, and no more
    than one tensor beside."""
    out, whole = tmp_path / "out", tmp_path / "whole"
    recipe = recipe_of(two, tmp_path)
    full = json.loads(succeed("merge", recipe, whole, "--json", *options))
    process = start("merge", recipe, out, *options, env=troubled_io(sleep_us=2000))
    names = kill_after(process, tmp_path, 40)
    assert not out.exists() and len(names) >= 40
    report = json.loads(succeed("merge", recipe, out, "--resume", "--json", *options))
    assert report["resumed_tensors"] == len(set(names)) == len(names)
    tensors = checkpoint.read_checkpoint(two[0])
    share = {name: 2 * array.nbytes for name, array in tensors.items()}  # base and tune
    assert sum(share.values()) == full["bytes_read"]
    remainder = sum(share[name] for name in share if name not in names)
    assert remainder <= report["bytes_read"] <= remainder + max(share.values())
    assert report["bytes_read"] < full["bytes_read"] / 2
    shutil.rmtree(whole)
    succeed("merge", recipe, whole, "--quiet", *options)
    (whole / "README.md").write_text((whole / "README.md").read_text().replace("# whole", "# out"))
    assert snapshot(out) == snapshot(whole) and not hidden(tmp_path)


def test_fifty_kills(two, tmp_path, troubled_io):
    """kill -9 at random moments, then --resume, until it is done; each end is the same folder, and
    the inputs are as they were."""
    recipe, out = recipe_of(two, tmp_path), tmp_path / "out"
    succeed("merge", recipe, out)
    wanted, inputs = snapshot(out), [snapshot(folder) for folder in two]
    generator = random.Random(5)
    kills = resumed = 0
    while kills < 50:
        shutil.rmtree(out, ignore_errors=True)
        first = True
        while not out.exists():
            slow = troubled_io(sleep_us=generator.choice([0, 300, 1000]))
            process = start("merge", recipe, out, *([] if first else ["--resume"]), env=slow)
            first = False
            try:
                process.wait(timeout=generator.uniform(0.002, 0.4))
            except subprocess.TimeoutExpired:
                process.kill()
                kills += 1
            code = finish(process).code
            assert code in (0, -signal.SIGKILL)
            assert (code == 0) <= out.exists()
            resumed += len(journaled(tmp_path)) > 0
        assert snapshot(out) == wanted
    succeed("merge", recipe, out, "--resume", "--force")  # clears up what a late kill may have left
    assert snapshot(out) == wanted and not hidden(tmp_path)
    assert [snapshot(folder) for folder in two] == inputs
    assert resumed >= 5, "the kills came too early or too late to show anything"


@pytest.mark.parametrize("method", ["della", "model_stock", "ties"])
def test_every_kind_of_merge(two, tmp_path, troubled_io, method):
    """Whole rows, whole tensors' statistics, and reductions over the whole model."""
    third = tmp_path / "third"
    shutil.copytree(two[1], third)
    both = [two[1], third]
    recipe = {
        "merge_method": method,
        "base_model": str(two[0]),
        "models": models(*both) if method == "model_stock" else models(two[1], weight=[0.5]),
        "parameters": {
            "della": {"density": 0.5},
            "model_stock": {},
            "ties": {"density": 0.5, "trim_scope": "model"},
        }[method],
    }
    path = write_recipe(tmp_path / "recipe.yml", recipe)
    out = tmp_path / "out"
    succeed("merge", path, out)
    wanted = snapshot(out)
    shutil.rmtree(out)
    names = kill_after(start("merge", path, out, env=troubled_io(sleep_us=1500)), tmp_path, 10)
    assert not out.exists() and len(names) >= 10
    report = json.loads(succeed("merge", path, out, "--resume", "--json"))
    assert report["resumed_tensors"] == len(names) and snapshot(out) == wanted


def test_masks_and_facts_survive(two, tmp_path, troubled_io):
    """emr writes masks beside the weights and facts into the provenance."""
    recipe = {"merge_method": "emr", "base_model": str(two[0]), "models": [{"model": str(two[1])}]}
    path, out = write_recipe(tmp_path / "recipe.yml", recipe), tmp_path / "out"
    succeed("merge", path, out)
    wanted = snapshot(out)
    shutil.rmtree(out)
    names = kill_after(start("merge", path, out, env=troubled_io(sleep_us=2000)), tmp_path, 10)
    assert not out.exists() and names
    succeed("merge", path, out, "--resume")
    assert snapshot(out) == wanted


def test_document_recipe(two, tmp_path, troubled_io):
    text = f"""
name: middle
merge_method: linear
models:
  - {{model: {two[0]}, parameters: {{weight: 0.5}}}}
  - {{model: {two[1]}, parameters: {{weight: 0.5}}}}
---
merge_method: ties
base_model: {two[0]}
models:
  - {{model: middle, parameters: {{weight: 0.5, density: 0.5}}}}
"""
    path, out = tmp_path / "recipe.yml", tmp_path / "out"
    path.write_text(text)
    succeed("merge", path, out)
    wanted = snapshot(out)
    shutil.rmtree(out)
    kill_after(start("merge", path, out, env=troubled_io(sleep_us=1000)), tmp_path, 10)
    succeed("merge", path, out, "--resume")
    assert snapshot(out) == wanted


@pytest.fixture
def unfinished(two, tmp_path, troubled_io):
    """A copy of the two models, a recipe, and the folder of a run that was killed."""
    copies = [shutil.copytree(folder, tmp_path / folder.name) for folder in two]
    recipe = recipe_of(copies, tmp_path)
    process = start("merge", recipe, tmp_path / "out", env=troubled_io(sleep_us=2000))
    assert kill_after(process, tmp_path, 5)
    return copies, recipe


def test_changed_input_refuses(unfinished, tmp_path):
    (base, tune), recipe = unfinished
    path = sorted(tune.glob("*.safetensors"))[1]
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    error = fail("merge", recipe, tmp_path / "out", "--resume")
    assert path.name in error and "changed" in error and "--resume" in error
    assert hidden(tmp_path), "refusing must not throw the work away"
    succeed("merge", recipe, tmp_path / "out")  # from the start
    assert not hidden(tmp_path)


def test_touched_input_refuses(unfinished, tmp_path):
    (base, _), recipe = unfinished
    os.utime(base / "model.safetensors")
    assert "changed" in fail("merge", recipe, tmp_path / "out", "--resume")


def test_changed_config_refuses(unfinished, tmp_path):
    (base, _), recipe = unfinished
    path = base / "config.json"
    path.write_text(path.read_text().replace("1e-05", "1e-06"))
    assert "another merge" in fail("merge", recipe, tmp_path / "out", "--resume")


@pytest.mark.parametrize("change", ["recipe", "--seed", "--hash", "--max-shard-size"])
def test_another_merge_refuses(unfinished, tmp_path, change):
    copies, recipe = unfinished
    options = {"--seed": ["--seed", 3], "--hash": ["--hash", "sha256"],
               "--max-shard-size": ["--max-shard-size", "64KB"]}.get(change, [])
    if change == "recipe":
        recipe = recipe_of(copies, tmp_path, normalize=False)
    assert "another merge" in fail("merge", recipe, tmp_path / "out", "--resume", *options)
    assert hidden(tmp_path)


def test_threads_and_memory_may_change(unfinished, tmp_path):
    _, recipe = unfinished
    succeed("merge", recipe, tmp_path / "out", "--resume", "--threads", 3, "--memory", "16MiB")
    one = snapshot(tmp_path / "out")
    succeed("merge", recipe, tmp_path / "out", "--force")
    assert snapshot(tmp_path / "out") == one


@pytest.mark.parametrize("damage", ["cut", "flipped", "binary", "appended"])
def test_damaged_journal(unfinished, tmp_path, damage):
    """Good lines count up to the first bad one; without a good first line it is no journal."""
    _, recipe = unfinished
    journal = unfinished_folder(tmp_path) / JOURNAL
    data = journal.read_bytes()
    lines = data.splitlines(keepends=True)
    start_of_third = sum(len(line) for line in lines[:3])
    changed = {
        "cut": data[: start_of_third + 20],
        "flipped": data[:start_of_third] + bytes([data[start_of_third] ^ 1]) + data[start_of_third + 1:],
        "binary": bytes(range(256)) * 10,
        "appended": data + b"{\"tensor\": \"x\"",
    }[damage]
    journal.write_bytes(changed)
    if damage == "binary":
        assert "journal" in fail("merge", recipe, tmp_path / "out", "--resume")
        return
    report = json.loads(succeed("merge", recipe, tmp_path / "out", "--resume", "--json"))
    assert report["resumed_tensors"] == (len(lines) - 1 if damage == "appended" else 2)
    resumed = snapshot(tmp_path / "out")
    succeed("merge", recipe, tmp_path / "out", "--force")
    assert snapshot(tmp_path / "out") == resumed


@pytest.mark.parametrize("size", [0, 20])
def test_a_journal_without_a_line_is_none(unfinished, tmp_path, size):
    """A run that was killed, or whose disk was full, as it began the journal."""
    _, recipe = unfinished
    os.truncate(unfinished_folder(tmp_path) / JOURNAL, size)
    assert "no unfinished run" in succeed("merge", recipe, tmp_path / "out", "--resume")
    assert not hidden(tmp_path)


def test_cut_output_is_not_gone_on_with(unfinished, tmp_path):
    _, recipe = unfinished
    path = unfinished_folder(tmp_path) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    assert "model.safetensors" in fail("merge", recipe, tmp_path / "out", "--resume")


def test_links_in_an_unfinished_run(unfinished, tmp_path):
    """A link in the hidden folder must not lead the writer elsewhere."""
    _, recipe = unfinished
    path = unfinished_folder(tmp_path) / "model.safetensors"
    elsewhere = tmp_path / "elsewhere"
    shutil.move(path, elsewhere)
    path.symlink_to(elsewhere)
    before = elsewhere.read_bytes()
    fail("merge", recipe, tmp_path / "out", "--resume")
    assert elsewhere.read_bytes() == before


def test_ctrl_c_with_resume_keeps_the_work(two, tmp_path, troubled_io):
    recipe, out = recipe_of(two, tmp_path), tmp_path / "out"
    process = start("merge", recipe, out, "--resume", env=troubled_io(sleep_us=2000))
    deadline = time.monotonic() + 60
    while len(journaled(tmp_path)) < 5 and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    outcome = finish(process)
    assert outcome.code == 130 and "--resume" in outcome.err and "are kept" in outcome.err
    report = json.loads(succeed("merge", recipe, out, "--resume", "--json"))
    assert report["resumed_tensors"] >= 5 and not hidden(tmp_path)


def test_nothing_to_resume(two, tmp_path):
    assert "no unfinished run" in succeed("merge", recipe_of(two, tmp_path), tmp_path / "out", "--resume")
    assert "exists already" in fail("merge", recipe_of(two, tmp_path), tmp_path / "out", "--resume")


def test_not_without_sync(two, tmp_path):
    assert "--no-sync" in fail("merge", recipe_of(two, tmp_path), tmp_path / "out", "--resume", "--no-sync")


def test_single_files(tmp_path, two, troubled_io):
    files = [str(two[0] / "model.safetensors")] * 2
    twin = tmp_path / "twin.safetensors"
    shutil.copy(files[0], twin)
    arguments = ["merge", "--method", "linear", files[0], twin, "-o",
                 tmp_path / "out.safetensors"]
    succeed(*arguments)
    wanted = arguments[-1].read_bytes()
    arguments[-1].unlink()
    (tmp_path / "out.merganser.json").unlink()
    process = start(*arguments, env=troubled_io(sleep_us=2000))
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        found = list(tmp_path.glob(f".out.safetensors.merganser-*/{JOURNAL}"))
        if found and found[0].read_bytes().count(b"\n") > 5:
            break
        time.sleep(0.001)
    process.kill()
    finish(process)
    report = json.loads(succeed(*arguments, "--resume", "--json"))
    assert report["resumed_tensors"] >= 5 and arguments[-1].read_bytes() == wanted
