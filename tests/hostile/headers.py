"""Safetensors files: headers, offsets, shapes, dtypes, names."""

import json
import struct

import numpy as np

from hostile.case import ANY, FINE, WEIGHTS_ALONE, Case, named
from support import safetensors_file

DATA = np.arange(4, dtype=np.float32).tobytes()
GOOD = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
DEEP = 100_000


def entry(**changes):
    return {"x": {**GOOD, **changes}}


def text_of(header):
    return header if isinstance(header, bytes) else json.dumps(header).encode()


BROKEN = {
    "empty header": b"",
    "blanks only": b" " * 64,
    "NUL bytes": b"\0" * 64,
    "array": b"[1, 2]",
    "string": b'"x"',
    "number": b"17",
    "nothing but a brace": b"{",
    "brace behind": text_of(entry()) + b"}",
    "second object behind": text_of(entry()) * 2,
    "comment": b"/* */" + text_of(entry()),
    "trailing comma": text_of(entry())[:-1] + b",}",
    "single quotes": text_of(entry()).replace(b'"', b"'"),
    "byte order mark": b"\xef\xbb\xbf" + text_of(entry()),
    "UTF-16": text_of(entry()).decode().encode("utf-16-le"),
    "invalid UTF-8 name": b'{"\xff\xfe": %b}' % text_of(GOOD),
    "overlong UTF-8 name": b'{"\xc0\xaf": %b}' % text_of(GOOD),
    "lone surrogate": b'{"\\ud800": 3}',
    "deep arrays": b'{"x":' + b"[" * DEEP,
    "deep objects": b'{"x":' * DEEP,
    "deep objects closed": b'{"x":' * DEEP + b"1" + b"}" * DEEP,
    "deep shape": b'{"x":{"dtype":"F32","shape":' + b"[" * DEEP + b"]" * DEEP + b"}}",
    "deep metadata": b'{"__metadata__":' + b'{"a":' * DEEP + b"1" + b"}" * (DEEP + 1),
    "repeated name": b'{"x":%b,"x":%b}' % ((text_of(GOOD),) * 2),
    "repeated escaped name": b'{"x":%b,"\\u0078":%b}' % ((text_of(GOOD),) * 2),
    "repeated key": b'{"x":{"dtype":"F32","dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}',
    "repeated metadata": b'{"__metadata__":{},"__metadata__":{},"x":%b}' % text_of(GOOD),
    "NaN literal": b'{"x":{"dtype":"F32","shape":[NaN],"data_offsets":[0,16]}}',
    "Infinity literal": b'{"x":{"dtype":"F32","shape":[Infinity],"data_offsets":[0,16]}}',
    "hexadecimal": b'{"x":{"dtype":"F32","shape":[0x2,2],"data_offsets":[0,16]}}',
    "leading zero": b'{"x":{"dtype":"F32","shape":[02,2],"data_offsets":[0,16]}}',
    "plus sign": b'{"x":{"dtype":"F32","shape":[+2,2],"data_offsets":[0,16]}}',
    "exponent": b'{"x":{"dtype":"F32","shape":[2e0,2],"data_offsets":[0,16]}}',
    "huge exponent": b'{"x":{"dtype":"F32","shape":[1e400],"data_offsets":[0,16]}}',
    "number of a thousand digits": b'{"x":{"dtype":"F32","shape":[%b],"data_offsets":[0,16]}}' % (b"9" * 1000),
    "entry null": {"x": None},
    "entry text": {"x": "F32"},
    "entry empty": {"x": {}},
    "dtype missing": {"x": {"shape": [4], "data_offsets": [0, 16]}},
    "dtype unknown": entry(dtype="F33"),
    "dtype lower case": entry(dtype="f32"),
    "dtype null": entry(dtype=None),
    "dtype list": entry(dtype=["F32"]),
    "dtype with escapes": entry(dtype="\x1b[2J\nF32"),
    "dtype of a megabyte": entry(dtype="F" * 2**20),
    "shape missing": {"x": {"dtype": "F32", "data_offsets": [0, 16]}},
    "shape text": entry(shape="2,2"),
    "shape of texts": entry(shape=["2", "2"]),
    "shape nested": entry(shape=[[2, 2]]),
    "shape negative": entry(shape=[-1, -4]),
    "shape fractional": entry(shape=[2.0, 2]),
    "shape null": entry(shape=[None]),
    "shape 2^64": entry(shape=[2**64, 1]),
    "shape overflow to 4": entry(shape=[2**62 + 1, 4]),
    "shape overflow of bytes": entry(shape=[2**62, 1]),
    "shape overflow beside zero": entry(shape=[2**63, 2**63, 0], data_offsets=[0, 16]),
    "shape of a million axes": entry(shape=[1] * 10**6, data_offsets=[0, 8]),
    "shape too small": entry(shape=[3]),
    "shape too large": entry(shape=[5]),
    "offsets missing": {"x": {"dtype": "F32", "shape": [4]}},
    "offsets one": entry(data_offsets=[16]),
    "offsets three": entry(data_offsets=[0, 16, 16]),
    "offsets backwards": entry(data_offsets=[16, 0]),
    "offsets negative": entry(data_offsets=[-16, 0]),
    "offsets beyond": entry(data_offsets=[16, 32]),
    "offsets wrap": entry(data_offsets=[2**64 - 8, 8]),
    "offsets of 2^70": entry(data_offsets=[0, 2**70]),
    "offsets text": entry(data_offsets=["0", "16"]),
    "overlap": {"x": {**GOOD, "shape": [3], "data_offsets": [0, 12]}, "y": {**GOOD, "shape": [2], "data_offsets": [8, 16]}},
    "same bytes twice": {"x": GOOD, "y": GOOD},
    "hole": {"x": {**GOOD, "shape": [1], "data_offsets": [0, 4]}, "y": {**GOOD, "shape": [2], "data_offsets": [8, 16]}},
    "hole in front": entry(shape=[3], data_offsets=[4, 16]),
    "left over": entry(shape=[3], data_offsets=[0, 12]),
    "metadata number": {"__metadata__": 3, **entry()},
    "metadata of numbers": {"__metadata__": {"a": 3}, **entry()},
    "metadata nested": {"__metadata__": {"a": {"b": "c"}}, **entry()},
    "unknown key huge": {"x": {**GOOD, "more": ["y"] * 10**5}},
}

# Names are the file's own business; what they must not do is to break the report or to be a path.
NAMES = {
    "empty name": "",
    "line breaks": "a\nerror: b\r\nc",
    "ANSI escapes": "\x1b[31m\x1b]0;title\x07x",
    "C1 controls": "\x9b31mx",
    "backspaces": "x\b\b\b\b\b",
    "NUL inside": "a\0b",
    "leads out": "../../../etc/passwd",
    "absolute path": "/etc/passwd",
    "of a megabyte": "x" * 2**20,
    "of dots": "." * 10_000,
    "right to left": "\u202e\u2066gnp.weight",
    "format braces": "{}{0}{:>999999999}%s%n",
    "a million layers": "model.layers.999999.mlp.up_proj.weight",
    "a layer beyond 64 bits": "model.layers.18446744073709551616.mlp.up_proj.weight",
    "metadata escaped": "__metadata__ ",
    "glob": "[[[*?" * 1000,
}


def one_file(header, data=DATA, length=None):
    return lambda folder: safetensors_file.write_raw(folder / "x.safetensors", header, data, length)


def named_commands():
    return named(WEIGHTS_ALONE, "x.safetensors")


def cut(size):
    def write(folder):
        path = one_file(entry())(folder)
        path.write_bytes(path.read_bytes()[:size])

    return write


def wide(folder):
    """A hundred thousand tensors of no elements."""
    header = {f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(100_000)}
    one_file(header, b"")(folder)


def long_and_many(folder):
    """A table padded to its longest name would take 400 MB."""
    names = ["x" * 4096, *(f"t{i}" for i in range(100_000))]
    one_file({name: {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for name in names}, b"")(folder)


def long_blank(folder):
    with open(folder / "x.safetensors", "wb") as file:
        file.write(struct.pack("<Q", 101_000_000) + b"{}")
        file.truncate(101_000_008)


def cases():
    commands = named_commands()
    for name, header in BROKEN.items():
        yield Case(f"header/{name}", one_file(header), commands)
    for length in (0, 1, 8, 10**6, 100_000_001, 2**31, 2**32 + 8, 2**40, 2**63 - 1, 2**63, 2**64 - 8, 2**64 - 1):
        yield Case(f"header/length {length}", one_file(entry(), length=length), commands)
    for size in (0, 1, 7, 8, 9, 40, -1, -16, -17):
        yield Case(f"header/cut at {size}", cut(size), commands)
    for name, tensor in NAMES.items():
        yield Case(f"name/{name}", one_file({tensor: GOOD}), commands, ANY)
    yield Case("header/a hundred megabytes of blanks", long_blank, commands)
    yield Case("header/100000 empty tensors", wide, commands[:1], FINE)
    # No tensors is a file like any other; whether there is something to do is for the command.
    yield Case("header/no tensors", one_file({}, b""), commands, ANY)
    yield Case("header/metadata only", one_file({"__metadata__": {"format": "pt"}}, b""), commands, ANY)
    yield Case("name/4096 bytes beside 100000 others", long_and_many, commands[:2], FINE)
