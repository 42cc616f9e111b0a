#!/usr/bin/env python3
"""What merging in memory adds to evaluating: 100 candidates of `merganser tune`.

Task arithmetic of two fine-tunes of a model of MiniLM's shape, with 100 values of lambda, each
evaluated on 256 sentences; and the same search over a setting that matches no tensor, so that every
candidate is the model before it: 100 evaluations alone. Runs alternate; the ratio is the median over
the rounds of the seconds of merging and evaluating to those of evaluating alone.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
CANDIDATES = 100
TARGET = 1.2

ABOUT = "100 candidate merges of tune beside 100 evaluations, 5 minutes"
NEEDS_INPUTS = False

TASK = """type: classification
metric: loss
validation: {file: inputs.safetensors, mask: mask}
head: head.safetensors
pooling: mean
normalise: true
"""
# Both have the same settings in the same form; only the first one's filter matches anything.
RECIPE = """merge_method: task_arithmetic
base_model: model
models:
  - {model: a, parameters: {weight: 0.5}}
  - {model: b, parameters: {weight: 0.5}}
parameters:
  lambda:
    - {filter: "%s", value: 1}
    - {value: 1}
"""
EVERY_TENSOR, NO_TENSOR = "e", "no-tensor-has-this-name"


def make(folder):
    """The model, two fine-tunes of it, 256 sentences and a head."""
    from safetensors.torch import load_file, save_file
    import torch

    import runtime_models

    runtime_models.make("MiniLM", folder)
    inputs = load_file(folder / "inputs.safetensors")
    save_file({"weight": inputs.pop("weight"), "bias": inputs.pop("bias")}, folder / "head.safetensors")
    save_file(inputs, folder / "inputs.safetensors")
    base = load_file(folder / "model/model.safetensors")
    for seed, name in enumerate(("a", "b"), 1):
        torch.manual_seed(seed)
        shutil.copytree(folder / "model", folder / name)
        tune = {key: value + 1e-3 * torch.randn_like(value) if value.is_floating_point() else value
                for key, value in base.items()}
        save_file(tune, folder / name / "model.safetensors", {"format": "pt"})
    (folder / "task.yml").write_text(TASK)
    (folder / "merging.yml").write_text(RECIPE % EVERY_TENSOR)
    (folder / "alone.yml").write_text(RECIPE % NO_TENSOR)


class Tuning:
    def __init__(self, program, python, folder, threads, environment=None):
        self.program, self.folder = program, pathlib.Path(folder)
        self.threads, self.environment = threads, environment
        if not (self.folder / "alone.yml").exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            subprocess.run([python, "-B", __file__, "--make", self.folder], check=True,
                           capture_output=True, env=environment)

    def once(self, recipe, candidates):
        """Seconds of merging and of evaluating. Raises RuntimeError."""
        step = 0.9 / candidates
        done = subprocess.run(
            [self.program, "tune", self.folder / recipe, "--task", self.folder / "task.yml", "--vary",
             f"parameters.lambda[0].value=0.1:{0.1 + step * (candidates - 1):.9f}:{step:.9f}",
             "--objective", "mean_metric", "--test-split", "", "-o", self.folder / "best.yml",
             "--force", "--json", "--threads", str(self.threads)],
            capture_output=True, text=True, env=self.environment, check=False)
        if done.returncode:
            raise RuntimeError(f"tune: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
        found = json.loads(done.stdout)
        tried = found["candidates"]
        if len(tried) != candidates or not all(each.get("objective") for each in tried):
            raise RuntimeError(f"tune: {len(tried)} candidates, or some failed")
        different = len({each["objective"] for each in tried})
        # The control must not merge, and the other must.
        if (different > 1) != (recipe == "merging.yml"):
            raise RuntimeError(f"{recipe}: {different} different objectives")
        return {"merge": found["merge_seconds"], "evaluate": found["evaluate_seconds"]}

    def compare(self, rounds, candidates=CANDIDATES):
        found = {"threads": self.threads, "candidates": candidates, "merging.yml": [], "alone.yml": []}
        for number in range(rounds):
            for recipe in ("merging.yml", "alone.yml")[:: 1 if number % 2 == 0 else -1]:
                found[recipe].append(self.once(recipe, candidates))
        return found


def ratio(found):
    return statistics.median((one["merge"] + one["evaluate"]) / other["evaluate"]
                             for one, other in zip(found["merging.yml"], found["alone.yml"]))


def run(session):
    session.say("candidates of tune, merged in memory, beside evaluations alone")
    try:
        tuning = Tuning(session.options.program, session.python, session.work / "tune",
                        os.cpu_count(), session.environment)
        found = tuning.compare(1 if session.options.quick else 3)
    except (RuntimeError, subprocess.CalledProcessError) as error:
        session.fail(str(error))
        return
    session.results["tune"] = found
    session.say(f"  {ratio(found):.2f} times the evaluations alone")


def targets(results):
    found = results.get("tune")
    if not found:
        return []
    value = ratio(found)
    return [["100 candidate merges of MiniLM, evaluated on 256 sentences",
             f"<= {TARGET}x the evaluations", f"{value:.2f}x", "met" if value <= TARGET else "missed"]]


def markdown(results):
    found = results.get("tune")
    if not found:
        return []
    median = lambda recipe, part: statistics.median(one[part] for one in found[recipe])
    rows = [["merged by 100 values of lambda", f"{median('merging.yml', 'merge'):.1f}",
             f"{median('merging.yml', 'evaluate'):.1f}", f"{ratio(found):.2f}"],
            ["nothing to merge", f"{median('alone.yml', 'merge'):.1f}",
             f"{median('alone.yml', 'evaluate'):.1f}", "1"]]
    header = ["candidates", "merging and planning, s", "evaluating, s", "times evaluating alone"]
    return ["## Tuning", "",
            f"`bench/tune_speed.py`: {found['candidates']} candidates of task arithmetic, two fine-tunes "
            f"of a model of MiniLM's shape, 256 sentences each, {found['threads']} threads, median of "
            f"{len(found['alone.yml'])} alternating runs.", "",
            "| " + " | ".join(header) + " |", "|" + "---|" * len(header),
            *("| " + " | ".join(row) + " |" for row in rows), ""]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=HERE.parent / "build/release/bin/merganser")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--candidates", type=int, default=CANDIDATES)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--make", type=pathlib.Path, help="only make the inputs there")
    options = parser.parse_args()
    if options.make:
        make(options.make)
        return
    work = tempfile.mkdtemp(prefix="tune-")
    try:
        tuning = Tuning(options.program, options.python, work, options.threads)
        found = tuning.compare(options.rounds, options.candidates)
        print("\n".join(markdown({"tune": found})))
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
