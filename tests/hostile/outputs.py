"""Outputs read again: task_masks.json and provenance of a merge, changed by somebody."""

import json
import os
import shutil

import numpy as np

from hostile.case import ANY, FINE, PROVENANCE, REFUSED, TASKS, Case
from support import safetensors_file

RECORD, LIST, MASKS = "merganser_provenance.json", "task_masks.json", "task_masks.safetensors"


def changed(of, file, text=None, change=None):
    """x: a copy of the folder `of`, whose `file` holds `text`, or is changed as a value."""

    def write(folder):
        shutil.copytree(folder / of, folder / "x")
        path = folder / "x" / file
        if text is not None:
            path.write_bytes(text)
            return
        told = json.loads(path.read_text())
        told = change(told) or told
        path.write_text(json.dumps(told))

    return write


def setting(**values):
    return lambda told: told.update(values)


def of_tasks(**values):
    return lambda told: [task.update(values) for task in told["tasks"]] and None


TEXTS = {
    "empty": b"", "brace": b"{", "array": b"[]", "null": b"null", "binary": bytes(range(256)), "object": b"{}",
    "deep": b'{"format":' * 100_000, "deep closed": b'{"format":' * 100_000 + b"1" + b"}" * 100_000,
    "invalid UTF-8": b'{"format": 1, "\xff": 2}', "repeated key": b'{"format": 1, "format": 1}', "NaN": b'{"format": NaN}',
}
TASK_LISTS = {
    "format 2": setting(format=2), "format text": setting(format="1"), "base number": setting(base_model=7),
    "base absent": setting(base_model="nowhere"), "base with escapes": setting(base_model="\x1b[31m\n"),
    "base with NUL": setting(base_model="base\0x"), "base a device": setting(base_model="/dev/zero"),
    "base is the output": setting(base_model="x"), "base of a megabyte": setting(base_model="b" * 2**20),
    "masks lead out": setting(masks="../base/model.safetensors"), "masks absolute": setting(masks="/etc/passwd"),
    "masks empty": setting(masks=""), "masks two dots": setting(masks=".."), "masks in the folder above": setting(masks="..\\x"), "masks itself": setting(masks="."),
    "masks with NUL": setting(masks="task_masks\0"), "masks the weights": setting(masks="model.safetensors"),
    "masks absent": setting(masks="absent.safetensors"), "tasks number": setting(tasks=3), "tasks empty": setting(tasks=[]),
    "tasks of numbers": setting(tasks=[1, 2]), "name number": of_tasks(name=3), "name empty": of_tasks(name=""),
    "name with escapes": of_tasks(name="\x1b[2J\n"), "name leads out": of_tasks(name="../../x"),
    "scale text": of_tasks(scale="1"), "scale null": of_tasks(scale=None),
}
RECORDS = {
    "format 2": setting(format=2), "format absent": lambda told: told.pop("format") and None,
    "version number": setting(merganser=1), "recipe number": setting(recipe=1), "recipe empty": setting(recipe=""),
    "recipe not YAML": setting(recipe="a: [" * 1000), "recipe of laughs": setting(
        recipe="a: &a [x]\nb: &b [*a, *a]\n" * 20), "recipe of a device": setting(
        recipe="merge_method: linear\nmodels: [{model: /dev/zero}]\nparameters: {weight: 1}\n"),
    "tensors text": setting(tensors="x"), "only deep": setting(only="[" * 100_000), "only matches nothing": setting(only="\x1b[31m"),
    "hash unknown": setting(hash="md5\x1b[31m"), "nan unknown": setting(nan="\x1b[31m"), "shards of no bytes": setting(max_shard=0),
}
# Verify and replay may also find that the output differs; that they say so is enough.
DIFFERENT = {
    "tensors empty": setting(tensors=[]), "tensors of numbers": setting(tensors=[1, None, "x", [2]]),
    "tensor without name": lambda told: told["tensors"][0].pop("name") and None,
    "tensor named by escapes": lambda told: told["tensors"][0].update(name="\x1b[2J\nerror: x"),
    "tensor twice": lambda told: told["tensors"].append(told["tensors"][0]),
    "a hundred thousand tensors": lambda told: told["tensors"].extend([{"name": "\x9b" * 5}] * 100_000),
    "shape text": lambda told: told["tensors"][0].update(shape="2,2"),
    "shape huge": lambda told: told["tensors"][0].update(shape=[2**64, 1e300]),
    "shape nested": lambda told: told["tensors"][0].update(shape=[[[{}]]]),
    "dtype with escapes": lambda told: told["tensors"][0].update(dtype="\x1b[31m"),
    "hash of an unknown kind": lambda told: told["tensors"][0].update(hash="md5:\x1b[31m"),
    "hash with escapes": lambda told: told["tensors"][0].update(hash="xxh3:\x1b[31m\n"),
    "hash of a megabyte": lambda told: told["tensors"][0].update(hash="xxh3:" + "0" * 2**20),
    "inputs number": lambda told: told["tensors"][0].update(inputs=7),
    "inputs of numbers": lambda told: told["tensors"][0].update(inputs=[1, 2]),
    "model index huge": lambda told: told["tensors"][0].update(inputs=[{"model": 2**64 - 1, "tensor": "x", "hash": "a"}] * 2),
    "model index text": lambda told: told["tensors"][0].update(inputs=[{"model": "0", "tensor": 3, "hash": "a"}]),
    "masks of nothing": lambda told: told["tensors"][0].update(masks=["xxh3:0"] * 100),
    "models text": setting(models="x"), "models object": setting(models={"0": {}, "1": {}}), "models of numbers": setting(models=[1, 2]),
    "documents number": setting(documents=5), "documents of documents": setting(documents=[{"name": "a", "documents": [{}]}]),
    "files list": setting(files=["x"]), "files lead out": setting(files={"../base/config.json": "sha256:0", "/etc/passwd": "x"}),
    "files with escapes": setting(files={"\x1b[2J\n": "sha256:0", "a\0b": "x", "": "y", "." * 5000: "z"}),
    "BLAS threads huge": setting(blas={"threads": 2**40}), "BLAS threads negative": setting(blas={"threads": -1}),
    "seed huge": setting(seed_override=2**70), "shards of one byte": setting(max_shard=1), "shards of 2^64": setting(max_shard=2**64),
}


def masks(change):
    def write(folder):
        shutil.copytree(folder / "tasks", folder / "x")
        tensors = dict(safetensors_file.read(folder / "x" / MASKS))
        change(tensors)
        safetensors_file.write(folder / "x" / MASKS, tensors)

    return write


def all_as(array):
    return lambda tensors: tensors.update({name: array for name in tensors})


def in_place(of, file, change):
    """What `change` makes of the file's path, which is not there."""

    def write(folder):
        shutil.copytree(folder / of, folder / "x")
        (folder / "x" / file).unlink()
        change(folder / "x" / file)

    return write


def cases():
    for name, text in TEXTS.items():
        yield Case(f"tasks/{name}", changed("tasks", LIST, text), TASKS)
        yield Case(f"provenance/{name}", changed("merged", RECORD, text), PROVENANCE)
    for name, change in TASK_LISTS.items():
        yield Case(f"tasks/{name}", changed("tasks", LIST, change=change), TASKS[1:3], ANY if name == "base is the output" else REFUSED)
    for name, change in {
        "too short": all_as(np.zeros(1, np.uint8)), "of floats": all_as(np.zeros(16, np.float32)),
        "of two axes": all_as(np.zeros((1, 16), np.uint8)), "none": dict.clear,
    }.items():
        yield Case(f"masks/{name}", masks(change), TASKS[1:3])
    yield Case("masks/cut", lambda folder: (changed("tasks", LIST, change=setting())(folder),
                                           os.truncate(folder / "x" / MASKS, 100)), TASKS[1:3])
    for name, change in RECORDS.items():
        yield Case(f"provenance/{name}", changed("merged", RECORD, change=change), PROVENANCE[1:])
    for name, change in DIFFERENT.items():
        yield Case(f"provenance/{name}", changed("merged", RECORD, change=change), PROVENANCE, ANY)
    for of, file, commands in (("tasks", LIST, TASKS), ("tasks", MASKS, TASKS[1:]), ("merged", RECORD, PROVENANCE)):
        for name, change in {
            "a pipe": os.mkfifo, "a folder": os.mkdir, "a device": lambda path: path.symlink_to("/dev/zero"),
            "a link to itself": lambda path: path.symlink_to(path.name),
            "sparse, 1 TB": lambda path: (path.touch(), os.truncate(path, 2**40)),
        }.items():
            yield Case(f"{file}/{name}", in_place(of, file, change), commands)
    yield Case("provenance/untouched", changed("merged", RECORD, change=setting()), PROVENANCE, FINE)
