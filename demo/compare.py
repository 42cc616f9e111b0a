"""What merges are worth: each one's coefficients chosen on validation, and measured on the test rows.
merganser does all of it; candidates are merged in memory."""

import json
import math

import merges
import table

# Methods whose candidates go into one call of `merganser evaluate`.
TOGETHER = 8


class Subject:
    """What is compared: the base and the inputs of the merges, on the tasks. The first input is the
    first task's, and so on."""

    def __init__(self, program, tasks, base, inputs):
        self.program, self.tasks, self.base, self.inputs = program, tasks, base, inputs

    def ends(self, split):
        """{task: (the base's accuracy, its own input's)}"""
        low, *high = self.measure([self.base, *self.inputs], split)
        return {task: (low[task], own[task]) for task, own in zip(self.tasks, high, strict=True)}

    def measure(self, models, split):
        """The accuracies {task: p} of each model."""
        rows, _ = self.program.evaluate(models, self.tasks.values(), split, self.base, self.inputs)
        return [{task: row["tasks"][task]["value"] for task in self.tasks} for row in rows]


def choose(subject, grids, folder, say):
    """Every method with the coefficients that do best on validation: ({method: (coefficients, recipe)},
    the best method).

    A candidate counts for as much as the task it keeps less of: a merge that
    serves one task at the other's cost is no merge.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ends = subject.ends("validation")
    chosen, best, best_score = {}, None, -math.inf
    names = list(grids)
    for start in range(0, len(names), TOGETHER):
        group = [(method, i) for method in names[start:start + TOGETHER]
                 for i in range(len(grids[method]))]
        files = [folder / f"candidate-{n}.yml" for n in range(len(group))]
        for (method, i), file in zip(group, files, strict=True):
            merges.write(grids[method][i][1], file)
        scores = {}
        for pair, found in zip(group, subject.measure(files, "validation"), strict=True):
            scores[pair] = min((found[task] - low) / (high - low)
                               for task, (low, high) in ends.items())
        for file in files:
            file.unlink()
        for method in names[start:start + TOGETHER]:
            i = max(range(len(grids[method])), key=lambda i: scores[method, i])
            chosen[method] = grids[method][i]
            shown = merges.describe(chosen[method][0])
            say(f"{method}, {len(grids[method])} settings: validation picks {shown or 'the defaults'}"
                f" (lesser gain {scores[method, i]:.2f})")
            if scores[method, i] > best_score:
                best, best_score = method, scores[method, i]
    return chosen, best


def write(subject, chosen, mixtures, recipes, out):
    """Merges what was chosen, and the mixtures, to disk: {name: {"folder", "coefficients", the cost}}."""
    results = {}
    named = {name: (merges.describe(shown), recipe) for name, (shown, recipe) in chosen.items()}
    named |= {name: ("", recipe) for name, recipe in mixtures.items()}
    for name, (shown, recipe) in named.items():
        stem = name.replace(", rest: ", "-").replace(", ", "-").replace(" ", "-")
        cost = merges.run(subject.program.path, recipe, recipes / f"{stem}.yml", out / stem)
        results[name] = {"folder": out / stem, "coefficients": shown, **cost}
    return results


def rows(subject, results, mixtures, others, labels):
    """The table's rows, of one measurement on the test rows. others: {name: model} beside the merges;
    labels: of the inputs."""
    switched = {}
    for method in merges.SWITCHED:
        if method in results:
            folder = results[method]["folder"]
            for task in subject.tasks:
                out = folder.with_name(f"{method}-{task.replace(' ', '-')}")
                merges.materialise(subject.program.path, folder, task.replace(" ", "-"), out)
                switched[method, task] = out
    models = [*others.values(), *(result["folder"] for result in results.values()),
              *switched.values()]
    measured, sizes = subject.program.evaluate(models, subject.tasks.values(), "test", subject.base,
                                               subject.inputs, gains=True, oracle=bool(mixtures))
    # An oracle's row stands behind that of its mixture.
    oracles = {before["name"]: row for before, row in zip(measured, measured[1:], strict=False)
               if row["kind"] == "oracle"}
    found = (row for row in measured if row["kind"] != "oracle")
    made = [_row(name, next(found), sizes, kind=kind)
            for name, kind in [("base, refitted head", "base"), *((name, "input") for name in labels)]]
    made.append(_row("ensemble of the two", next(found), sizes, kind="ensemble"))
    made += [_row(name, next(found), sizes, kind="multi-task") for name in others]
    merged = {name: _row(name, next(found), sizes, result) for name, result in results.items()}
    by_mask = {key: next(found) for key in switched}
    for name, row in merged.items():
        made.append(row)
        if name in merges.SWITCHED:
            each = {task: by_mask[name, task]["tasks"][task] for task in subject.tasks}
            made.append(_row(f"{name}, each task by its mask", {"tasks": each}, sizes,
                             kind="two models"))
        if name in mixtures:
            folder = results[name]["folder"]
            row.kind = "mixture"
            if not _chooses(folder):
                continue  # a token goes to all experts
            own = "/".join(f"{100 * share:.0f}" for share in _own_shares(subject, folder))
            row.coefficients = f"own expert {own} %"
            made.append(_row(f"{name}, oracle", oracles[str(folder)], sizes, kind="mixture"))
    return made


def _smile(folder):
    return json.loads((folder / "config.json").read_text())["smile"]


def _chooses(folder):
    return _smile(folder)["num_experts_per_tok"] < _smile(folder)["num_experts"]


def _own_shares(subject, folder):
    """Of each task's rows, the share of the routers' choices that are its own expert; the experts are
    in the order of the tasks."""
    experts = _smile(folder)["experts"]
    report = subject.program.route(folder, subject.tasks, dict(zip(subject.tasks, experts, strict=True)))
    return [task["total"]["shares"][expert] for expert, task in enumerate(report["tasks"])]


def _row(name, found, sizes, result=None, kind="merge"):
    figures = found["tasks"]
    accuracy = {task: figure["value"] for task, figure in figures.items()}
    error = {task: math.sqrt(p * (1 - p) / sizes[task]) for task, p in accuracy.items()}
    # None where base and specialist are equal.
    gain = {task: figure.get("gain", math.nan) for task, figure in figures.items()}
    row = table.Row(name, "", accuracy, error, gain, kind=kind)
    if result:
        row.coefficients = result["coefficients"]
        row.seconds, row.peak_bytes = result["seconds"], result["peak_bytes"]
    return row
