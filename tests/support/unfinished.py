"""Runs that stop on the way, and what they leave behind."""

import json
import time

from support.recipe import models, write_recipe

JOURNAL = "merganser_journal"


def snapshot(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def recipe_of(two, tmp_path, method="ties", **parameters):
    recipe = {
        "merge_method": method,
        "base_model": str(two[0]),
        "models": models(two[1], weight=[0.5]),
        "parameters": {"density": 0.5, **parameters},
    }
    return write_recipe(tmp_path / "recipe.yml", recipe)


def hidden(folder):
    return sorted(p for p in folder.iterdir() if p.name.startswith(".out.merganser-"))


def unfinished_folder(folder):
    [path] = [p for p in hidden(folder) if p.is_dir()]
    return path


def journaled(folder):
    """Names of the tensors in the one journal beside the target."""
    found = [p / JOURNAL for p in hidden(folder) if (p / JOURNAL).exists()]
    if not found:
        return []
    lines = found[0].read_text(errors="replace").splitlines()[1:]
    return [json.loads(line[:-17])["tensor"] for line in lines if line.startswith("{")]


def kill_after(process, folder, tensors):
    """kill -9 once so many tensors stand in the journal; what stood there."""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        names = journaled(folder)
        if len(names) >= tensors:
            break
        time.sleep(0.001)
    process.kill()
    process.communicate()
    return journaled(folder)
