"""safetensors files with NumPy alone: float32, and bf16 as the uint16 that hold its bits."""

import json
import pathlib

import numpy as np

BYTES = {"F32": 4, "BF16": 2}


def to_bf16(values):
    """f32 to bf16 bits, rounded to nearest even; `values` is overwritten."""
    bits = values.view(np.uint32)
    bits += np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return (bits >> np.uint32(16)).astype(np.uint16)


def from_bf16(bits):
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def head(measures):
    """What stands before the data of a file of these tensors, {name: (dtype, shape)}, which follow each
    other in this order: its bytes, and {name: where the tensor begins, from the file's first byte}."""
    told, begins, at = {"__metadata__": {"format": "pt"}}, {}, 0
    for name, (dtype, shape) in measures.items():
        end = at + BYTES[dtype] * int(np.prod(shape))
        told[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, end]}
        begins[name], at = at, end
    text = json.dumps(told, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    start = 8 + len(text)
    return len(text).to_bytes(8, "little") + text, {name: start + at for name, at in begins.items()}


def write(path, tensors):
    """{name: array}, of float32 or uint16."""
    dtypes = {np.dtype(np.float32): "F32", np.dtype(np.uint16): "BF16"}
    measures = {name: (dtypes[array.dtype], array.shape) for name, array in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as stream:
        stream.write(head(measures)[0])
        for array in tensors.values():
            np.ascontiguousarray(array).tofile(stream)


class Checkpoint:
    """The tensors of a file, or of all safetensors files of a folder."""

    def __init__(self, path):
        path = pathlib.Path(path)
        self.tensors = {}
        for file in sorted(path.glob("*.safetensors")) if path.is_dir() else [path]:
            with open(file, "rb") as stream:
                length = int.from_bytes(stream.read(8), "little")
                told = json.loads(stream.read(length))
            for name, entry in told.items():
                if name != "__metadata__":
                    begin, end = (8 + length + at for at in entry["data_offsets"])
                    self.tensors[name] = (file, entry["dtype"], tuple(entry["shape"]), begin, end)

    def layout(self):
        """{name: (dtype, shape)}"""
        return {name: (dtype, shape) for name, (_, dtype, shape, _, _) in self.tensors.items()}

    def read(self, name):
        """f32, in its shape."""
        return self._values(name, None).reshape(self.tensors[name][2])

    def end_of(self, name, count):
        """Its last so many elements, or all if there are fewer; f32, in one row."""
        return self._values(name, count)

    def _values(self, name, last):
        file, dtype, _, begin, end = self.tensors[name]
        count = (end - begin) // BYTES[dtype]
        if last is not None and last < count:
            begin, count = end - last * BYTES[dtype], last
        kind = np.float32 if dtype == "F32" else np.uint16
        values = np.fromfile(file, kind, count, offset=begin)
        return values if dtype == "F32" else from_bf16(values)
