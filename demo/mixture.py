"""SMILE's mixtures (docs/smile.md), read from what merganser writes: the encoder, and beside each of
its linear layers experts of low rank that a router chooses between for each token.

merganser runs them, and transformers loads them with the code that lies in their folders; here the
layer is written out once more, to put one expert in the place of the routers' choice (the rows
"oracle"), and to show how little there is to it.
"""

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

import encoder


PARTS = ("router", "in", "out", "dense", "bias")


class Mixture(nn.Module):
    """y = W x + b + sum of w_e (U_e (S V^T)_e x + bias_e) over the chosen experts e."""

    def __init__(self, linear, spec, parts, per_token, shared):
        super().__init__()
        self.linear, self.shared, self.per_token = linear, shared, per_token
        self.experts = len(spec["ranks"])
        # The expert that each row of smile_in and smile_out belongs to.
        self.owners = torch.repeat_interleave(torch.arange(self.experts), torch.tensor(spec["ranks"]))
        for name in PARTS:
            self.register_buffer(f"smile_{name}", parts.get(name))

    def weights(self, x):
        """Of each expert, for each token, as chosen by the routers or from outside: [..., experts]."""
        if self.shared["expert"] is not None:
            chosen = torch.tensor(self.shared["expert"])
            return nn.functional.one_hot(chosen, self.experts).to(x.dtype).expand(*x.shape[:-1], -1)
        lengths = (x @ self.smile_router.T).unflatten(-1, (self.experts, -1)).norm(dim=-1)
        top = lengths.topk(self.per_token, dim=-1)
        self.shared["choices"] += torch.bincount(top.indices.flatten(), minlength=self.experts)
        return torch.zeros_like(lengths).scatter(-1, top.indices, top.values.softmax(-1))

    def forward(self, x):
        y, weights = self.linear(x), self.weights(x)
        if self.smile_in is not None:
            y = y + (x @ self.smile_in.T * weights[..., self.owners]) @ self.smile_out
        if self.smile_dense is not None:  # whole differences, where factors would be larger
            products = torch.einsum("...n,emn->...em", x, self.smile_dense)
            y = y + (weights[..., None] * products).sum(-2)
        if self.smile_bias is not None:
            y = y + weights @ self.smile_bias
        return y


def load(folder, expert=None):
    """The mixture in a folder; with a number, that expert takes every token in every layer. Its
    `shared["choices"]` counts what the routers choose, over all layers."""
    model = encoder.load(folder)  # the base's weights, under the base's names
    smile = json.loads((Path(folder) / "config.json").read_text())["smile"]
    shared = {"expert": expert, "choices": torch.zeros(smile["num_experts"], dtype=torch.long)}
    with safe_open(str(Path(folder) / encoder.WEIGHTS), "pt") as file:
        stored = set(file.keys())
        for name, spec in smile["modules"].items():
            parts = {part: file.get_tensor(f"{name}.smile_{part}").float()
                     for part in PARTS if f"{name}.smile_{part}" in stored}
            per_token = spec.get("num_experts_per_tok", smile["num_experts_per_tok"])
            mixture = Mixture(model.get_submodule(name), spec, parts, per_token, shared)
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, mixture)
    model.shared = shared
    return model.eval()


def routed(folder):
    """Whether the routers have anything to choose: not where a token goes to all experts."""
    smile = _config(folder)
    return smile["num_experts_per_tok"] < smile["num_experts"]


def own_shares(program, folder, tasks):
    """Of each task's rows, the share of the routers' choices that are its own expert; the experts are
    in the order of the tasks."""
    experts = _config(folder)["experts"]
    options = [part for task, expert in zip(tasks, experts, strict=True)
               for part in ("--expert", f"{task}={expert}")]
    files = [part for file in tasks.values() for part in ("--task", file)]
    report = program.run("route", folder, *files, *options, "--batch", 128)
    return [task["total"]["shares"][expert] for expert, task in enumerate(report["tasks"])]


@torch.no_grad()
def oracle_accuracy(folder, expert, task, work):
    """Accuracy on a task's test rows with that expert in every layer."""
    model = load(folder, expert)
    stem = task.replace(" ", "-")
    rows = load_file(str(work / "tokens" / f"{stem}-test.safetensors"))
    head = load_file(str(work / "heads" / f"{stem}.safetensors"))
    lengths = rows["mask"].sum(1)
    right = 0
    for chosen in lengths.argsort().split(128):
        longest = lengths[chosen].max()
        vectors = model(rows["ids"][chosen, :longest].long(), rows["mask"][chosen, :longest])
        scores = vectors @ head["weight"].T + head["bias"]
        right += (scores.argmax(1) == rows["labels"][chosen]).sum().item()
    return right / len(lengths)


def _config(folder):
    return json.loads((Path(folder) / "config.json").read_text())["smile"]
