#!/usr/bin/env python3
"""Training throughput of `merganser train` beside the same steps in PyTorch.

AdamW over all parameters, f32, fixed rows of random tokens. What a step takes is the difference
between runs of many and of few steps, so that opening and writing the model do not count.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import peers
import runtime_models
from figures import verdict

HERE = pathlib.Path(__file__).resolve().parent
ABOUT = "training beside PyTorch through Python, 6 minutes"
NEEDS_INPUTS = False

# Rows in a batch, tokens in a row, and the steps of the shorter and of the longer run.
STEPS = {"MiniLM": (32, 32, 4, 24), "stories260K": (16, 128, 10, 110), "Llama 100M": (4, 128, 1, 5)}


def task_of(name):
    batch, length, _, _ = STEPS[name]
    if name == "MiniLM":
        return ("type: classification\nmetric: loss\nhead: head.safetensors\npooling: mean\n"
                "train: {file: rows.safetensors}\n")
    return f"type: language_modelling\nlength: {length}\ntrain: {{file: rows.safetensors}}\n"


def make(name, folder):
    """FOLDER/model, rows.safetensors, head.safetensors and task.yml. Needs torch."""
    import torch
    from safetensors.torch import save_file

    runtime_models.make(name, folder)
    batch, length, _, _ = STEPS[name]
    vocabulary = runtime_models.CONFIGS[name][1]["vocab_size"]
    if name == "MiniLM":
        rows = {"ids": torch.randint(5, vocabulary, (4 * batch, length)),
                "labels": torch.randint(0, 2, (4 * batch,))}
        width = runtime_models.CONFIGS[name][1]["hidden_size"]
        save_file({"weight": torch.randn(2, width), "bias": torch.zeros(2)}, folder / "head.safetensors")
    else:
        rows = {"ids": torch.randint(5, vocabulary, (4 * batch * length + 1,))}
    save_file(rows, folder / "rows.safetensors")
    (folder / "task.yml").write_text(task_of(name))


class Training:
    def __init__(self, program, python, work, threads, environment=None):
        self.program, self.python, self.threads = program, python, threads
        self.work, self.environment = pathlib.Path(work), environment

    def call(self, command):
        done = subprocess.run([*map(str, command)], capture_output=True, text=True,
                              env=self.environment, check=False)
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or ["no message"])[-1])
        return json.loads(done.stdout)

    def ours(self, name, folder, steps):
        batch = STEPS[name][0]
        return self.call([self.program, "train", folder / "model", "--task", folder / "task.yml", "--out",
                          folder / "trained", "--force", "--steps", steps, "--batch", batch, "--lr", "1e-5",
                          "--threads", self.threads, "--json"])["seconds"]

    def theirs(self, name, folder, steps):
        batch, length, _, _ = STEPS[name]
        return self.call([self.python, "-B", HERE / "train_torch.py", folder, batch, length, self.threads,
                          steps])["seconds"]

    def compare(self, name, rounds):
        """Seconds of a step, one for each round, ours and theirs. Raises RuntimeError."""
        folder = self.work / name.replace(" ", "-")
        if not (folder / "task.yml").exists():
            subprocess.run([self.python, "-B", __file__, "--make", name, folder], check=True,
                           env=self.environment, capture_output=True)
        _, _, few, many = STEPS[name]
        found = {"ours": [], "theirs": []}
        for number in range(rounds):
            for who in ("ours", "theirs")[:: 1 if number % 2 == 0 else -1]:
                run = getattr(self, who)
                found[who].append((run(name, folder, many) - run(name, folder, few)) / (many - few))
        return {"model": name, "threads": self.threads, **found}


def ratio(row):
    return statistics.median(b / a for a, b in zip(row["ours"], row["theirs"]))


def run(session):
    found = session.results["training"] = []
    lacks = peers.lacks(session.python, "transformers")
    if lacks:
        session.skip(f"training: {lacks}")
        return
    session.say("training, beside PyTorch through Python")
    training = Training(session.options.program, session.python, session.work / "training",
                        os.cpu_count(), session.environment)
    for name in STEPS:
        try:
            found.append(training.compare(name, 1 if session.options.quick else 3))
        except (RuntimeError, subprocess.CalledProcessError) as error:
            session.fail(f"{name}: {error}")
            continue
        session.say(f"  {name}: {ratio(found[-1]):.2f} times as fast")


def targets(results):
    return [[f"training of {row['model']} beside PyTorch", "not slower", f"{ratio(row):.2f}x",
             verdict(ratio(row) >= 1)] for row in results.get("training", [])]


def markdown(results):
    rows = results.get("training")
    if not rows:
        return []
    header = ["model", "batch", "merganser, ms a step", "PyTorch, ms a step", "times as fast"]
    cells = [[row["model"], "{} x {}".format(*STEPS[row["model"]][:2]),
              f"{1000 * statistics.median(row['ours']):.0f}",
              f"{1000 * statistics.median(row['theirs']):.0f}", f"{ratio(row):.2f}"] for row in rows]
    return ["## Training", "",
            f"`bench/train_speed.py`: AdamW on all parameters, f32, {rows[0]['threads']} threads, median of "
            f"{len(rows[0]['ours'])} alternating runs; PyTorch with transformers and its fused AdamW.", "",
            "| " + " | ".join(header) + " |", "|" + "---|" * len(header),
            *("| " + " | ".join(row) + " |" for row in cells), ""]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=HERE.parent / "build/release/bin/merganser")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--make", nargs=2, metavar=("NAME", "FOLDER"), help="only make the inputs")
    options = parser.parse_args()
    if options.make:
        folder = pathlib.Path(options.make[1])
        folder.mkdir(parents=True, exist_ok=True)
        make(options.make[0], folder)
        return
    with tempfile.TemporaryDirectory(prefix="training-") as work:
        training = Training(options.program, options.python, work, options.threads)
        rows = [training.compare(name, options.rounds) for name in STEPS]
        print("\n".join(markdown({"training": rows})))


if __name__ == "__main__":
    main()
