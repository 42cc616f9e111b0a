#!/usr/bin/env python3
"""Steps of AdamW by transformers on PyTorch.   train_torch.py FOLDER BATCH LENGTH THREADS STEPS"""

import json
import sys
import time

import torch
import transformers
from safetensors.torch import load_file
from torch.nn import functional


def main():
    folder, batch, length, threads, steps = sys.argv[1:]
    batch, length, steps = int(batch), int(length), int(steps)
    torch.set_num_threads(int(threads))
    rows = load_file(f"{folder}/rows.safetensors")
    classify = "labels" in rows
    kind = transformers.AutoModel if classify else transformers.AutoModelForCausalLM
    # As `merganser train`, without dropout.
    model = kind.from_pretrained(f"{folder}/model", local_files_only=True, dtype=torch.float32).eval()
    parameters = [each for name, each in model.named_parameters() if "pooler" not in name]
    optimiser = torch.optim.AdamW(parameters, lr=1e-5, weight_decay=0.0, fused=True)
    if classify:
        ids, head = rows["ids"], load_file(f"{folder}/head.safetensors")
    else:
        ids = rows["ids"].unfold(0, length + 1, length)
    begin = time.perf_counter()
    for step in range(steps):
        chosen = torch.randint(0, len(ids), (batch,))
        if classify:
            features = model(input_ids=ids[chosen]).last_hidden_state.mean(1)
            logits = functional.linear(features, head["weight"], head["bias"])
            loss = functional.cross_entropy(logits, rows["labels"][chosen])
        else:
            logits = model(input_ids=ids[chosen][:, :-1], use_cache=False).logits
            loss = functional.cross_entropy(logits.flatten(0, 1), ids[chosen][:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        loss.item()
    print(json.dumps({"seconds": time.perf_counter() - begin}))


if __name__ == "__main__":
    main()
