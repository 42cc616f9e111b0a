"""What a mixture's unfinished run left: its factors and their journal, damaged or exchanged.

The run decomposes the differences of tune and of lame, whose last layer holds NaN, so that it ends
with an error and keeps the layers before; gone on with, it ends there again, or refuses the journal.
"""

import json
import os
import shutil

import numpy as np

from hostile.case import Case
from support import checkpoint, program
from support.unfinished import FACTORS, FACTORS_JOURNAL, hashed_line

COMMAND = ("merge --method smile --base-model base tune lame -p rank_of_expert=2 -p rank_of_router=1 "
           "--threads 1 --resume -o out")  # fmt: skip


def write_lame(folder):
    tensors = dict(checkpoint.read_checkpoint(folder / "tune"))
    name = max(name for name in tensors if name.endswith("_proj.weight"))
    tensors[name] = np.full_like(tensors[name], np.nan)
    checkpoint.write_checkpoint(folder / "lame", {}, tensors)
    shutil.copy(folder / "tune/config.json", folder / "lame/config.json")


def unfinished(change):
    """`change` gets the hidden folder that a run left."""

    def write(folder):
        write_lame(folder)
        program.run(*COMMAND.split(), cwd=folder)
        [hidden] = [path for path in folder.glob(".out.merganser-*") if path.is_dir()]
        assert len((hidden / FACTORS_JOURNAL).read_bytes().splitlines()) > 4, "a journal with layers"
        change(hidden)

    return write


def bytes_of(name, change):
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


def journal(change):
    return bytes_of(FACTORS_JOURNAL, change)


def instead_of(name, make):
    return lambda folder: ((folder / name).unlink(), make(folder / name))


def edited(change):
    """The first layer's object changed, with its true hash."""

    def edit(data):
        lines = data.splitlines(keepends=True)
        told = json.loads(lines[2][:-18])
        change(told)
        lines[2] = hashed_line(told)
        return b"".join(lines)

    return journal(edit)


CHANGES = {
    "untouched": lambda folder: None,
    "empty": journal(lambda data: b""),
    "binary": journal(lambda data: bytes(range(256)) * 100),
    "cut in the first line": journal(lambda data: data[:20]),
    "cut in a record": journal(lambda data: data[: len(data) - 30]),
    "line ends of Windows": journal(lambda data: data.replace(b"\n", b"\r\n")),
    "first line twice": journal(lambda data: data[: data.find(b"\n") + 1] + data),
    "NUL bytes behind": journal(lambda data: data + b"\0" * 10**6),
    "a line of ten megabytes behind": journal(lambda data: data + b"{" * 10**7 + b"\n"),
    "deep line behind": journal(lambda data: data + b'{"a":' * 100_000 + b" 0000000000000000\n"),
    "another layer": edited(lambda told: told.update(module="\x1b[2J")),
    "offsets beyond": edited(lambda told: told["experts"][0].update(u=2**63, sv=2**64 - 1)),
    "sparse, 1 TB": lambda folder: os.truncate(folder / FACTORS_JOURNAL, 2**40),
    "a pipe": instead_of(FACTORS_JOURNAL, os.mkfifo),
    "a folder": instead_of(FACTORS_JOURNAL, os.mkdir),
    "a link to a device": instead_of(FACTORS_JOURNAL, lambda path: path.symlink_to("/dev/zero")),
    "factors empty": bytes_of(FACTORS, lambda data: b""),
    "factors cut": bytes_of(FACTORS, lambda data: data[:100]),
    "factors NaN": bytes_of(FACTORS, lambda data: b"\xff" * len(data)),
    "factors sparse, 1 TB": lambda folder: os.truncate(folder / FACTORS, 2**40),
    "factors gone": lambda folder: (folder / FACTORS).unlink(),
    "factors a pipe": instead_of(FACTORS, os.mkfifo),
    "factors a folder": instead_of(FACTORS, os.mkdir),
    "factors linked to an input": instead_of(
        FACTORS, lambda path: path.symlink_to("../base/model.safetensors")),
    "factors linked to a device": instead_of(FACTORS, lambda path: path.symlink_to("/dev/zero")),
}  # fmt: skip


def cases():
    for name, change in CHANGES.items():
        yield Case(f"mixture/{name}", unfinished(change), (COMMAND,))
