"""Journals of an unfinished run: damaged, exchanged for something else, or beside other files.

The run merges base and sick, whose last tensor holds NaN, so that it ends with an error and keeps
what it has done; gone on with, it ends there again, or refuses the journal.
"""

import json
import os

from hostile.case import Case
from support import program
from support.unfinished import JOURNAL, hashed_line

COMMAND = "merge --method linear base sick -p weight=1 --threads 1 --nan error --resume -o out"


def unfinished(change):
    """`change` gets the path of the journal that a run left."""

    def write(folder):
        program.run(*COMMAND.split(), cwd=folder)
        [hidden] = [path for path in folder.glob(".out.merganser-*") if path.is_dir()]
        assert len((hidden / JOURNAL).read_bytes().splitlines()) > 2, "a journal with records"
        change(hidden / JOURNAL)

    return write


def bytes_of(change):
    return lambda path: path.write_bytes(change(path.read_bytes()))


def replaced(make):
    return lambda path: (path.unlink(), make(path))


def edited(change):
    """The second line's object changed, with its true hash."""

    def edit(data):
        first, second, *rest = data.splitlines(keepends=True)
        told = json.loads(second[:-18])
        change(told)
        return b"".join([first, hashed_line(told), *rest])

    return bytes_of(edit)


def weights_of(change):
    return lambda path: change(path.parent / "model.safetensors")


CHANGES = {
    "untouched": lambda path: None,
    "empty": bytes_of(lambda data: b""),
    "binary": bytes_of(lambda data: bytes(range(256)) * 100),
    "cut in the first line": bytes_of(lambda data: data[:20]),
    "cut in a record": bytes_of(lambda data: data[: len(data) - 30]),
    "without line ends": bytes_of(lambda data: data.replace(b"\n", b" ")),
    "line ends of Windows": bytes_of(lambda data: data.replace(b"\n", b"\r\n")),
    "first line twice": bytes_of(lambda data: data[: data.find(b"\n") + 1] + data),
    "records twice": bytes_of(lambda data: data + data[data.find(b"\n") + 1 :]),
    "records reversed": bytes_of(lambda data: b"".join(
        data.splitlines(keepends=True)[:1] + data.splitlines(keepends=True)[:0:-1])),
    "NUL bytes behind": bytes_of(lambda data: data + b"\0" * 10**6),
    "a line of ten megabytes behind": bytes_of(lambda data: data + b"{" * 10**7 + b"\n"),
    "a million lines behind": bytes_of(lambda data: data + b"{} 0000000000000000\n" * 10**6),
    "deep line behind": bytes_of(lambda data: data + b'{"a":' * 100_000 + b" 0000000000000000\n"),
    "another tensor": edited(lambda told: told.update(tensor="\x1b[2J")),
    "inputs beyond": edited(lambda told: told.update(inputs=[[2**63, 2**63, "x", 0]])),
    "a pipe": replaced(os.mkfifo),
    "a folder": replaced(os.mkdir),
    "a link to itself": replaced(lambda path: path.symlink_to(path.name)),
    "a link to a device": replaced(lambda path: path.symlink_to("/dev/zero")),
    "sparse, 1 TB": lambda path: os.truncate(path, 2**40),
    "weights cut": weights_of(lambda path: os.truncate(path, 100)),
    "weights empty": weights_of(lambda path: os.truncate(path, 0)),
    "weights longer": weights_of(lambda path: os.truncate(path, 2**40)),
    "weights gone": weights_of(os.unlink),
    "weights a pipe": weights_of(lambda path: (path.unlink(), os.mkfifo(path))),
    "weights a folder": weights_of(lambda path: (path.unlink(), path.mkdir())),
    "weights linked to an input": weights_of(
        lambda path: (path.unlink(), path.symlink_to("../base/model.safetensors"))),
    "weights another header": weights_of(lambda path: path.write_bytes(b"\0" * path.stat().st_size)),
}


def cases():
    for name, change in CHANGES.items():
        yield Case(f"journal/{name}", unfinished(change), (COMMAND,))
