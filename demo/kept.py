"""What the demo keeps between runs, and when that is stale."""

import functools
import hashlib
import json
import shutil
from pathlib import Path


def fingerprint(*parts):
    """A short key that changes with any part: a module's source, or a value."""
    digest = hashlib.sha256()
    for part in parts:
        source = getattr(part, "__file__", None)
        digest.update(Path(source).read_bytes() if source else repr(part).encode())
    return digest.hexdigest()[:16]


def file_digest(file):
    status = Path(file).stat()
    return _digest(str(file), status.st_size, status.st_mtime_ns)


@functools.cache
def _digest(file, _size, _time):
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def contents(model):
    """What decides how a model does: of a folder weights and configs, of a recipe its text; of
    base+adapter both."""
    found = []
    whole = Path(model).exists()  # a folder's name may have a plus sign
    for part in map(Path, [model] if whole else str(model).split("+")):
        files = [part] if part.is_file() else sorted(
            file for file in part.iterdir()
            if file.suffix == ".safetensors" or file.name.endswith("config.json"))
        found.append([(file.name, file_digest(file)) for file in files])
    return found


def task_contents(file):
    """The same of a task: its text, data and head."""
    work, stem = file.parent.parent, file.stem
    data = sorted((work / "tokens").glob(f"{stem}-*.safetensors"))
    return [file.read_text(), *map(file_digest, [work / "heads" / f"{stem}.safetensors", *data])]


class Notes:
    """A small JSON file of key -> value, written at every change, so that a run
    that is cut short loses nothing it had finished."""

    def __init__(self, file):
        self.file = Path(file)
        try:
            self.values = json.loads(self.file.read_text())
        except (OSError, ValueError):
            self.values = {}

    def get(self, key):
        return self.values.get(key)

    def put(self, key, value):
        self.values[key] = value
        self._write()

    def keep(self, wanted):
        self.values = {key: value for key, value in self.values.items() if wanted(key)}
        self._write()

    def _write(self):
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(self.values, indent=1) + "\n")
        part.replace(self.file)


def empty(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def trained(program, notes, base, tasks, folder, recipe, say):
    """merganser's training into a folder, unless that holds what the same training wrote."""
    inputs = [file_digest(Path(base) / "model.safetensors")]
    for file in tasks.values():
        stem = file.stem
        inputs.append(file.read_text())
        inputs.append(file_digest(file.parent.parent / "heads" / f"{stem}.safetensors"))
        inputs.append(file_digest(file.parent.parent / "tokens" / f"{stem}-train.safetensors"))
    key = f"trained/{folder.parent.name}/{folder.name}/" + fingerprint(inputs, recipe)
    weights = folder / ("adapter_model.safetensors" if "lora-rank" in recipe else "model.safetensors")
    if weights.exists() and notes.get(key) == file_digest(weights):
        say(f"{folder.parent.name}/{folder.name} is kept from an earlier run")
        return
    say(f"training {folder.parent.name}/{folder.name} on {' and '.join(tasks)}")
    folder.parent.mkdir(exist_ok=True)
    report = program.train(base, tasks.values(), folder, recipe)
    losses = report["losses"]
    say(f"  {len(losses)} steps, loss {sum(losses[:10]) / 10:.3f} to {sum(losses[-10:]) / 10:.3f},"
        f" {report['seconds']:.0f} s ({report['rows_per_second']:.0f} rows/s)")
    notes.put(key, file_digest(weights))
