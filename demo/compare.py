"""What merges are worth: each one's coefficients chosen on validation, and measured on the test rows."""

import math
import shutil

import merges
import table


class Scale:
    """Normalised gain: 0 is the base with its refitted head, 1 the specialist."""

    def __init__(self, evaluator, base, specialists):
        self.evaluator = evaluator
        self.ends = {}
        for split in ("validation", "test"):
            low = evaluator.accuracies(base, split)
            self.ends[split] = {
                task: (low[task], evaluator.accuracies(folder, split)[task])
                for task, folder in specialists.items()}

    def gains(self, accuracies, split):
        return {task: (accuracies[task] - low) / (high - low)
                for task, (low, high) in self.ends[split].items()}

    def row(self, name, folder, coefficients=""):
        return self.row_of(name, self.evaluator.accuracies(folder, "test"), coefficients)

    def row_of(self, name, accuracies, coefficients=""):
        sizes = {task: len(splits["test"].ids) for task, splits in self.evaluator.data.items()}
        errors = {task: math.sqrt(p * (1 - p) / sizes[task]) for task, p in accuracies.items()}
        return table.Row(name, coefficients, accuracies, errors, self.gains(accuracies, "test"))


def merge_all(program, grids, recipes, out, scale, say):
    """Every method with the coefficients that do best on validation: (results, the best method).

    A candidate counts for as much as the task it keeps less of: a merge that
    serves one task at the other's cost is no merge.
    """
    recipes.mkdir(exist_ok=True)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    results, best, best_score = {}, None, -math.inf
    for method, grid in grids.items():
        chosen = -math.inf
        for coefficients, recipe in grid:
            file, folder = recipes / "candidate.yml", out / "candidate"
            cost = merges.run(program, recipe, file, folder)
            gains = scale.gains(scale.evaluator.accuracies(folder, "validation"), "validation")
            score = min(gains.values())
            if score > chosen:
                chosen = score
                # Only the best of each method stays: a checkpoint is 91 MB.
                name = method.replace(", ", "-")
                shutil.rmtree(out / name, ignore_errors=True)
                folder.rename(out / name)
                file.replace(recipes / f"{name}.yml")
                results[method] = {"folder": out / name,
                                   "coefficients": merges.describe(coefficients), **cost}
        shutil.rmtree(out / "candidate", ignore_errors=True)
        (recipes / "candidate.yml").unlink(missing_ok=True)
        say(f"merged by {method}, {len(grid)} settings; validation picks "
            f"{results[method]['coefficients'] or 'the defaults'} (lesser gain {chosen:.2f})")
        if chosen > best_score:
            best, best_score = method, chosen
    return results, best


def merged_row(scale, method, result):
    row = scale.row(method, result["folder"], result["coefficients"])
    row.seconds, row.peak_bytes = result["seconds"], result["peak_bytes"]
    return row


def switched_row(program, method, result, specialists, scale):
    """Each task measured on the checkpoint that the masks make for it."""
    accuracies = {}
    for task, folder in specialists.items():
        out = result["folder"].with_name(f"{method}-{folder.name}")
        merges.materialise(program, result["folder"], folder.name, out)
        accuracies[task] = scale.evaluator.accuracies(out, "test")[task]
    return scale.row_of(f"{method}, each task by its mask", accuracies)


def mixture_rows(program, mixtures, recipes, out, scale, say):
    """SMILE as it is used, and with each task's expert in every layer, so that
    what is then missing is what ranks and the other tensors cost."""
    rows = []
    for name, recipe in mixtures.items():
        say(f"testing {name}")
        stem = name.replace(", rest: ", "-").replace(", ", "-").replace(" ", "-")
        cost = merges.run(program, recipe, recipes / f"{stem}.yml", out / stem)
        found = scale.evaluator.mixture_accuracies(out / stem, "test")
        own = "/".join(f"{100 * share:.0f}" for share in found["own"].values())
        routed = scale.row_of(name, found["routed"], f"own expert {own} %" if own else "")
        routed.seconds, routed.peak_bytes = cost["seconds"], cost["peak_bytes"]
        rows.append(routed)
        if found["oracle"]:
            rows.append(scale.row_of(name + ", oracle", found["oracle"]))
    return rows
