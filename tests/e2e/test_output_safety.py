"""Nothing is lost: targets, inputs, full disks, interruptions."""

import os
import shutil
import signal
import subprocess
import time

import pytest

from support import checkpoint
from support.program import fail, finish, run, start, succeed
from support.recipe import models, write_recipe

pytestmark = pytest.mark.usefixtures("merganser")


def snapshot(folder, *but):
    """Every file's bytes, but for these names."""
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*"))
            if p.is_file() and p.name not in but}


def average(tmp_path, *paths):
    recipe = {"merge_method": "linear", "models": models(*paths, weight=[1] * len(paths))}
    return write_recipe(tmp_path / "average.yml", recipe)


def test_existing_target_needs_force(llamas, tmp_path):
    recipe, out = average(tmp_path, *llamas()), tmp_path / "out"
    out.mkdir()
    (out / "precious.txt").write_text("thesis")
    assert "--force" in fail("merge", recipe, out)
    assert snapshot(out) == {p: b"thesis" for p in snapshot(out)} and len(snapshot(out)) == 1


def test_existing_file_as_target(llamas, tmp_path):
    recipe, out = average(tmp_path, *llamas()), tmp_path / "out"
    out.write_text("thesis")
    fail("merge", recipe, out)
    assert out.read_text() == "thesis"


def test_failed_force_keeps_the_old_target(llamas, tmp_path):
    base, one, _ = llamas()
    out = tmp_path / "out"
    succeed("merge", average(tmp_path, base, one), out)
    before = snapshot(out)
    path = one / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    fail("merge", average(tmp_path, base, one), out, "--force")
    assert snapshot(out) == before


@pytest.mark.parametrize(
    "place", ["base", "tune1", "base/.", "base/inner", "tune1/a/b", "link", "link/inner", "."]
)
@pytest.mark.parametrize("force", [[], ["--force"]], ids=["", "force"])
def test_target_at_in_or_around_an_input(llamas, tmp_path, place, force):
    """Also by way of a symbolic link, and with --force: it would destroy an input."""
    base, one, _ = llamas()
    (tmp_path / "link").symlink_to(base)
    recipe = average(tmp_path, base, one)
    before = snapshot(tmp_path)
    fail("merge", recipe, tmp_path / place, *force)
    assert snapshot(tmp_path) == before
    assert sorted(p.name for p in base.iterdir()) == ["config.json", "model.safetensors"]


def test_target_file_is_an_input(files, tmp_path):
    import numpy as np

    paths = files({"x": np.float32([1])}, {"x": np.float32([3])})
    before = snapshot(tmp_path)
    fail("merge", "--method", "linear", *paths, "-o", paths[1], "--force")
    assert snapshot(tmp_path) == before


def test_target_in_a_missing_folder(llamas, tmp_path):
    """Made, or refused in one line; either way no half."""
    recipe, out = average(tmp_path, *llamas()), tmp_path / "new" / "deeper" / "out"
    outcome = run("merge", recipe, out)
    assert outcome.code in (0, 2)
    assert (out / "model.safetensors").exists() == (outcome.code == 0)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Two checkpoints of 200 MB in f32: enough for a merge to be caught at work."""
    folder = tmp_path_factory.mktemp("large")
    config = checkpoint.llama_config(layers=4, hidden=1024, vocab=8192)
    tensors = checkpoint.random_tensors(checkpoint.llama_shapes(config), 0)
    one = checkpoint.write_checkpoint(folder / "one", config, tensors)
    two = checkpoint.write_checkpoint(folder / "two", config, tensors)
    yield one, two
    shutil.rmtree(folder)


def slow_merge(large, tmp_path):
    """A recipe that takes seconds on one thread in little memory: several sweeps over the data."""
    recipe = {
        "merge_method": "ties",
        "base_model": str(large[0]),
        "models": models(large[1], weight=[0.5]),
        "parameters": {"density": 0.5, "trim_scope": "model"},
    }
    path = write_recipe(tmp_path / "slow.yml", recipe)
    return ["merge", path, tmp_path / "out", "--threads", 1, "--memory", "32MiB", "--hash", "sha256"]


def at_work(process, tmp_path, known):
    """Waits until the merge has begun to write: something new lies beside the target."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        new = [p for p in tmp_path.iterdir() if p.name not in known]
        if new:
            return new
        time.sleep(0.002)
    return []


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "terminated"])
@pytest.mark.parametrize("delay", [0.0, 0.05])
def test_interrupted(large, tmp_path, sent, delay):
    arguments = slow_merge(large, tmp_path)
    known = {p.name for p in tmp_path.iterdir()}
    process = start(*arguments)
    assert at_work(process, tmp_path, known), "the merge was over before it could be interrupted"
    time.sleep(delay)
    process.send_signal(sent)
    sent_at = time.monotonic()
    outcome = finish(process, timeout=60)
    assert outcome.code == (130 if sent == signal.SIGINT else outcome.code) and outcome.code != 0
    assert time.monotonic() - sent_at < 10
    assert {p.name for p in tmp_path.iterdir()} == known


def test_interrupted_keeps_the_old_target(large, llamas, tmp_path):
    out = tmp_path / "out"
    succeed("merge", average(tmp_path, *llamas()), out)
    before = snapshot(out)
    arguments = slow_merge(large, tmp_path)
    known = {p.name for p in tmp_path.iterdir()}
    process = start(*arguments, "--force")
    assert at_work(process, tmp_path, known)
    process.send_signal(signal.SIGINT)
    assert finish(process).code == 130
    assert snapshot(out) == before and {p.name for p in tmp_path.iterdir()} == known


def test_killed_leaves_nothing_that_looks_finished(large, tmp_path):
    arguments = slow_merge(large, tmp_path)
    known = {p.name for p in tmp_path.iterdir()}
    process = start(*arguments)
    assert at_work(process, tmp_path, known)
    time.sleep(0.05)
    process.kill()
    finish(process)
    assert not (tmp_path / "out").exists()
    # What is left may stay, but it must not stop the next run, nor be taken for its output.
    outcome = run(*arguments)
    assert outcome.code == 0, outcome.err
    tensors = checkpoint.read_checkpoint(tmp_path / "out")
    assert sorted(tensors) == sorted(checkpoint.read_checkpoint(large[0]))


def test_two_runs_to_one_target(large, tmp_path):
    """At most one wins; what stands there is whole; the loser says so."""
    arguments = slow_merge(large, tmp_path)
    processes = [start(*arguments) for _ in range(2)]
    outcomes = [finish(process) for process in processes]
    codes = sorted(outcome.code for outcome in outcomes)
    assert codes == [0, 2], outcomes
    whole = tmp_path / "alone"
    succeed(*arguments[:2], whole, *arguments[3:])
    # The card's title is the folder's name.
    assert snapshot(tmp_path / "out", "README.md") == snapshot(whole, "README.md")
    assert {p.name for p in tmp_path.iterdir()} == {"slow.yml", "out", "alone"}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MiB."""
    if os.getuid() != 0:
        pytest.skip("mounting a small disk needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("no right to mount here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_full_disk_is_foreseen(large, small_disk, tmp_path):
    line = fail(*slow_merge(large, tmp_path)[:2], small_disk / "out")
    assert "space" in line or "disk" in line
    assert not list(small_disk.iterdir())


def test_disk_that_fills_while_writing(tmp_path, small_disk):
    """Enough room at the start, none later: another program takes it meanwhile."""
    config = checkpoint.llama_config(layers=1, hidden=128, vocab=2048)
    tensors = checkpoint.random_tensors(checkpoint.llama_shapes(config), 0)
    folder = checkpoint.write_checkpoint(tmp_path / "model", config, tensors)
    size = sum(array.nbytes for array in tensors.values())
    # Room for the weights but, as blocks are whole pages, not for all companions beside them.
    for i in range(40):
        (folder / f"companion{i}.bin").write_bytes(b"x" * 65_536)
    assert size < 4 << 20 < size + 40 * 65_536
    fail("merge", "--method", "passthrough", folder, "-o", small_disk / "out")
    assert not list(small_disk.iterdir())


def test_read_only_place(llamas, tmp_path):
    if os.getuid() == 0:
        pytest.skip("root writes everywhere")
    recipe = average(tmp_path, *llamas())
    place = tmp_path / "locked"
    place.mkdir(mode=0o555)
    assert "locked" in fail("merge", recipe, place / "out")
