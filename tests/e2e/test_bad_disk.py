"""Disks that fill up, cannot be written to, or change under the reader."""

import json
import os
import shutil
import subprocess
import time

import pytest

from support.program import fail, finish, run, start, succeed
from support.unfinished import hidden, journaled, recipe_of, snapshot

pytestmark = pytest.mark.usefixtures("merganser")


@pytest.mark.parametrize("full_after", [0, 2000, 30_000, 150_000])
@pytest.mark.parametrize("resume", [[], ["--resume"]], ids=["", "resume"])
def test_disk_fills_up_on_the_way(two, tmp_path, troubled_io, full_after, resume):
    """Where space cannot be reserved the disk may be full at any write: one line, nothing left but
    what --resume is to find; and afterwards it works."""
    recipe, out = recipe_of(two, tmp_path), tmp_path / "out"
    succeed("merge", recipe, out)
    wanted = snapshot(out)
    shutil.rmtree(out)
    error = fail("merge", recipe, out, *resume, env=troubled_io(full_after=full_after))
    assert "space" in error and not out.exists()
    assert resume or not hidden(tmp_path)
    succeed("merge", recipe, out, *resume)
    assert snapshot(out) == wanted and not hidden(tmp_path)


def test_disk_fills_up_behind_the_weights(two, tmp_path, troubled_io):
    """The last file has no room: all tensors are kept for --resume."""
    recipe, out = recipe_of(two, tmp_path), tmp_path / "out"
    command = ("merge", recipe, out, "--resume")

    def enough(room):
        code = run(*command, env=troubled_io(full_after=room)).code
        for path in hidden(tmp_path):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.rmtree(out, ignore_errors=True)
        return code == 0

    least, most = 0, 2**20
    assert enough(most)
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (least, middle) if enough(middle) else (middle, most)
    error = fail(*command, env=troubled_io(full_after=least))
    assert "space" in error and "--resume" in error and not out.exists()
    tensors = len(journaled(tmp_path))
    assert f"{tensors} of {tensors} tensors are kept" in error
    report = json.loads(succeed(*command, "--json"))
    assert report["resumed_tensors"] == report["tensors"] == tensors and report["bytes_read"] == 0


def test_force_without_exchange(two, tmp_path, troubled_io):
    """File systems that cannot exchange two names: by way of a second name, the old one gone."""
    recipe, out = recipe_of(two, tmp_path), tmp_path / "out"
    out.mkdir()
    (out / "old").write_text("old")
    fail("merge", recipe, out, env=troubled_io(no_exchange=1))
    assert (out / "old").exists()
    succeed("merge", recipe, out, "--force", env=troubled_io(no_exchange=1))
    left = {p.name for p in tmp_path.iterdir()}
    assert left == {"recipe.yml", "out"} and not (out / "old").exists()
    assert (out / "model.safetensors").exists()


@pytest.mark.parametrize("how", ["deleted", "cut short", "rewritten"])
@pytest.mark.parametrize("resume", [[], ["--resume"]], ids=["", "resume"])
def test_input_changes_on_the_way(two, tmp_path, troubled_io, how, resume):
    copies = [shutil.copytree(folder, tmp_path / folder.name) for folder in two]
    recipe, out = recipe_of(copies, tmp_path), tmp_path / "out"
    process = start("merge", recipe, out, *resume, env=troubled_io(sleep_us=3000))
    deadline = time.monotonic() + 60
    while len(journaled(tmp_path)) < 3 and time.monotonic() < deadline:
        time.sleep(0.002)
    path = copies[0] / "model.safetensors"
    if how == "deleted":
        path.unlink()
    elif how == "cut short":
        os.truncate(path, path.stat().st_size // 3)
    else:
        path.write_bytes(path.read_bytes()[::-1])
    outcome = finish(process)
    errors = outcome.err.splitlines()
    assert outcome.code == 2 and len(errors) == 1 and "model.safetensors" in errors[0]
    assert "changed" in errors[0] or "cut short" in errors[0]
    # What was read of it cannot be relied on: nothing is kept, whatever was asked for.
    assert not out.exists() and not hidden(tmp_path)


def mounted(tmp_path, options):
    """A small file system of its own."""
    place = tmp_path / "mounted"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True)
    if made.returncode != 0:
        pytest.skip("mounting a file system takes privileges that are not given here")
    return place


def test_full_disk(two, tmp_path):
    place = mounted(tmp_path, "size=300k")
    try:
        error = fail("merge", recipe_of(two, tmp_path), place / "out")
        assert "space" in error and list(place.iterdir()) == []
        size = sum(len(data) for data in snapshot(two[0]).values())
        (place / "ballast").write_bytes(bytes(1000))
        assert size > 200_000, "the output must not fit"
    finally:
        subprocess.run(["umount", place], check=True)


def test_read_only_target(two, tmp_path):
    place = mounted(tmp_path, "size=4m")
    try:
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        error = fail("merge", recipe_of(two, tmp_path), place / "out")
        assert "Read-only" in error and list(place.iterdir()) == []
    finally:
        subprocess.run(["umount", place], check=True)
