"""The sentence encoder: MiniLM-L6 (a BERT with mean pooling) read from and
written to an ordinary checkpoint folder.

It is written out in plain torch, so that the demo needs neither transformers
nor sentence-transformers, and so that the tensors which go to disk carry
exactly the names, shapes and types of the folder they came from: a merge tool
must see an ordinary checkpoint, not something the demo reshaped for it.
"""

import json
import shutil
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

WEIGHTS = "model.safetensors"


def _names(module_names):
    """A bare Module whose children carry the given names."""
    module = nn.Module()
    for name, child in module_names.items():
        module.add_module(name, child)
    return module


class _Layer(nn.Module):
    """One transformer layer; attribute names follow the checkpoint's."""

    def __init__(self, width, inner, heads, eps):
        super().__init__()
        self.heads = heads
        self.attention = _names({
            "self": _names({p: nn.Linear(width, width) for p in ("query", "key", "value")}),
            "output": _names({"dense": nn.Linear(width, width),
                              "LayerNorm": nn.LayerNorm(width, eps=eps)}),
        })
        self.intermediate = _names({"dense": nn.Linear(width, inner)})
        self.output = _names({"dense": nn.Linear(inner, width),
                              "LayerNorm": nn.LayerNorm(width, eps=eps)})

    def forward(self, x, mask):
        rows, length, width = x.shape
        attend = self.attention.self

        def split(linear):
            return linear(x).view(rows, length, self.heads, -1).transpose(1, 2)

        mixed = F.scaled_dot_product_attention(
            split(attend.query), split(attend.key), split(attend.value), attn_mask=mask)
        mixed = mixed.transpose(1, 2).reshape(rows, length, width)
        out = self.attention.output
        x = out.LayerNorm(x + out.dense(mixed))
        inner = F.gelu(self.intermediate.dense(x))
        return self.output.LayerNorm(x + self.output.dense(inner))


class Encoder(nn.Module):
    """Token ids -> one mean-pooled vector of unit length per text."""

    def __init__(self, config):
        super().__init__()
        width, eps = config["hidden_size"], config["layer_norm_eps"]
        self.embeddings = _names({
            "word_embeddings": nn.Embedding(config["vocab_size"], width),
            "position_embeddings": nn.Embedding(config["max_position_embeddings"], width),
            "token_type_embeddings": nn.Embedding(config["type_vocab_size"], width),
            "LayerNorm": nn.LayerNorm(width, eps=eps),
        })
        self.encoder = _names({"layer": nn.ModuleList(
            _Layer(width, config["intermediate_size"], config["num_attention_heads"], eps)
            for _ in range(config["num_hidden_layers"]))})

    def forward(self, ids, mask):
        e = self.embeddings
        x = (e.word_embeddings(ids) + e.position_embeddings.weight[: ids.shape[1]]
             + e.token_type_embeddings.weight[0])
        x = e.LayerNorm(x)
        attend = mask[:, None, None, :].bool()
        for layer in self.encoder.layer:
            x = layer(x, attend)
        weight = mask[:, :, None].to(x.dtype)
        pooled = (x * weight).sum(1) / weight.sum(1)
        return F.normalize(pooled, dim=-1)


def load(folder):
    """Reads the encoder out of a checkpoint folder."""
    folder = Path(folder)
    model = Encoder(json.loads((folder / "config.json").read_text()))
    with safe_open(str(folder / WEIGHTS), "pt") as file:
        stored = set(file.keys())
        wanted = set(model.state_dict())
        if missing := wanted - stored:
            raise RuntimeError(f"{folder}: the checkpoint lacks {sorted(missing)[0]!r}")
        # Left over are the pooler, which mean pooling does not use, and
        # position_ids, a constant.
        model.load_state_dict({name: file.get_tensor(name).float() for name in wanted})
    return model.eval()


def save_like(model, base, folder):
    """Writes a copy of the folder `base` that holds `model`'s weights.

    Tensors that the encoder does not use are copied as they are, so the new
    file has the same names, shapes and types as the base's.
    """
    base, folder = Path(base), Path(folder)
    shutil.copytree(base, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(WEIGHTS))
    trained = model.state_dict()
    with safe_open(str(base / WEIGHTS), "pt") as file:
        tensors = {}
        for name in file.keys():
            old = file.get_tensor(name)
            new = trained.get(name, old)
            tensors[name] = new.detach().to(old.dtype).contiguous().clone()
        metadata = file.metadata()
    save_file(tensors, str(folder / WEIGHTS), metadata=metadata)


@torch.no_grad()
def embed(model, ids, batch=128):
    """The vectors of many token-id lists, in the order given.

    Texts of like length share a batch, so that little time goes to padding.
    """
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    out = None
    for start in range(0, len(order), batch):
        chosen = order[start: start + batch]
        vectors = model(*pad([ids[i] for i in chosen]))
        if out is None:
            out = torch.empty(len(ids), vectors.shape[1])
        out[torch.tensor(chosen)] = vectors
    return out


def pad(rows):
    """Token-id lists -> (ids, mask) as tensors, padded to the longest."""
    length = max(len(row) for row in rows)
    ids = torch.tensor([row + [0] * (length - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in rows])
    return ids, mask
