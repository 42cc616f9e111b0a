"""The second table: specialists that are LoRA adapters of the base, merged as base+adapter."""

import compare
import kept
import merges
import tokens

# A rate as is usual for factors: ten times and more that of the weights themselves. A's rows begin as
# random numbers and most of their span stays where it was, so that adapters of one seed would share
# directions that adapters from two places do not.
SHARED = {"lora-rank": 16, "lora-alpha": 32, "warmup": 20, "smoothing": 0.1}
RECIPES = {
    "syllables": {"steps": 120, "batch": 128, "lr": 2e-3, "seed": 1, **SHARED},
    "word order": {"steps": 50, "batch": 64, "lr": 1e-3, "seed": 2, **SHARED},
}
# Beside SMILE, and fewer settings than for the first table.
COMPARED = {
    "linear": [{"weight": [0.5, 0.5]}],
    "task_arithmetic": [{"lambda": scale} for scale in (0.8, 1.0, 1.2)],
    "ties": [{"lambda": 1.8, "density": 0.3}, {"lambda": 1.4, "density": 0.7},
             {"lambda": 1.8, "density": 0.7}],
}
BUDGETS = (1.1, 1.5)


def rows(program, work, base, tasks, notes, say):
    """The rows of the table and what is to be said under it."""
    folders = {task: work / "adapters" / tokens.stem(task) for task in tasks}
    for task, folder in folders.items():
        kept.trained(program, notes, base, {task: tasks[task]}, folder, RECIPES[task], say)

    recipes, out = work / "recipes-lora", work / "merges-lora"
    inputs = [f"{base}+{folder}" for folder in folders.values()]
    names = [f"../base+../adapters/{folder.name}" for folder in folders.values()]
    subject = compare.Subject(program, tasks, base, inputs)
    candidates = merges.candidates(program.methods(), "../base", *names)
    grids = {method: [row for row in candidates[method] if row[0] in settings]
             for method, settings in COMPARED.items()}
    chosen, _ = compare.choose(subject, grids, recipes, say)
    # An adapter on linear layers leaves nothing else to average.
    have = program.methods()
    mixtures = merges.mixtures(have, "../base", *names, budgets=BUDGETS, rests=("base",))
    mixtures |= merges.mixtures(have, "../base", *names, budgets=BUDGETS[:1], rests=("base",), top=2)
    say("merging and testing")
    kept.empty(out)
    results = compare.write(subject, chosen, mixtures, recipes, out)
    found = compare.rows(subject, results, mixtures, {}, [f"adapter: {task}" for task in tasks])
    said = [
        f"The specialists are LoRA adapters of rank {SHARED['lora-rank']} on the encoder's linear layers,"
        " and gain 1 is the base with the adapter; columns as above. Coefficients were chosen on"
        " validation rows, of fewer than above.",
    ]
    if mixtures:
        size = merges.parameters(out / f"smile-{BUDGETS[-1]}x") / merges.parameters(base)
        said.append(f"smile {BUDGETS[-1]}x is {size:.2f} times the base's parameters: the adapters are no"
                    " larger, and are in it whole.")
    return found, said
