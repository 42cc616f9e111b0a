"""What is compared with is asked for by importing it."""

import sys

import peers


def test_a_module_that_is_there():
    assert peers.has(sys.executable, "numpy") and peers.lacks(sys.executable, "numpy") == ""


def test_a_python_without_it_or_none_at_all(tmp_path):
    assert not peers.has(sys.executable, "no_such_module")
    assert not peers.has(tmp_path / "bin/python", "numpy")
    assert "no_such_module" in peers.lacks(sys.executable, "no_such_module")
