"""The tasks as token ids, kept on disk so that later runs start at once."""

import pickle
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer

import kept
import tasks

MAX_TOKENS = 64


@dataclass
class Split:
    ids: list[list[int]]
    labels: torch.Tensor


def load(texts, base, cache):
    """{task name: {split name: Split}}"""
    key = kept.fingerprint(tasks, MAX_TOKENS)
    if cache.exists():
        with open(cache, "rb") as file:
            stored_key, stored = pickle.load(file)
        if stored_key == key:
            return _with_labels(stored)
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    stored = {}
    for task in tasks.load(texts):
        stored[task.name] = {}
        for name, rows in task.splits.items():
            encoded = tokenizer.encode_batch([text for text, _ in rows])
            stored[task.name][name] = [one.ids for one in encoded], [label for _, label in rows]
    part = cache.with_suffix(".part")
    with open(part, "wb") as file:
        pickle.dump((key, stored), file)
    part.replace(cache)
    return _with_labels(stored)


def _with_labels(stored):
    return {task: {name: Split(ids, torch.tensor(labels)) for name, (ids, labels) in splits.items()}
            for task, splits in stored.items()}
