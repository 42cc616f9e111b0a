#!/usr/bin/env python3
"""The same work as runtime_bench, by transformers on PyTorch: same arguments, same output."""

import json
import sys
import time

import torch
import transformers
from safetensors.torch import load_file


def batches(inputs, size):
    """Rows of like length together, cut to the longest of them, as the runtime takes them."""
    ids = inputs["ids"].long()
    if "mask" not in inputs:
        yield from ((rows, ids[rows], None) for rows in torch.arange(len(ids)).split(size))
        return
    lengths = inputs["mask"].sum(1)
    for rows in torch.argsort(lengths, stable=True).split(size):
        longest = int(lengths[rows].max())
        mask = inputs["mask"][rows, :longest].long()
        yield rows, ids[rows, :longest], None if bool(mask.all()) else mask


def language_loss(model, inputs, rows, ids, mask):
    logits = model(input_ids=ids[:, :-1], use_cache=False).logits
    losses = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none"
    )
    return losses.view(len(rows), -1).mean(1)


def class_loss(model, inputs, rows, ids, mask):
    hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
    if mask is None:
        features = hidden.mean(1)
    else:
        weight = mask.unsqueeze(2).to(hidden.dtype)
        features = (hidden * weight).sum(1) / weight.sum(1)
    logits = torch.nn.functional.linear(features, inputs["weight"], inputs["bias"])
    labels = inputs["labels"][rows].long()
    return torch.nn.functional.cross_entropy(logits, labels, reduction="none")


def main():
    folder, file, batch, threads, passes = sys.argv[1:]
    torch.set_num_threads(int(threads))
    inputs = load_file(file)
    classify = "weight" in inputs
    kind = transformers.AutoModel if classify else transformers.AutoModelForCausalLM
    model = kind.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
    loss_of = class_loss if classify else language_loss
    seconds = []
    for number in range(-1, int(passes)):
        begin = time.perf_counter()
        with torch.inference_mode():
            losses = [loss_of(model, inputs, *each).double() for each in batches(inputs, int(batch))]
            loss = torch.cat(losses).mean().item()
        if number >= 0:
            seconds.append(time.perf_counter() - begin)
    print(json.dumps({"loss": loss, "seconds": seconds}))


if __name__ == "__main__":
    main()
