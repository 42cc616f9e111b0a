"""What is no file, or not the file that its name says: every command meets it."""

import gzip
import os
import shutil
import struct
import tarfile


from hostile.case import ANY, EVERY, WEIGHTS, Case, named, WEIGHTS_ALONE

GGUF = b"GGUF\3\0\0\0" + struct.pack("<QQ", 2**60, 2**60)
CONTENTS = {
    "nothing": b"", "one byte": b"\0", "zeros": b"\0" * 4096, "all bytes": bytes(range(256)) * 16, "GGUF": GGUF + b"\0" * 64,
    "HTML": b"<!DOCTYPE html><html><body>404</body></html>", "ELF": b"\x7fELF\2\1\1" + b"\0" * 64,
    "gzip": gzip.compress(b"\0" * 10**6, mtime=0), "zstd": b"\x28\xb5\x2f\xfd" + b"\0" * 64, "HDF5": b"\x89HDF\r\n\x1a\n" + b"\0" * 64,
    "NumPy": b"\x93NUMPY\1\0v\0{'descr': '<f8', 'shape': (1e18,)}\n", "empty zip": b"PK\5\6" + b"\0" * 18,
    "JSON": b'{"a": 1}', "YAML": b"merge_method: linear\nmodels: [{model: x}]\n", "script": b"#!/bin/sh\ntouch pwned\n",
    "Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n",
    "a long line": b"a" * 2**22, "PDF": b"%PDF-1.7\n" + b"\0" * 64, "pickle": b"\x80\x04cos\nsystem\n(X\x0b\0\0\0touch pwnedtR.",
    "ONNX": b"\x08\x07\x12\x07pytorch" + b"\0" * 64,
}


def file_of(data, name="x"):
    return lambda folder: (folder / name).write_bytes(data)


def looped(folder):
    (folder / "x").symlink_to("y")
    (folder / "y").symlink_to("x")


def chained(folder):
    for i in range(60):
        (folder / f"l{i}").symlink_to(f"l{i + 1}")
    (folder / "l60").mkdir()
    (folder / "x").symlink_to("l0")


def inside_itself(folder):
    (folder / "x").mkdir()
    (folder / "x/x").symlink_to(".")
    (folder / "x/model.safetensors").symlink_to("x/x/x/model.safetensors")


def tar(folder):
    with tarfile.open(folder / "x", "w") as file:
        file.add(folder / "base", "base")


def sparse(name, size, start=b""):
    def write(folder):
        (folder / name).parent.mkdir(exist_ok=True)
        with open(folder / name, "wb") as file:
            file.write(start)
            file.truncate(size)

    return write


def crowded(folder):
    (folder / "x").mkdir()
    for i in range(5000):
        (folder / f"x/{i}.safetensors").touch()


def deep(folder):
    path = folder / "x"
    for _ in range(100):
        path = path / ("d" * 20)
    path.mkdir(parents=True)


def odd_names(folder):
    shutil.copytree(folder / "tune", folder / "x")
    for name in ("\x1b[2J.json", "a\nb.txt", os.fsdecode(b"\xff\xfe.json"), "-rf", " ", "tokenizer.json"):
        if name == "tokenizer.json":
            (folder / "x" / name).symlink_to(name)
        else:
            (folder / "x" / name).write_text("{}")


def companion(name, make):
    def write(folder):
        shutil.copytree(folder / "tune", folder / "x")
        make(folder / "x" / name)

    return write


def huge_tensor(folder):
    """A tensor of 1 TB in a sparse file that has it: what it says is true."""
    header = b'{"x":{"dtype":"F32","shape":[%d],"data_offsets":[0,%d]}}' % (2**38, 2**40)
    sparse("x.safetensors", 8 + len(header) + 2**40, struct.pack("<Q", len(header)) + header)(folder)


def cases():
    for name, data in CONTENTS.items():
        yield Case(f"file/{name}", file_of(data), EVERY)
        yield Case(f"weights/{name}", file_of(data, "x.safetensors"), named(WEIGHTS_ALONE, "x.safetensors"))
        yield Case(f"archive/{name}", file_of(data, "x.bin"), ("inspect x.bin", "diff x.bin x.bin"))
    yield Case("file/tar", tar, EVERY)
    yield Case("path/nothing there", lambda folder: None, EVERY)
    yield Case("path/a pipe", lambda folder: os.mkfifo(folder / "x"), EVERY)
    yield Case("path/a socket", socket, EVERY)
    for device in ("null", "zero", "random", "full", "stdin", "tty"):
        yield Case(f"path/link to /dev/{device}", lambda folder, d=device: (folder / "x").symlink_to(f"/dev/{d}"), EVERY)
    yield Case("path/link to /proc/self/mem", lambda folder: (folder / "x").symlink_to("/proc/self/mem"), EVERY)
    yield Case("path/link to nothing", lambda folder: (folder / "x").symlink_to("nothing"), EVERY)
    yield Case("path/links in a circle", looped, EVERY)
    yield Case("path/sixty links", chained, EVERY)
    yield Case("folder/empty", lambda folder: (folder / "x").mkdir(), EVERY)
    yield Case("folder/in itself", inside_itself, EVERY)
    yield Case("folder/of 5000 empty files", crowded, WEIGHTS)
    yield Case("folder/deep", deep, EVERY)
    yield Case("folder/sparse weights, 1 TB", sparse("x/model.safetensors", 2**40), WEIGHTS)
    yield Case("folder/sparse archive, 1 TB", sparse("x/pytorch_model.bin", 2**40), WEIGHTS)
    yield Case("folder/sparse archive that begins well", sparse("x/pytorch_model.bin", 2**40, b"PK\3\4"), WEIGHTS)
    yield Case("folder/config.json, sparse", companion("config.json", lambda path: os.truncate(path, 2**40)), WEIGHTS[:4])
    yield Case("folder/index, sparse", companion("model.safetensors.index.json", lambda path: (path.touch(), os.truncate(path, 2**40))),
               WEIGHTS)
    for name, make in {"a pipe": os.mkfifo, "a folder": os.mkdir, "a link to itself": lambda path: path.symlink_to(path.name),
                       "a link to a device": lambda path: path.symlink_to("/dev/zero")}.items():
        yield Case(f"folder/config.json is {name}", companion("config.json", lambda path, m=make: (path.unlink(), m(path))), WEIGHTS[:4])
        yield Case(f"folder/tokenizer.json is {name}", companion("tokenizer.json", make), ("merge based.yml out",), ANY)
    yield Case("folder/odd names", odd_names, WEIGHTS[:4], ANY)
    yield Case("sparse/recipe, 1 TB", sparse("x.yml", 2**40), ("plan x.yml", "merge x.yml out"))
    yield Case("sparse/a tensor of 1 TB", huge_tensor, ("inspect x.safetensors", "plan --method passthrough x.safetensors"), ANY)
    yield Case("weights/named as a folder", lambda folder: (folder / "x.safetensors").mkdir(), named(WEIGHTS_ALONE, "x.safetensors"))


def socket(folder):
    import socket as sockets

    # By a relative name: an absolute one may be longer than a socket's name may be.
    before = os.open(".", os.O_RDONLY)
    listener = sockets.socket(sockets.AF_UNIX)
    try:
        listener.bind(f"/proc/self/fd/{os.open(folder, os.O_RDONLY)}/x")
    finally:
        os.close(before)
        listener.close()
