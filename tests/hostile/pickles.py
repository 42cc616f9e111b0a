"""Pickles by hand, and PyTorch archives around them: no torch, so that nothing can be refused early."""

import struct
import zipfile

ALIGN = 64
MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001


def text(value):
    data = value if isinstance(value, bytes) else value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def integer(value):
    if 0 <= value < 256:
        return b"K" + bytes([value])
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def tuple_of(*items):
    return b"(" + b"".join(items) + b"t"


def numbers(values):
    return tuple_of(*map(integer, values))


def name(module, attribute):
    return b"c" + f"{module}\n{attribute}\n".encode()


def call(function, *arguments):
    return function + tuple_of(*arguments) + b"R"


def storage(kind="FloatStorage", key="0", device="cpu", count=4, module="torch"):
    return tuple_of(text("storage"), name(module, kind), text(key), text(device), integer(count)) + b"Q"


def tensor(of=None, offset=0, shape=(2, 2), strides=(2, 1)):
    return call(
        name("torch._utils", "_rebuild_tensor_v2"), of or storage(), integer(offset), numbers(shape),
        numbers(strides), b"\x89", call(name("collections", "OrderedDict")),
    )


def state(**tensors):
    """A dict of names and values, as a pickle of protocol 2."""
    return state_of({key: value for key, value in tensors.items()})


def state_of(tensors):
    items = b"".join(text(key) + value for key, value in tensors.items())
    return b"\x80\x02}(" + items + b"u."


def zip_archive(path, pickle, storages=None, extra=(), compression=zipfile.ZIP_STORED):
    """As torch.save writes it: a folder of records, each at a multiple of 64 bytes."""
    with zipfile.ZipFile(path, "w", compression) as file:
        records = [("x/data.pkl", pickle), ("x/version", b"3\n")]
        records += [(f"x/data/{key}", data) for key, data in (storages or {"0": DATA}).items()]
        for record, content in [*records, *extra]:
            file.writestr(record, content)
    return path


def legacy_archive(path, pickle, keys=("0",), storages=((4, None),), magic=MAGIC, protocol=PROTOCOL):
    """As torch.save wrote it before 1.6: pickles one behind another, then counts and elements."""
    parts = [b"\x80\x02" + integer(magic) + b".", b"\x80\x02" + integer(protocol) + b".", b"\x80\x02}.", pickle,
             b"\x80\x02](" + b"".join(map(text, keys)) + b"e."]
    for count, data in storages:
        parts += [struct.pack("<q", count), DATA if data is None else data]
    path.write_bytes(b"".join(parts))
    return path


DATA = struct.pack("<4f", 0, 1, 2, 3)
