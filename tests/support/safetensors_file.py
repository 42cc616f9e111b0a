"""Safetensors files by hand: every dtype, every byte, and hostile ones where a test wants them."""

import json
import struct

import ml_dtypes
import numpy as np

DTYPES = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "I64": np.dtype(np.int64),
    "I32": np.dtype(np.int32),
    "I16": np.dtype(np.int16),
    "I8": np.dtype(np.int8),
    "U64": np.dtype(np.uint64),
    "U32": np.dtype(np.uint32),
    "U16": np.dtype(np.uint16),
    "U8": np.dtype(np.uint8),
    "BOOL": np.dtype(np.bool_),
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


def header_and_data(tensors):
    """The header of these arrays, as a dict, and their bytes, in the dict's order."""
    header, chunks, offset = {}, [], 0
    for name, array in tensors.items():
        data = np.asarray(array).tobytes()
        header[name] = {
            "dtype": NAMES[np.asarray(array).dtype],
            "shape": list(np.shape(array)),
            "data_offsets": [offset, offset + len(data)],
        }
        chunks.append(data)
        offset += len(data)
    return header, b"".join(chunks)


def write_raw(path, header, data=b"", length=None):
    """A file with this header (dict or text), data, and, where given, a false header length."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text) if length is None else length))
        file.write(text)
        file.write(data)
    return path


def write(path, tensors, metadata=None):
    header, data = header_and_data(tensors)
    if metadata is not None:
        header = {"__metadata__": metadata, **header}
    return write_raw(path, header, data)


def read_header(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(length)), 8 + length


def read(path):
    """All tensors of one file as arrays (read-only views of its bytes)."""
    header, start = read_header(path)
    data = np.fromfile(path, np.uint8, offset=start)
    data.flags.writeable = False
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        first, last = entry["data_offsets"]
        array = np.frombuffer(data[first:last].tobytes(), DTYPES[entry["dtype"]])
        tensors[name] = array.reshape(entry["shape"])
    return tensors
