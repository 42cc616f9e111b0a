"""Pickles that call, grow, recurse or lie. A reader that runs any of it leaves a file `pwned`."""

import pickle
import struct

from hostile.case import ANY, ARCHIVE, FINE, Case, named
from hostile.pickles import (
    call, integer, legacy_archive, name, numbers, state, state_of, storage, tensor, text, tuple_of, zip_archive,
)

SHELL = text("touch pwned")


class Reduced:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def protocols():
    """Python's own pickle of a call, in every protocol."""
    import os

    for protocol in range(6):
        yield f"os.system, protocol {protocol}", pickle.dumps(Reduced(os.system, "touch pwned"), protocol)


CALLS = {
    "os.system": call(name("os", "system"), SHELL),
    "posix.system": call(name("posix", "system"), SHELL),
    "nt.system": call(name("nt", "system"), SHELL),
    "builtins.eval": call(name("builtins", "eval"), text("open('pwned', 'w')")),
    "__builtin__.exec": call(name("__builtin__", "exec"), text("open('pwned', 'w')")),
    "subprocess.Popen": call(name("subprocess", "Popen"), b"](" + text("touch") + text("pwned") + b"e"),
    "getattr": call(name("builtins", "getattr"), name("os", "system"), text("__call__")),
    "torch.load": call(name("torch", "load"), text("/etc/passwd")),
    "torch dotted os": call(name("torch", "serialization.os.system"), SHELL),
    "torch._utils dotted": call(name("torch._utils", "torch.os.system"), SHELL),
    "runpy": call(name("runpy", "_run_code"), SHELL),
    "numpy.load": call(name("numpy", "load"), text("pwned")),
    "codecs.encode of much": call(name("_codecs", "encode"), text("x" * 10**6), text("latin1")),
    "instance (i)": b"(" + SHELL + b"ios\nsystem\n",
    "instance (o)": b"(" + name("os", "system") + SHELL + b"o",
    "NEWOBJ": name("os", "system") + tuple_of(SHELL) + b"\x81",
    "NEWOBJ_EX": name("os", "system") + tuple_of(SHELL) + b"}\x92",
    "STACK_GLOBAL": text("os") + text("system") + b"\x93" + tuple_of(SHELL) + b"R",
    "STACK_GLOBAL of numbers": integer(1) + integer(2) + b"\x93",
    "extension registry": b"\x82\x01",
    "extension registry, 4 bytes": b"\x84\xff\xff\xff\x7f",
    "BUILD of a name": name("os", "system") + b"}b",
    "a name of a megabyte": name("m" * 2**20, "x"),
    "a name with escapes": name("\x1b[31mos", "sys\x07tem"),
    "persistent id by text": b"Pos.system\n",
}

# Values in the place of a state dict's tensor.
TENSORS = {
    "storage is no storage": tensor(call(name("os", "system"), SHELL)),
    "storage of an unknown type": tensor(storage("EvilStorage")),
    "storage from another module": tensor(storage(module="os")),
    "storage key leads out": tensor(storage(key="../../etc/passwd")),
    "storage key empty": tensor(storage(key="")),
    "storage key with NUL": tensor(storage(key="0\0")),
    "storage key with escapes": tensor(storage(key="\x1b[31m")),
    "storage absent": tensor(storage(key="7")),
    "storage too long": tensor(storage(count=5)),
    "storage of 2^62": tensor(storage(count=2**62), shape=(2**31, 2**31), strides=(2**31, 1)),
    "storage negative": tensor(storage(count=-4)),
    "storage count huge": tensor(storage(count=2**200)),
    "offset behind": tensor(offset=4),
    "offset negative": tensor(offset=-1),
    "offset 2^63": tensor(offset=2**63),
    "offset 2^1000": tensor(offset=2**1000),
    "shape negative": tensor(shape=(-2, -2)),
    "shape huge": tensor(shape=(2**40, 2**40)),
    "shape overflow": tensor(shape=(2**32, 2**32), strides=(0, 0)),
    "shape overflow to 4": tensor(shape=(2**62 + 1, 4), strides=(0, 0)),
    "strides negative": tensor(strides=(-2, 1), offset=2),
    "strides huge": tensor(strides=(2**62, 1)),
    "strides overflow": tensor(shape=(3, 2), strides=(2**63 - 1, 1)),
    "strides too few": tensor(strides=(1,)),
    "strides too many": tensor(strides=(1, 1, 1)),
    "four terabytes of one element": tensor(shape=(2**20, 2**20), strides=(0, 0)),
    "a million axes": tensor(shape=(1,) * 10**5, strides=(1,) * 10**5),
    "shape of texts": call(name("torch._utils", "_rebuild_tensor_v2"), storage(), integer(0),
                           tuple_of(text("2")), numbers((1,)), b"\x89", b"N"),
    "too few arguments": call(name("torch._utils", "_rebuild_tensor_v2"), storage()),
    "no arguments": call(name("torch._utils", "_rebuild_tensor_v2")),
    "arguments are no tuple": name("torch._utils", "_rebuild_tensor_v2") + b"}R",
    "quantised": call(name("torch._utils", "_rebuild_qtensor"), storage(), integer(0)),
    "sparse": call(name("torch._utils", "_rebuild_sparse_tensor"), storage()),
    "parameter of nothing": call(name("torch._utils", "_rebuild_parameter"), b"N"),
    "parameters without end": call(name("torch._utils", "_rebuild_parameter")) * 2,
}

BODIES = {
    "empty": b"",
    "STOP alone": b".",
    "no STOP": b"\x80\x02}",
    "protocol 255": b"\x80\xff}.",
    "unknown opcode": b"\x80\x02\xff.",
    "all opcodes": bytes(range(256)),
    "stack empty": b"\x80\x020000.",
    "mark without end": b"\x80\x02" + b"(" * 10**6 + b".",
    "no mark": b"\x80\x02t.",
    "text beyond the end": b"\x80\x02X\xff\xff\xff\x7fabc.",
    "text of 2^64": b"\x80\x04\x8d" + b"\xff" * 8 + b"x.",
    "bytes of 2^63": b"\x80\x04\x8e" + struct.pack("<Q", 2**63) + b"x.",
    "bytearray of 2^60": b"\x80\x05\x96" + struct.pack("<Q", 2**60) + b"x.",
    "LONG4 of 2 GB": b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"1.",
    "LONG4 negative": b"\x80\x02\x8b" + struct.pack("<i", -1) + b"1.",
    "LONG of many digits": b"\x80\x02L" + b"9" * 10**6 + b"L\n.",
    "INT of letters": b"Iabc\n.",
    "FLOAT of nan": b"Fnan\n.",
    "FLOAT of letters": b"F1e999e\n.",
    "text line without end": b"Vabc",
    "text of bad escapes": b"V\\uD800\\U00110000\n.",
    "short string quoted badly": b"S'abc\n.",
    "memo of 4 billion": b"\x80\x02}r\xff\xff\xff\xff.",
    "memo absent": b"\x80\x02h\x07.",
    "memo number negative": b"}p-1\n.",
    "memo number huge": b"}p99999999999999999999\n.",
    "frame beyond": b"\x80\x04\x95" + struct.pack("<Q", 2**63) + b"}.",
    "frames inside frames": b"\x80\x04" + (b"\x95" + struct.pack("<Q", 9)) * 10**5 + b"}.",
    "dict in itself": b"\x80\x02}q\0X\1\0\0\0ah\0s.",
    "list in itself": b"\x80\x02]q\0h\0a.",
    "tuple of its list": b"\x80\x02]q\0(h\0tq\1ah\1.",
    "lists in lists": b"\x80\x02" + b"]" * 10**6 + b"a" * (10**6 - 1) + b".",
    "tuples in tuples": b"\x80\x02N" + b"\x85" * 10**6 + b".",
    "dicts in dicts": b"\x80\x02" + b"}N" * 10**5 + b"N" + b"s" * 10**5 + b".",
    "duplicates": b"\x80\x02]" + b"2" * 10**6 + b".",
    "laughs": b"\x80\x02]q\0" + b"".join(b"](" + b"h" + bytes([i]) + b"h" + bytes([i]) + b"eq" + bytes([i + 1])
                                        for i in range(200)) + b".",
    "a dict of odd keys": b"\x80\x02}(" + b"N" * 10 + b"u.",
    "odd number of items": b"\x80\x02}(" + b"N" * 3 + b"u.",
    "a number": b"\x80\x02K\1.",
    "an empty state": b"\x80\x02}.",
    "a list of tensors": b"\x80\x02](" + tensor() * 2 + b"e.",
    "wrapped a thousand times": b"\x80\x02" + (b"}" + text("state_dict")) * 1000 + b"}" + b"s" * 1000 + b".",
    "next buffer": b"\x80\x05\x97.",
}


def commands():
    return named(ARCHIVE, "x.bin")


def zipped(body):
    return lambda folder: zip_archive(folder / "x.bin", body)


def cases():
    for name_, body in protocols():
        yield Case(f"pickle/{name_}", zipped(body), commands())
        yield Case(f"pickle/alone, {name_}", lambda folder, b=body: (folder / "x.bin").write_bytes(b), commands()[:1])
    for name_, value in CALLS.items():
        # Beside a good tensor: what is no tensor may be passed over, but must not run.
        yield Case(f"pickle/call {name_}", zipped(state(a=tensor(), b=value)), commands(), ANY)
    for name_, value in TENSORS.items():
        yield Case(f"tensor/{name_}", zipped(state(x=value)), commands())
    for name_, body in BODIES.items():
        yield Case(f"pickle/{name_}", zipped(body), commands())
        if len(body) > 10**5:
            continue
        yield Case(f"legacy/{name_}", lambda folder, b=body: legacy_archive(folder / "x.bin", b), commands()[:1])
    yield Case("pickle/names with escapes", zipped(state_of({"\x1b[31m\n": tensor(), "": tensor(), "../x": tensor()})),
               commands(), ANY)
    yield Case("pickle/a name that is no UTF-8", zipped(state_of({b"\xff\xfe": tensor()})), commands(), ANY)
    yield Case("pickle/one name twice", zipped(b"\x80\x02}(" + (text("x") + tensor()) * 2 + b"u."), commands(), ANY)
    yield Case("pickle/100000 tensors of one storage",
               zipped(state_of({"x": tensor() + b"q\7", **{f"t{i}": b"h\7" for i in range(100_000)}})),
               commands()[:1], FINE)
    yield Case("pickle/deep list kept back", zipped(state(x=tensor(), y=b"]" * 50_000 + b"a" * 49_999)), commands(), ANY)
