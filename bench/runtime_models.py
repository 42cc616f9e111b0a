#!/usr/bin/env python3
"""Models and inputs for the runtime's benchmark, drawn at random: what a pass takes does not depend on
the weights.   runtime_models.py NAME FOLDER"""

import pathlib
import sys

# Of sentence-transformers/all-MiniLM-L6-v2, of stories260K, and of a Llama of 100 million parameters.
CONFIGS = {
    "MiniLM": ("Bert", {
        "vocab_size": 30522, "hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 6,
        "num_attention_heads": 12, "max_position_embeddings": 512}),
    "stories260K": ("Llama", {
        "vocab_size": 512, "hidden_size": 64, "intermediate_size": 172, "num_hidden_layers": 5,
        "num_attention_heads": 8, "num_key_value_heads": 4, "max_position_embeddings": 512,
        "tie_word_embeddings": True}),
    "Llama 100M": ("Llama", {
        "vocab_size": 32000, "hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 10,
        "num_attention_heads": 12, "num_key_value_heads": 4, "max_position_embeddings": 1024,
        "tie_word_embeddings": True}),
}  # fmt: skip
# Rows, tokens of the longest, rows in a batch.
INPUTS = {"MiniLM": (256, 64, 32), "stories260K": (64, 129, 32), "Llama 100M": (8, 129, 4)}


def make(name, folder):
    """FOLDER/model and FOLDER/inputs.safetensors."""
    import torch
    import transformers
    from safetensors.torch import save_file

    torch.manual_seed(0)
    family, settings = CONFIGS[name]
    config = getattr(transformers, f"{family}Config")(**settings)
    kind = transformers.AutoModel if family == "Bert" else transformers.AutoModelForCausalLM
    kind.from_config(config).save_pretrained(folder / "model")
    rows, longest, _ = INPUTS[name]
    inputs = {"ids": torch.randint(5, settings["vocab_size"], (rows, longest))}
    if family == "Bert":
        # About what sentences of reviews have: 8 to 64 tokens, 26 in the mean.
        lengths = (8 + torch.randn(rows).abs() * 22).clamp(max=longest).long()
        inputs["mask"] = (torch.arange(longest) < lengths[:, None]).to(torch.int64)
        inputs["ids"] *= inputs["mask"]
        inputs["labels"] = torch.randint(0, 2, (rows,))
        inputs["weight"], inputs["bias"] = torch.randn(2, settings["hidden_size"]), torch.zeros(2)
    save_file(inputs, folder / "inputs.safetensors")


if __name__ == "__main__":
    target = pathlib.Path(sys.argv[2])
    target.mkdir(parents=True, exist_ok=True)
    make(sys.argv[1], target)
