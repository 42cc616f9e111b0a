#!/usr/bin/env python3
"""Text as token ids, for merganser's task files (docs/tasks.md).

    tools/tokenise.py MODEL labelled.tsv out.safetensors     LABEL <TAB> TEXT a line
    tools/tokenise.py MODEL book.txt out.safetensors --text  one stream for language modelling

MODEL is a checkpoint's folder, or its tokenizer.json. Labelled lines become ids [rows, length] (padded
on the right with 0), mask [rows, length] (1 for tokens) and labels [rows]; a text becomes ids [tokens],
without special tokens. Needs the packages tokenizers, numpy and safetensors.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer


def load(model, longest=None):
    """The tokenizer of a folder or a tokenizer.json, without padding, cut at `longest` tokens."""
    path = Path(model)
    tokenizer = Tokenizer.from_file(str(path / "tokenizer.json" if path.is_dir() else path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if longest:
        tokenizer.enable_truncation(longest)
    return tokenizer


def labelled(tokenizer, texts, labels):
    """{"ids", "mask", "labels"} of texts with a label each. A text without any token is refused: a
    row has one at least."""
    rows = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
    for number, row in enumerate(rows, 1):
        if not row:
            raise ValueError(f"text {number} has no token")
    lengths = np.array([len(row) for row in rows])
    mask = np.arange(lengths.max()) < lengths[:, None]
    ids = np.zeros(mask.shape, np.int32)
    ids[mask] = np.concatenate([np.array(row, np.int32) for row in rows])
    return {"ids": ids, "mask": mask.astype(np.uint8), "labels": np.array(labels, np.int32)}


def stream(tokenizer, text):
    """{"ids"} of one text."""
    return {"ids": np.array(tokenizer.encode(text, add_special_tokens=False).ids, np.int32)}


def read_tsv(file):
    """(texts, labels) of lines LABEL <TAB> TEXT; labels are whole numbers from 0."""
    texts, labels = [], []
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), 1):
        if not line:
            continue
        label, tab, text = line.partition("\t")
        if not tab or not label.isascii() or not label.isdigit():
            raise ValueError(f"{file}:{number}: expected LABEL <TAB> TEXT, the label a whole number")
        texts.append(text)
        labels.append(int(label))
    if not texts:
        raise ValueError(f"{file}: there are no lines")
    return texts, labels


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path, metavar="MODEL")
    parser.add_argument("input", type=Path, metavar="INPUT")
    parser.add_argument("output", type=Path, metavar="OUTPUT")
    parser.add_argument("--text", action="store_true", help="one stream of tokens")
    parser.add_argument("--longest", type=int, help="tokens of a row, special ones included")
    options = parser.parse_args()
    try:
        tokenizer = load(options.model, options.longest)
        if options.text:
            tensors = stream(tokenizer, options.input.read_text(encoding="utf-8"))
        else:
            tensors = labelled(tokenizer, *read_tsv(options.input))
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    part = options.output.with_name(options.output.name + ".part")
    save_file(tensors, str(part))
    part.replace(options.output)
    print(f"{options.output}: " + ", ".join(f"{name} {list(t.shape)}" for name, t in tensors.items()))


if __name__ == "__main__":
    main()
