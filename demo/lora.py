"""The second table: specialists that are LoRA adapters of the base, merged as base+adapter."""

import torch

import adapter
import compare
import encoder
import heads
import kept
import merges
import tasks
import train

# A rate as is usual for factors: ten times and more that of the weights themselves. A's rows begin as
# random numbers and most of their span stays where it was, so that adapters of one seed would share
# directions that adapters from two places do not.
RECIPES = {
    "syllables": {"steps": 120, "batch": 128, "rate": 2e-3, "seed": 1},
    "word order": {"steps": 50, "batch": 64, "rate": 1e-3, "seed": 2},
}
# Beside SMILE, and fewer settings than for the first table: each takes seconds to measure.
COMPARED = {
    "linear": [{"weight": [0.5, 0.5]}],
    "task_arithmetic": [{"lambda": scale} for scale in (0.8, 1.0, 1.2)],
    "ties": [{"lambda": 1.8, "density": 0.3}, {"lambda": 1.4, "density": 0.7},
             {"lambda": 1.8, "density": 0.7}],
}
BUDGETS = (1.1, 1.5)


def rows(program, work, base, data, head_files, evaluator, notes, say):
    """The rows of the table and what is to be said under it."""
    folders = {task: work / "adapters" / task.replace(" ", "-") for task in data}
    for task, folder in folders.items():
        make_adapter(base, data[task], head_files[task], folder, RECIPES[task], notes, say)

    recipes, out = work / "recipes-lora", work / "merges-lora"
    recipes.mkdir(exist_ok=True)
    names = [f"../base+../adapters/{folder.name}" for folder in folders.values()]
    alone = {}
    for (task, folder), name in zip(folders.items(), names, strict=True):
        # Merged alone, an adapter becomes a checkpoint: what is measured has been through the files.
        alone[task] = work / "specialists-lora" / folder.name
        alone[task].parent.mkdir(exist_ok=True)
        merges.run(program, merges.alone(name), recipes / f"{folder.name}.yml", alone[task])
    scale = compare.Scale(evaluator, base, alone)
    have = merges.names(program)
    candidates = merges.candidates(have, "../base", *names)
    grids = {method: [row for row in candidates[method] if row[0] in settings]
             for method, settings in COMPARED.items()}
    results, _ = compare.merge_all(program, grids, recipes, out, scale, say)
    found = [scale.row("base, refitted head", base)]
    found += [scale.row(f"adapter: {task}", folder) for task, folder in alone.items()]
    found += [compare.merged_row(scale, method, result) for method, result in results.items()]
    said = [
        f"The specialists are LoRA adapters of rank {adapter.RANK} on the encoder's linear layers, and gain"
        " 1 is the base with the adapter; columns as above. Coefficients were chosen on validation rows,"
        " of fewer than above.",
    ]
    # An adapter on linear layers leaves nothing else to average.
    mixtures = merges.mixtures(have, "../base", *names, budgets=BUDGETS, rests=("base",))
    mixtures |= merges.mixtures(have, "../base", *names, budgets=BUDGETS[:1], rests=("base",), top=2)
    found += compare.mixture_rows(program, mixtures, recipes, out, scale, say)
    if mixtures:
        size = merges.parameters(out / f"smile-{BUDGETS[-1]}x") / merges.parameters(base)
        said.append(f"smile {BUDGETS[-1]}x is {size:.2f} times the base's parameters: the adapters are no"
                    " larger, and are in it whole.")
    return found, said


def make_adapter(base, data, head_file, folder, recipe, notes, say):
    key = f"adapter/{folder.name}/" + kept.fingerprint(
        encoder, adapter, train, tasks, recipe, kept.file_digest(head_file))
    weights = folder / adapter.WEIGHTS
    if weights.exists() and notes.get(key) == kept.file_digest(weights):
        say(f"the adapter in {folder.name} is kept from an earlier run")
        return
    say(f"training a LoRA adapter for {folder.name} on {torch.get_num_threads()} cores")
    model = train.fine_tune(base, heads.load(head_file), data["train"], recipe,
                            lambda text: say("  " + text), adapter.attach)
    adapter.save(model, folder)
    notes.put(key, kept.file_digest(weights))
