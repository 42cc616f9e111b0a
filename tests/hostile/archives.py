"""PyTorch archives whose zip directory or lengths lie."""

import io
import struct
import zipfile

from hostile.case import ANY, ARCHIVE, FINE, Case, named
from hostile.pickles import DATA, legacy_archive, state, storage, tensor, zip_archive

PICKLE = state(x=tensor())
END, END64, LOCATOR = b"PK\5\6", b"PK\6\6", b"PK\6\7"


def good():
    stream = io.BytesIO()
    zip_archive(stream, PICKLE)
    return stream.getvalue()


def written(data):
    return lambda folder: (folder / "x.bin").write_bytes(data)


def with_field(signature, offset, form, value, last=False):
    """The good archive with one number changed behind the (last) place of a signature."""
    data = bytearray(good())
    at = data.rfind(signature) if last else data.find(signature)
    struct.pack_into(form, data, at + offset, value)
    return written(bytes(data))


def zip64(**lies):
    """A ZIP64 end record and its locator in front of the ordinary one, which refers to them."""
    data = good()
    end = data.rfind(END)
    count, size, start = struct.unpack_from("<HII", data, end + 10)
    fields = {"entries": count, "size": size, "start": start, "record": end, **lies}
    record = END64 + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, fields["entries"], fields["entries"],
                                 fields["size"], fields["start"])
    locator = LOCATOR + struct.pack("<IQI", 0, fields["record"], 1)
    ordinary = END + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return data[:end] + record + locator + ordinary


def bomb(folder):
    """Sixty-four megabytes of zeros in as many kilobytes, as tensor data and as a pickle."""
    zip_archive(folder / "x.bin", PICKLE, {"0": b"\0" * 2**26}, compression=zipfile.ZIP_DEFLATED)


def many(folder):
    zip_archive(folder / "x.bin", PICKLE, extra=[(f"x/data/{i}", b"") for i in range(1, 60_000)])


def twice(folder):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zip_archive(folder / "x.bin", PICKLE, extra=[("x/data.pkl", state(y=tensor())), ("x/data/0", b"\1" * 16)])


def other_root(folder):
    zip_archive(folder / "x.bin", PICKLE, extra=[("y/data.pkl", PICKLE), ("y/data/0", DATA)])


def overlapping():
    """The directory's entries all begin at the first one's bytes."""
    data = bytearray(good())
    at = data.find(b"PK\1\2")
    while at >= 0:
        struct.pack_into("<I", data, at + 42, 0)
        at = data.find(b"PK\1\2", at + 4)
    return bytes(data)


def cases():
    commands = named(ARCHIVE, "x.bin")
    yield Case("zip/good", written(good()), commands[:2], FINE)
    size = len(good())
    for cut in (4, 30, size // 2, size - 22, size - 1):
        yield Case(f"zip/cut at {cut}", written(good()[:cut]), commands)
    yield Case("zip/end alone", written(END + b"\0" * 18), commands)
    yield Case("zip/bytes in front", written(b"#!/bin/sh\n" + good()), commands, ANY)
    yield Case("zip/bytes behind", written(good() + b"\0" * 70_000), commands, ANY)
    yield Case("zip/comment of 65535", written(good()[:-2] + b"\xff\xff" + b"PK\5\6" * 16383 + b"xxx"), commands, ANY)
    yield Case("zip/overlapping", written(overlapping()), commands)
    yield Case("zip/compressed bomb", bomb, commands)
    yield Case("zip/60000 records", many, commands[:2], FINE)
    yield Case("zip/records twice", twice, commands)
    yield Case("zip/two roots", other_root, commands, ANY)
    yield Case("zip/no pickle", written(good().replace(b"data.pkl", b"data.pkx")), commands)
    yield Case("zip/names lead out", written(good().replace(b"x/data/0", b"../../.0")), commands)
    yield Case("zip/names with escapes", written(good().replace(b"x/data/0", b"x\x1b[2J\n\x07")), commands)
    yield Case("zip/big-endian", lambda folder: zip_archive(folder / "x.bin", PICKLE, extra=[("x/byteorder", b"big")]),
               commands)
    yield Case("zip/storage too short", lambda folder: zip_archive(folder / "x.bin", PICKLE, {"0": DATA[:-1]}), commands)
    for name, arguments in {
        "entries": (END, 10, "<H", 9999), "directory size": (END, 12, "<I", 2**31), "directory start": (END, 16, "<I", 2**32 - 2),
        "disk": (END, 4, "<H", 7), "local offset": (b"PK\1\2", 42, "<I", 2**32 - 2), "size": (b"PK\1\2", 24, "<I", 2**31),
        "compressed size": (b"PK\1\2", 20, "<I", 2**31), "method": (b"PK\1\2", 10, "<H", 12), "flags": (b"PK\1\2", 8, "<H", 1),
        "name length": (b"PK\1\2", 28, "<H", 65535), "extra length": (b"PK\1\2", 30, "<H", 65535),
        "local name length": (b"PK\3\4", 26, "<H", 65535), "local extra length": (b"PK\3\4", 28, "<H", 65535),
        "local signature": (b"PK\3\4", 0, "<I", 0),
    }.items():
        yield Case(f"zip/{name} lies", with_field(*arguments), commands, ANY)
    yield Case("zip/honest ZIP64", written(zip64()), commands[:2], FINE)
    for name, lie in {"entries": 2**64 - 1, "size": 2**63, "start": 2**64 - 1, "record": 2**64 - 56}.items():
        yield Case(f"zip/ZIP64 {name} lies", written(zip64(**{name: lie})), commands)
    yield from legacy_cases(commands)


def legacy_cases(commands):
    def case(name, codes=frozenset({2}), **options):
        options.setdefault("pickle", PICKLE)
        return Case(f"legacy/{name}", lambda folder: legacy_archive(folder / "x.bin", **options), commands, codes)

    yield case("good", FINE)
    yield case("another magic", magic=7)
    yield case("protocol 7", protocol=7)
    yield case("count 5 of 4", storages=[(5, None)])
    yield case("count negative", storages=[(-4, None)])
    yield case("count 2^62", storages=[(2**62, None)])
    yield case("no storages", keys=(), storages=[])
    yield case("keys without storages", keys=[str(i) for i in range(1000)])
    yield case("key twice", ANY, keys=("0", "0"), storages=[(4, None)] * 2)
    yield case("key with escapes", keys=("\x1b[31m",))
    yield case("another count than the pickle's", storages=[(3, DATA[:12])])
    yield case("cut in the data", storages=[(4, DATA[:-1])])
    yield case("pickle wants 2^40", pickle=state(x=tensor(storage(count=2**40), shape=(2**40,), strides=(1,))))
