"""Fine-tunes one specialist: the whole encoder, or what is put beside its weights, its head held fixed.

The head stays the one that was fitted on the base. The encoder then has to move
only as far as the task needs, in the directions that head already reads, and
the two specialists stay in one neighbourhood of the base, where their
differences can be added. A head trained along with the encoder lets both
wander off, and merging suffers.
"""

import random

import torch
from torch.nn import functional as F

import encoder

SEED = 1
WARMUP = 20
# Bounds how sure the model is asked to be: pushing on past the right answer
# moves the weights without gaining accuracy.
SMOOTHING = 0.1


def fine_tune(base, head, split, recipe, report, attach=None):
    """A copy of the encoder in folder `base`, trained on `split`.

    recipe: {"steps", "batch", "rate"}, "seed" where it is not SEED; report(text) is told how it goes. attach(model) may change the
    model and returns the parameters to train; without it all are.
    """
    seed = recipe.get("seed", SEED)
    torch.manual_seed(seed)
    draw = random.Random(seed)
    model = encoder.load(base).train()
    weights = list(model.parameters()) if attach is None else attach(model)
    optimiser = torch.optim.AdamW(weights, lr=recipe["rate"], weight_decay=0.0, fused=True)
    steps, average = recipe["steps"], None
    for step in range(steps):
        rate = recipe["rate"] * min(1.0, (step + 1) / WARMUP) * (1 - step / steps)
        for group in optimiser.param_groups:
            group["lr"] = rate
        rows = [draw.randrange(len(split.ids)) for _ in range(recipe["batch"])]
        vectors = model(*encoder.pad([split.ids[row] for row in rows]))
        loss = F.cross_entropy(vectors @ head["weight"].T + head["bias"],
                               split.labels[torch.tensor(rows)], label_smoothing=SMOOTHING)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        average = loss.item() if average is None else 0.9 * average + 0.1 * loss.item()
        if (step + 1) % 50 == 0 or step + 1 == steps:
            report(f"step {step + 1} of {steps}, loss {average:.3f}")
    return model.eval()
