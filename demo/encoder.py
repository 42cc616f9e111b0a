"""The sentence encoder, MiniLM-L6 (a BERT with mean pooling), read from a checkpoint folder: what
mixture.py puts SMILE's layers into. All other models of the demo are run by merganser.
"""

import json
from pathlib import Path

from safetensors import safe_open
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
