"""LoRA adapters of the encoder (Hu et al. 2021, arXiv 2106.09685): y = W x + b + (alpha / r) B A x in
every linear layer, A [r, in] and B [out, r] trained, all else as it is in the base.

Written out in plain torch for the reasons that encoder.py gives; the folder has the form that PEFT
saves, so that PEFT loads it too.
"""

import json

import torch
from safetensors.torch import save_file
from torch import nn

WEIGHTS = "adapter_model.safetensors"
RANK = 16
ALPHA = 32


class Adapted(nn.Module):
    """A linear layer with its two factors. B begins with zeros: the model begins as the base."""

    def __init__(self, linear):
        super().__init__()
        self.linear = linear
        self.lora_A = nn.Parameter(torch.empty(RANK, linear.in_features))
        self.lora_B = nn.Parameter(torch.zeros(linear.out_features, RANK))
        nn.init.kaiming_uniform_(self.lora_A, a=5**0.5)

    def forward(self, x):
        return self.linear(x) + ALPHA / RANK * (x @ self.lora_A.T @ self.lora_B.T)


def attach(model):
    """Puts factors beside every linear layer of the model and returns them: what is to be trained."""
    model.requires_grad_(False)
    factors = []
    for name, linear in list(model.named_modules()):
        if isinstance(linear, nn.Linear):
            adapted = Adapted(linear)
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, adapted)
            factors += [adapted.lora_A, adapted.lora_B]
    return factors


def save(model, folder):
    """Writes the factors of a model that attach() changed as PEFT would."""
    tensors, targets = {}, set()
    for name, module in model.named_modules():
        if isinstance(module, Adapted):
            for factor in ("lora_A", "lora_B"):
                stored = getattr(module, factor).detach().contiguous()
                tensors[f"base_model.model.{name}.{factor}.weight"] = stored
            targets.add(name)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, str(folder / WEIGHTS), metadata={"format": "pt"})
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "lora_dropout": 0.0,
              "bias": "none", "inference_mode": True, "target_modules": sorted(targets)}
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")
