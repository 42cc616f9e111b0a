"""Runs that stop on the way, and what they leave behind."""

import json
import time

import xxhash

from support.recipe import models, write_recipe

JOURNAL = "merganser_journal"
# Of a mixture's experts, where a run may be gone on with.
FACTORS = "merganser_factors"
FACTORS_JOURNAL = "merganser_factors_journal"


def hashed_line(record):
    """A line of a journal: the object, and the hash by which a later run knows the line as whole."""
    text = json.dumps(record, separators=(",", ":")).encode()
    return text + b" " + xxhash.xxh3_64_hexdigest(text).encode() + b"\n"


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


def records(folder, journal):
    """The records in that journal of the one run beside the target."""
    found = [p / journal for p in hidden(folder) if (p / journal).exists()]
    if not found:
        return []
    lines = found[0].read_text(errors="replace").split("\n")[1:-1]
    return [json.loads(line[:-17]) for line in lines if line.startswith("{")]


def journaled(folder):
    """Names of the tensors in the one journal beside the target."""
    return [record["tensor"] for record in records(folder, JOURNAL)]


def decomposed(folder):
    """Names of the layers whose factors are kept."""
    return [record["module"] for record in records(folder, FACTORS_JOURNAL) if "module" in record]


def wait_for(process, folder, count, what=journaled):
    """Until so many stand in the journal, or the run ends."""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline and len(what(folder)) < count:
        time.sleep(0.001)


def kill_after(process, folder, count, what=journaled):
    """kill -9 once so many tensors (layers) stand in the journal; what stood there."""
    wait_for(process, folder, count, what)
    process.kill()
    process.communicate()
    return what(folder)
