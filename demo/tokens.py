"""The tasks as files for merganser: token ids, mask and labels of each split, and a task file (YAML)
that names them and the linear head. Kept on disk, so that later runs start at once."""

import sys
from pathlib import Path

from safetensors.numpy import save_file

import kept
import tasks

sys.path.append(str(Path(__file__).resolve().parent.parent / "tools"))
import tokenise  # noqa: E402

MAX_TOKENS = 64

TASK = """\
# {about}
task: {name}
type: classification
head: ../heads/{stem}.safetensors
pooling: mean
normalise: true
train: {{file: ../tokens/{stem}-train.safetensors, mask: mask}}
validation: {{file: ../tokens/{stem}-validation.safetensors, mask: mask}}
test: {{file: ../tokens/{stem}-test.safetensors, mask: mask}}
"""


def stem(task):
    return task.replace(" ", "-")


def make(texts, base, work, notes):
    """{task name: its file}; writes work/tokens and work/tasks where they are absent or stale."""
    names = {name: work / "tasks" / f"{stem(name)}.yml" for name in tasks.ABOUT}
    key = "tokens/" + kept.fingerprint(tasks, tokenise, TASK, MAX_TOKENS)
    if notes.get(key) and all(file.exists() for file in names.values()):
        return names
    tokenizer = tokenise.load(base, MAX_TOKENS)
    for folder in ("tokens", "tasks", "heads"):
        (work / folder).mkdir(exist_ok=True)
    for task in tasks.load(texts):
        for name, rows in task.splits.items():
            save_file(tokenise.labelled(tokenizer, *zip(*rows, strict=True)),
                      str(work / "tokens" / f"{stem(task.name)}-{name}.safetensors"))
        names[task.name].write_text(
            TASK.format(name=task.name, stem=stem(task.name), about=tasks.ABOUT[task.name]))
    notes.put(key, True)
    return names
