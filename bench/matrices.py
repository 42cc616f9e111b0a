#!/usr/bin/env python3
"""Methods on matrices beside the same formulas through LAPACK.

Files of one f32 matrix each: a base and four models whose differences have full rank, or rank 64 as
an adapter leaves them. merganser's time is that of the whole program with reading and writing; LAPACK's
that of the arithmetic alone (bench/lapack.py, NumPy's OpenBLAS). WUDI: one iteration with eight
models, ours from the difference of two runs with many and few.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np

import measure
import peers
import tensors_file

HERE = pathlib.Path(__file__).resolve().parent
TASKS = 4
RANK = 64
# (formula, kind of differences): least times LAPACK's speed
TARGETS = {("isotropic", "full rank"): 1, ("tsv", "full rank"): 1,
           ("isotropic", f"rank {RANK}"): 5, ("tsv", f"rank {RANK}"): 5}
WUDI_TARGET = 20
WUDI_STEPS = (20, 220)


def make(folder, size):
    """base, full0.. and low0.. of size x size; the same every time."""
    paths = {kind: [folder / f"{kind}{i}.safetensors" for i in range(TASKS)]
             for kind in ("full", "low")}
    base = folder / "base.safetensors"
    done = folder / f"made-{size}"
    if not done.exists():
        random = np.random.default_rng(size)
        normal = lambda *shape: random.standard_normal(shape, np.float32)
        weights = normal(size, size) * np.float32(0.02)
        write = lambda path, matrix: tensors_file.write(path, {"w": matrix})
        write(base, weights)
        for i in range(TASKS):
            write(paths["full"][i], weights + normal(size, size) * np.float32(1e-3))
            low = normal(size, RANK) @ normal(RANK, size) * np.float32(1e-3 / RANK**0.5)
            write(paths["low"][i], weights + low)
        for old in folder.glob("made-*"):
            old.unlink()
        done.touch()
    return base, paths


class Runner:
    def __init__(self, program, python, folder, size, runs):
        self.program, self.python, self.folder, self.runs = program, python, folder, runs
        self.base, self.models = make(folder, size)

    def ours(self, method, models, **parameters):
        """Seconds of the whole program; peak private memory is what the plan says."""
        recipe = self.folder / "recipe.yml"
        lines = [f"merge_method: {method}", f"base_model: {self.base}", "models:"]
        lines += [f"- model: {model}" for model in models]
        if parameters:
            lines += ["parameters:"] + [f"  {k}: {v}" for k, v in parameters.items()]
        recipe.write_text("\n".join(lines) + "\n")
        out = self.folder / "merged.safetensors"
        begin = time.perf_counter()
        subprocess.run([self.program, "merge", recipe, out, "--force", "--quiet", "--no-sync",
                        "--hash", "none"], env=measure.environment(), check=True)
        return time.perf_counter() - begin

    def plan(self, method, models):
        recipe = self.folder / "recipe.yml"
        told = subprocess.run([self.program, "plan", recipe, "--json"], env=measure.environment(),
                              check=True, capture_output=True)
        return json.loads(told.stdout)["peak_memory"]

    def blas(self):
        told = json.loads((self.folder / "merged.merganser.json").read_text()).get("blas", {})
        return ", ".join(str(v) for v in told.values())

    def lapack(self, formula, models):
        done = subprocess.run([self.python, "-B", HERE / "lapack.py", formula, self.base, *models],
                              env=measure.environment(), check=True, capture_output=True)
        return json.loads(done.stdout)["seconds"]

    def compare(self, say):
        rows = []
        for kind, label in (("low", f"rank {RANK}"), ("full", "full rank")):
            for formula in ("isotropic", "tsv"):
                models = self.models[kind]
                ours = [self.ours(formula, models) for _ in range(self.runs)]
                memory = self.plan(formula, models)
                theirs = self.lapack(formula, models)
                seconds = statistics.median(ours)
                rows.append({"method": formula, "differences": label, "ours": seconds,
                             "lapack": theirs, "times": theirs / seconds, "memory": memory,
                             "target": TARGETS[formula, label]})
                say(f"  {formula}, {label}: {seconds:.2f} s, LAPACK {theirs:.2f} s: "
                    f"{theirs / seconds:.1f} times (target {TARGETS[formula, label]})")
        return rows

    def wudi(self, say):
        """Their iteration needs torch."""
        models = self.models["full"] + self.models["low"]  # as many tasks as FusionBench's CLIP pool
        few, many = WUDI_STEPS
        ours = [self.ours("wudi", models, iterations=n) for n in (few, many, few, many)]
        seconds = (min(ours[1], ours[3]) - min(ours[0], ours[2])) / (many - few)
        theirs = self.lapack("wudi", models)
        say(f"  wudi, an iteration: {1000 * seconds:.1f} ms, FusionBench's {1000 * theirs:.0f} ms: "
            f"{theirs / seconds:.0f} times (target {WUDI_TARGET})")
        return {"ours": seconds, "theirs": theirs, "times": theirs / seconds,
                "target": WUDI_TARGET}


def run(program, python, work, size, runs, say):
    say(f"methods on matrices: {TASKS} models, {size} x {size}")
    runner = Runner(program, python, work / f"matrices-{size}", size, runs)
    rows = runner.compare(say)
    small = Runner(program, python, work / f"matrices-{size // 2}", size // 2, runs)
    return {"size": size, "rows": rows, "wudi_size": size // 2,
            "wudi": small.wudi(say) if peers.has(python, "torch") else None, "blas": runner.blas()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    root = HERE.parent
    parser.add_argument("--program", type=pathlib.Path, default=root / "build/release/bin/merganser")
    parser.add_argument("--work", type=pathlib.Path, default=root / "build/bench")
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    result = run(options.program, sys.executable, options.work, options.size, options.runs, print)
    print(f"merganser's BLAS: {result['blas']}")


if __name__ == "__main__":
    main()
