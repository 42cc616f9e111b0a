"""tools/tokenise.py: text to the token arrays that task files name."""

import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file

from support.program import REPOSITORY

tokenizers = pytest.importorskip("tokenizers")


@pytest.fixture
def model(tmp_path):
    """A tokenizer of whole words, which puts a 2 before each text."""
    words = tokenizers.models.WordLevel({"[UNK]": 0, "[CLS]": 2, "a": 3, "b": 4, "c": 5}, "[UNK]")
    tokenizer = tokenizers.Tokenizer(words)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A", special_tokens=[("[CLS]", 2)])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def tokenise(*arguments):
    return subprocess.run([sys.executable, REPOSITORY / "tools/tokenise.py", *map(str, arguments)],
                          capture_output=True, text=True)


def test_labelled_lines(model, tmp_path):
    (tmp_path / "in.tsv").write_text("1\ta b\n0\tc\n2\ta\tb c a\n")
    done = tokenise(model, tmp_path / "in.tsv", tmp_path / "out.safetensors", "--longest", 4)
    assert done.returncode == 0, done.stderr
    stored = load_file(tmp_path / "out.safetensors")
    assert stored["ids"].tolist() == [[2, 3, 4, 0], [2, 5, 0, 0], [2, 3, 4, 5]]
    assert stored["mask"].tolist() == [[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 1]]
    assert stored["labels"].tolist() == [1, 0, 2]
    assert not list(tmp_path.glob("*.part"))


def test_a_text_is_one_stream(model, tmp_path):
    (tmp_path / "in.txt").write_text("a b\nc c\n")
    done = tokenise(model / "tokenizer.json", tmp_path / "in.txt", tmp_path / "out.safetensors", "--text")
    assert done.returncode == 0, done.stderr
    stored = load_file(tmp_path / "out.safetensors")
    assert stored.keys() == {"ids"} and stored["ids"].dtype == np.int32
    assert stored["ids"].tolist() == [3, 4, 5, 5]


@pytest.mark.parametrize("line", ["a b c", "x\ta", "-1\ta", ""])
def test_bad_lines(model, tmp_path, line):
    (tmp_path / "in.tsv").write_text(line + "\n")
    done = tokenise(model, tmp_path / "in.tsv", tmp_path / "out.safetensors")
    assert done.returncode == 1 and done.stderr.startswith("error: ")
    assert not (tmp_path / "out.safetensors").exists()
