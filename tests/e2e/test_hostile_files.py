"""Safetensors files that break the format: always an error, never a crash or a huge allocation."""

import json
import struct

import numpy as np
import pytest

from support import safetensors_file
from support.program import fail, run
from support.recipe import models, write_recipe

pytestmark = pytest.mark.usefixtures("merganser")

GOOD = {"x": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}
DATA = np.arange(4, dtype=np.float32).tobytes()


def entry(**changes):
    return {"x": {**GOOD["x"], **changes}}


HEADERS = {
    "not JSON": b"{nonsense",
    "not an object": b"[1, 2]",
    "empty": b"",
    "text after the object": json.dumps(GOOD).encode() + b"]]",
    "invalid UTF-8": b'{"\xff\xfe": 1}',
    "duplicate key": b'{"x": %b, "x": %b}' % ((json.dumps(GOOD["x"]).encode(),) * 2),
    "deep nesting": b'{"a":' * 50_000,
    "entry is no object": {"x": 3},
    "no dtype": {"x": {"shape": [2, 2], "data_offsets": [0, 16]}},
    "no shape": {"x": {"dtype": "F32", "data_offsets": [0, 16]}},
    "no offsets": {"x": {"dtype": "F32", "shape": [2, 2]}},
    "unknown dtype": entry(dtype="F33"),
    "dtype is a number": entry(dtype=32),
    "shape is a number": entry(shape=4),
    "negative shape": entry(shape=[-2, -2]),
    "fractional shape": entry(shape=[2.5, 2]),
    "shape overflows": entry(shape=[2**32, 2**32]),
    "shape overflows to the right size": entry(shape=[2**62 + 1, 4]),
    "huge dimension": entry(shape=[2**64]),
    "shape against offsets": entry(shape=[2, 3]),
    "offset beyond the end": entry(data_offsets=[0, 32], shape=[2, 4]),
    "huge offsets": entry(data_offsets=[2**63 - 16, 2**63]),
    "offsets backwards": entry(data_offsets=[16, 0]),
    "negative offset": entry(data_offsets=[-16, 0]),
    "three offsets": entry(data_offsets=[0, 8, 16]),
    "fractional offset": entry(data_offsets=[0, 16.5]),
    "overlap": {
        "x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "y": {"dtype": "F32", "shape": [3], "data_offsets": [4, 16]},
    },
    "same bytes twice": {"x": GOOD["x"], "y": GOOD["x"]},
    "hole": {
        "x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
        "y": {"dtype": "F32", "shape": [1], "data_offsets": [12, 16]},
    },
    "bytes left over": entry(shape=[2], data_offsets=[0, 8]),
    "metadata is no object": {"__metadata__": 3, **GOOD},
    "metadata holds a number": {"__metadata__": {"a": 3}, **GOOD},
}


@pytest.fixture
def refuse(tmp_path):
    """Each command that opens a file refuses it, with its name, in bounded time."""

    def run(path):
        for command in (
            ["inspect", path],
            ["diff", path, path],
            ["merge", "--method", "linear", path, "-o", tmp_path / "out.safetensors"],
        ):
            line = fail(*command, timeout=30)
            assert path.name in line, line
        assert not (tmp_path / "out.safetensors").exists()
        return line

    return run


def test_the_good_one_is_good(tmp_path):
    path = safetensors_file.write_raw(tmp_path / "good.safetensors", GOOD, DATA)
    assert run("inspect", path).code == 0


@pytest.mark.parametrize("name", HEADERS)
def test_broken_header(refuse, tmp_path, name):
    refuse(safetensors_file.write_raw(tmp_path / "broken.safetensors", HEADERS[name], DATA))


@pytest.mark.parametrize("length", [0, 1, 10**6, 2**31, 2**40, 2**63, 2**64 - 1])
def test_false_header_length(refuse, tmp_path, length):
    refuse(safetensors_file.write_raw(tmp_path / "broken.safetensors", GOOD, DATA, length))


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 40, -1, -16])
def test_truncated(refuse, tmp_path, size):
    path = safetensors_file.write_raw(tmp_path / "short.safetensors", GOOD, DATA)
    whole = path.read_bytes()
    path.write_bytes(whole[:size])
    refuse(path)


def test_truncated_file_says_how_much_is_missing(tmp_path, files):
    """Both numbers, and what to do."""
    (path,) = files({"x": np.zeros(1000, np.float32)})
    whole = path.read_bytes()
    path.write_bytes(whole[:-1000])
    line = fail("inspect", path)
    assert str(len(whole)) in line or "4000" in line or "1000" in line
    assert str(len(whole) - 1000) in line or "3000" in line or "1000" in line


def test_header_of_a_hundred_megabytes_of_blanks(refuse, tmp_path):
    """Longer than any real header: refused by its length alone."""
    path = tmp_path / "long.safetensors"
    length = 101_000_000
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", length) + b"{}")
        file.truncate(8 + length)
    refuse(path)


def test_other_formats_under_this_name(refuse, tmp_path):
    for magic in (b"PK\x03\x04", b"GGUF\x03\0\0\0", b"\x80\x02}q\0.", b"<html><body>404</body></html>"):
        path = tmp_path / "other.safetensors"
        path.write_bytes(magic + b"\0" * 100)
        refuse(path)


def test_a_broken_file_among_good_ones_leaves_no_output(llamas, tmp_path):
    base, one, two = llamas()
    path = two / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    recipe = {"merge_method": "linear", "models": models(base, one, two, weight=[1, 1, 1])}
    line = fail("merge", write_recipe(tmp_path / "r.yml", recipe), tmp_path / "out")
    assert "tune2" in line
    assert not list(tmp_path.glob("*out*"))


def test_random_damage_never_crashes(tmp_path, files):
    """Flips bytes in the header region: any clean verdict is fine, a signal is not."""
    (path,) = files({f"layer.{i}.weight": np.ones((3, i + 1), np.float32) for i in range(6)})
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    header = int(whole[:8].view(np.uint64)[0]) + 8
    generator = np.random.default_rng(0)
    for _ in range(150):
        damaged = whole.copy()
        places = generator.integers(0, header, generator.integers(1, 4))
        damaged[places] = generator.integers(0, 256, len(places))
        path.write_bytes(damaged.tobytes())
        outcome = run("inspect", path, timeout=20)
        assert outcome.code in (0, 2), (outcome, places)
