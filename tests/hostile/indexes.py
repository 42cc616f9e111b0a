"""Sharded checkpoints: the index and the files that it names."""

import json
import os
import shutil

from hostile.case import ANY, WEIGHTS, Case

FIRST = "model-00001-of-00002.safetensors"


def whole(folder):
    """x: tune in shards of one tensor and the rest."""
    shutil.copytree(folder / "sharded", folder / "x")
    return folder / "x/model.safetensors.index.json"


def text(content):
    return lambda folder: whole(folder).write_bytes(content if isinstance(content, bytes) else content.encode())


def edit(change):
    def write(folder):
        path = whole(folder)
        index = json.loads(path.read_text())
        change(index["weight_map"])
        path.write_text(json.dumps(index))

    return write


def everything_in(file):
    return edit(lambda weight_map: weight_map.update({name: file for name in weight_map}))


def replaced(change):
    """The first shard is what `change` makes of its path."""

    def write(folder):
        whole(folder)
        path = folder / "x" / FIRST
        path.unlink()
        change(path)

    return write


def swapped(folder):
    whole(folder)
    one, two = sorted((folder / "x").glob("model-*.safetensors"))
    os.rename(one, folder / "x/spare")
    os.rename(two, one)
    os.rename(folder / "x/spare", two)


def cases():
    for name, content in {
        "empty": "", "brace": "{", "array": "[]", "null": "null", "no map": "{}", "map is text": '{"weight_map": "x"}',
        "map is empty": '{"weight_map": {}}', "file is a number": '{"weight_map": {"a": 1}}',
        "file is a list": '{"weight_map": {"a": ["x"]}}', "repeated tensor": '{"weight_map": {"a": "b", "a": "b"}}',
        "repeated map": '{"weight_map": {}, "weight_map": {"a": "b"}}', "deep": '{"weight_map": ' + '{"a":' * 100_000,
        "invalid UTF-8": b'{"weight_map": {"\xff": "model.safetensors"}}', "binary": bytes(range(256)) * 8,
        "NaN": '{"weight_map": NaN}', "wide": '{"weight_map": {' + ",".join(f'"{i}":"{i}"' for i in range(100_000)) + "}}",
        "long name": '{"weight_map": {"a": "' + "x" * 2**20 + '"}}',
        "control characters": '{"weight_map": {"a\\n\\u001b[2J": "b\\u001b[31m\\n"}}',
    }.items():
        yield Case(f"index/{name}", text(content), WEIGHTS)
    for file in ("", ".", "..", "../base/model.safetensors", "/etc/passwd", "sub/x", "a\0b", "..\\base",
                 "config.json", "model.safetensors.index.json", "missing.safetensors", "%s%n{}"):
        yield Case(f"index/all in {file!r}", everything_in(file), WEIGHTS)
    yield Case("index/ghost tensor", edit(lambda m: m.update({"ghost": FIRST})), WEIGHTS)
    yield Case("index/tensor not listed", edit(lambda m: m.pop(next(iter(m)))), WEIGHTS, ANY)
    yield Case("index/shards swapped", swapped, WEIGHTS)
    yield Case("index/shard is a folder", replaced(os.mkdir), WEIGHTS)
    yield Case("index/shard is a pipe", replaced(os.mkfifo), WEIGHTS)
    yield Case("index/shard is itself", replaced(lambda path: path.symlink_to(path.name)), WEIGHTS)
    yield Case("index/shard is a device", replaced(lambda path: path.symlink_to("/dev/zero")), WEIGHTS)
    yield Case("index/shard is empty", replaced(lambda path: path.touch()), WEIGHTS)
    yield Case("index/both shards one file",
               replaced(lambda path: path.symlink_to("model-00002-of-00002.safetensors")), WEIGHTS)
