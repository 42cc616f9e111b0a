"""A hostile input: how it is written, which commands read it, how they may end."""

from typing import Callable, NamedTuple

REFUSED = frozenset({2})
FINE = frozenset({0, 1})  # 1: of diff, verify and replay, which found a difference
ANY = FINE | REFUSED  # what it comes to depends on the command; that it ends well does not

# The commands that read a kind of input. They run in a folder with the good checkpoints base and
# tune, the good adapters adapter and other, a merge of base and tune in merged, a task-switched one
# in tasks; the input is x (x.safetensors, x.yml, ...). Their output, if any, is called out.
RECIPES = {
    "linear.yml": "merge_method: linear\nmodels: [{model: base}, {model: x}]\nparameters: {weight: 1}\n",
    "based.yml": "merge_method: task_arithmetic\nbase_model: x\nmodels: [{model: tune}]\n"
                 "parameters: {weight: 1}\n",
    "stack.yml": "merge_method: passthrough\nslices:\n"
                 "- sources: [{model: x, layer_range: [0, 2]}]\n"
                 "- sources: [{model: base, layer_range: [1, 2]}]\n",
    "adapted.yml": "merge_method: passthrough\nmodels: [{model: base+x}]\n",
    "task.yml": "merge_method: passthrough\nmodels: [{model: {model: {path: x}, task: tune}}]\n",
    "resumed.yml": "merge_method: linear\nmodels: [{model: base}, {model: tune}]\n"
                   "parameters: {weight: 1}\n",
}
WEIGHTS = (
    "analyze base x --json",
    "analyze based.yml",
    "inspect x --all",
    "plan linear.yml",
    "merge linear.yml out",
    "merge based.yml out",
    "diff base x",
    "extract-lora x base out",
)
WEIGHTS_ALONE = (
    "inspect {x} --json",
    "plan --method passthrough {x}",
    "merge --method passthrough {x} -o out.safetensors",
    "diff {x} {x}",
    "extract-lora {x} base out",
)
ARCHIVE = ("inspect {x} --json", "merge --method passthrough {x} -o out.safetensors", "diff {x} {x}")
ADAPTER = (
    "plan adapted.yml", "merge adapted.yml out", "analyze base base+x --json",  # with the base
    "merge-lora adapter x out", "merge-lora x out",
)
CONFIG = ("inspect x", "plan linear.yml", "merge based.yml out", "merge stack.yml out")
RECIPE = ("plan x.yml", "merge x.yml out")
TASKS = ("materialise x", "materialise x tune out", "merge task.yml out", "verify x")
PROVENANCE = ("verify x", "replay x", "replay x out")
EVERY = (
    "inspect x", "plan linear.yml", "plan x", "merge linear.yml out", "merge x out", "merge based.yml out",
    "merge adapted.yml out", "merge task.yml out", "diff x base", "diff base tune --base x", "verify x",
    "replay x", "materialise x", "extract-lora base x out", "merge-lora adapter x out",
)


class Case(NamedTuple):
    name: str
    write: Callable  # (folder): makes x there
    commands: tuple
    codes: frozenset = REFUSED


def named(commands, x):
    return tuple(command.replace("{x}", x) for command in commands)
