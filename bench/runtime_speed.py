#!/usr/bin/env python3
"""Evaluation by the runtime beside the same model in PyTorch through transformers.

Same threads, batches and inputs; both print the loss, which has to be the same. Runs alternate; each
is a process that makes a pass to warm up and then some that count. The ratio is the median over the
rounds of theirs to ours.
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

import peers
import runtime_models
from figures import verdict

HERE = pathlib.Path(__file__).resolve().parent
PASSES = {"MiniLM": 3, "stories260K": 15, "Llama 100M": 3}
LOSS_TOLERANCE = 1e-4

ABOUT = "evaluation by the runtime beside PyTorch through Python, 3 minutes"
NEEDS_INPUTS = False


class Speed:
    """program: runtime_bench. python: an interpreter with torch and transformers."""

    def __init__(self, program, python, work, threads, environment=None):
        self.program, self.python, self.threads = program, python, threads
        self.work, self.environment = pathlib.Path(work), environment

    def once(self, command, name, folder):
        batch = runtime_models.INPUTS[name][2]
        done = subprocess.run(
            [*map(str, command), folder / "model", folder / "inputs.safetensors", str(batch),
             str(self.threads), str(PASSES[name])],
            capture_output=True, text=True, env=self.environment, check=False)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["no message"]
            raise RuntimeError(f"{name}: {pathlib.Path(str(command[-1])).name}: {lines[-1]}")
        return json.loads(done.stdout.splitlines()[-1])

    def compare(self, name, rounds):
        """Seconds of a pass, a median for each round, ours and theirs. Raises RuntimeError."""
        folder = self.work / name.replace(" ", "-")
        if not (folder / "inputs.safetensors").exists():
            subprocess.run([self.python, "-B", HERE / "runtime_models.py", name, folder],
                           check=True, env=self.environment, capture_output=True)
        ours, theirs = [], []
        for number in range(rounds):
            commands = {"ours": [self.program], "theirs": [self.python, "-B", HERE / "runtime_torch.py"]}
            order = list(commands) if number % 2 == 0 else list(commands)[::-1]
            found = {who: self.once(commands[who], name, folder) for who in order}
            if abs(found["ours"]["loss"] - found["theirs"]["loss"]) > LOSS_TOLERANCE:
                raise RuntimeError(f"{name}: the losses differ: {found}")
            ours.append(statistics.median(found["ours"]["seconds"]))
            theirs.append(statistics.median(found["theirs"]["seconds"]))
        return {"model": name, "threads": self.threads, "ours": ours, "theirs": theirs,
                "loss": found["ours"]["loss"]}


def ratio(row):
    return statistics.median(b / a for a, b in zip(row["ours"], row["theirs"]))


def table(rows):
    """Header and cells, a row for each model."""
    cells = []
    for row in rows:
        count, longest, batch = runtime_models.INPUTS[row["model"]]
        cells.append([row["model"], f"{count} x {longest}, batch {batch}",
                      f"{1000 * statistics.median(row['ours']):.0f}",
                      f"{1000 * statistics.median(row['theirs']):.0f}", f"{ratio(row):.2f}"])
    return ["model", "inputs", "merganser, ms", "PyTorch, ms", "times as fast"], cells


def run(session):
    found = session.results["runtime"] = []
    program = pathlib.Path(session.options.program).resolve().parents[1] / "bin/runtime_bench"
    if not program.exists():
        session.skip("evaluation by the runtime: no runtime_bench (configure with MERGANSER_TORCH)")
        return
    lacks = peers.lacks(session.python, "transformers")
    if lacks:
        session.skip(f"evaluation by the runtime: {lacks}")
        return
    session.say("evaluation by the runtime, beside PyTorch through Python")
    work = session.work / "runtime"
    speed = Speed(program, session.python, work, os.cpu_count(), session.environment)
    for name in runtime_models.CONFIGS:
        try:
            found.append(speed.compare(name, 2 if session.options.quick else 5))
        except (RuntimeError, subprocess.CalledProcessError) as error:
            session.fail(str(error))
            continue
        session.say(f"  {name}: {ratio(found[-1]):.2f} times as fast")


def targets(results):
    return [[f"evaluation of {row['model']} beside PyTorch", "not slower", f"{ratio(row):.2f}x",
             verdict(ratio(row) >= 1)] for row in results.get("runtime", [])]


def markdown(results):
    rows = results.get("runtime")
    if not rows:
        return []
    header, cells = table(rows)
    lines = ["## Evaluation by the runtime", "",
             f"`bench/runtime_speed.py`: f32, {rows[0]['threads']} threads, median of {len(rows[0]['ours'])} "
             "alternating runs; forward pass and loss, without opening the model. PyTorch through "
             "transformers, its default attention (SDPA), in inference mode, the same batches.", "",
             "| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in cells), ""]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=HERE.parent / "build/release/bin/runtime_bench")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--model", action="append", choices=list(runtime_models.CONFIGS))
    options = parser.parse_args()
    work = tempfile.mkdtemp(prefix="runtime-")
    try:
        speed = Speed(options.program, options.python, work, options.threads)
        rows = []
        for name in options.model or runtime_models.CONFIGS:
            rows.append(speed.compare(name, options.rounds))
            print(f"{name}: {ratio(rows[-1]):.2f} times as fast", file=sys.stderr, flush=True)
        print("\n".join(markdown({"runtime": rows})))
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
