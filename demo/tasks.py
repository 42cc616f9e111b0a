"""The two tasks: labelled texts and their split into train, validation and test.

Both labels are facts about the text and need no annotator, and neither is what
MiniLM was trained to encode (it was trained for topic and meaning), so that a
linear head on the frozen encoder is well below what fine-tuning reaches. A task
that the base already solves could not show whether a merge keeps anything.

No split is random by row. Whole groups go to one side, chosen by a hash of the
group's name, so the split is the same on every machine:
  syllables   groups are words with the same first five letters, which keeps
              'nation', 'nations' and 'national' together
  word order  groups are whole speeches
"""

import hashlib
import json
import random
import re
from dataclasses import dataclass
from pathlib import Path

# Rows kept per split. 2,000 test rows give a standard error of about 1 point.
SIZES = {"train": 60_000, "validation": 1_000, "test": 2_000}
# The share of the groups, in percent, that goes to validation and to test.
SHARES = {"validation": 8, "test": 16}

ABOUT = {"syllables": "How many syllables has a written word: 1, 2, 3, or 4 and more?",
         "word order": "Has a phrase of eight words had two neighbours swapped?"}


@dataclass
class Task:
    name: str
    labels: list[str]
    splits: dict[str, list[tuple[str, int]]]  # split name -> (text, label index)


def load(texts):
    """Both tasks, from the folder that setup.sh filled."""
    texts = Path(texts)
    return [syllables(texts / "dictionary/data/dict.txt"), word_order(texts / "speeches/data")]


def syllables(dictionary):
    """How many syllables has a written word? (CMU Pronouncing Dictionary)"""
    counts = {}
    for line in dictionary.read_text(encoding="utf-8", errors="replace").splitlines():
        word, _, phones = line.partition("  ")
        # Only plain words; 'WORD(1)' is a second pronunciation.
        if re.fullmatch("[A-Z]{3,}", word):
            # Each vowel, and no consonant, ends in its stress digit.
            counts[word.lower()] = sum(phone[-1].isdigit() for phone in phones.split())
    rows = [(word[:5], word, min(count, 4) - 1) for word, count in counts.items() if count]
    return Task("syllables", ["1", "2", "3", "4+"], _split("syllables", rows))


def word_order(speeches):
    """Have two neighbouring words of a phrase been swapped? (State of the Union)"""
    rows, seen = [], set()
    coin = random.Random("word order")
    for file in sorted(speeches.glob("*.json")):
        for phrase in _phrases(json.loads(file.read_text(encoding="utf-8"))["text"]):
            key = " ".join(phrase)
            if key in seen:
                continue  # set phrases recur from one speech to the next
            seen.add(key)
            at = coin.randrange(1, len(phrase) - 2)
            swapped = coin.random() < 0.5
            if swapped:
                if phrase[at] == phrase[at + 1]:
                    continue
                phrase[at], phrase[at + 1] = phrase[at + 1], phrase[at]
            rows.append((file.stem, " ".join(phrase), int(swapped)))
    return Task("word order", ["intact", "swapped"], _split("word order", rows))


def _phrases(text, length=8):
    """Runs of `length` words inside one sentence, in lower case. Marks and
    capitals go, since a comma or capital in the wrong place would give the
    swap away."""
    for sentence in re.split(r"[.!?;:]+\s", text.lower()):
        words = re.findall(r"[a-z0-9$%][a-z0-9$%'-]*", sentence.replace("’", "'"))
        for start in range(0, len(words) - length + 1, length):
            yield words[start: start + length]


def _split(task, rows):
    """(group, text, label) rows -> the three splits, each in a fixed shuffle."""
    splits = {name: [] for name in SIZES}
    for group, text, label in rows:
        bucket = int(hashlib.sha256(f"{task}/{group}".encode()).hexdigest(), 16) % 100
        if bucket < SHARES["validation"]:
            name = "validation"
        elif bucket < SHARES["validation"] + SHARES["test"]:
            name = "test"
        else:
            name = "train"
        splits[name].append((text, label))
    for name, size in SIZES.items():
        random.Random(f"{task}/{name}").shuffle(splits[name])
        del splits[name][size:]
    return splits
