#!/usr/bin/env python3
"""SMILE of one linear layer beside FusionBench's own upscale_to_smile_linear, on the same files.

Checkpoints of one bf16 matrix under a name of Mistral's, and three fine-tunes of it (smile_inputs.py).
merganser runs as a whole program, with reading and writing; so does FusionBench
(fusion_bench_linear.py), imports included, and the time in the function alone is given beside it. The
error that each expert leaves of its fine-tune's difference is computed from both outputs: the ratio
means something only if ours is no larger.
"""

import argparse
import json
import os
import pathlib
import sys

import numpy as np

import measure
import peers
import smile_inputs
from tensors_file import Checkpoint

HERE = pathlib.Path(__file__).resolve().parent
SPECTRUM = "power"
ROUTER = 8
# A bf16 product loses about 2^-9 of its size; the tolerance of the decomposition is 1e-3.
SLACK = 1.005


class Linear:
    """One comparison. touch: bytes of free memory to touch before a run, None for all of it."""

    def __init__(self, program, python, packages, work, environment, touch):
        self.program, self.python, self.packages = program, python, packages
        self.work, self.environment, self.touch = work, environment, touch

    def compare(self, rows, cols, rank, say):
        """[rows, cols] is [out, in]. Raises RuntimeError where a program fails."""
        shape = smile_inputs.shape_of(cols)
        module = "self_attn.q_proj" if rows == cols else "mlp.gate_proj"
        name = f"model.layers.0.{module}"
        work = self.work / f"linear-{rows}-{cols}"
        folders = smile_inputs.make(work, [(f"{name}.weight", (rows, cols))], shape, SPECTRUM)
        files = [folder / "model.safetensors" for folder in folders]
        outputs = work / "ours", work / "theirs.safetensors"
        try:
            found = {"rows": rows, "cols": cols, "rank": rank, "experts": smile_inputs.TUNES,
                     **self.both(work, name, rank, files, *outputs, say)}
        finally:
            measure.remove(*outputs)
        say(f"  FusionBench {found['seconds']:.1f} s in its function, {found['theirs']['wall']:.1f} s as a "
            f"program, {found['theirs']['peak_rss'] >> 20} MiB; ours is {times(found):.1f} times as fast")
        return found

    def both(self, work, name, rank, files, ours, theirs, say):
        found = {}
        command = [self.program, "merge", smile_inputs.recipe(work, rank, "1e-3"), ours,
                   "--no-sync", "--force"]
        found["ours"] = self.measured(command, files, (ours, theirs), "merganser").as_dict()
        say(f"  {work.name}: merganser {found['ours']['wall']:.2f} s; FusionBench runs")
        command = [self.python, "-B", HERE / "fusion_bench_linear.py", self.packages, name, rank, ROUTER,
                   theirs, *files]
        found["theirs"] = self.measured(command, files, (theirs,), "FusionBench").as_dict()
        told = json.loads((self.work / "log").read_text().splitlines()[-1])
        found["seconds"], found["about"] = told.pop("seconds"), told
        found["errors"] = errors(name, rank, files, ours / "model.safetensors", theirs)
        found["wrong"] = wrong(found["errors"])
        return found

    def measured(self, command, files, outputs, who):
        measure.prepare(files, outputs, self.touch)
        sample = measure.run(command, self.environment, log=self.work / "log")
        if sample.error:
            raise RuntimeError(f"{who} on one linear layer: {sample.error}")
        return sample


def wrong(errors):
    """Whether an expert of ours leaves more than theirs does; NaN is more than anything."""
    return any(not ours <= SLACK * theirs for ours, theirs in zip(errors["ours"], errors["theirs"]))


def times(found):
    """Their function alone to our whole program."""
    return found["seconds"] / found["ours"]["wall"]


def errors(name, rank, files, ours, theirs):
    """|D - U S V^T| / |D| of each expert, in f32: {"ours": [...], "theirs": [...]}."""
    base, *tunes = (Checkpoint(file).read(f"{name}.weight") for file in files)
    ours, theirs = Checkpoint(ours), Checkpoint(theirs)
    inner, outer = ours.read(f"{name}.smile_in"), ours.read(f"{name}.smile_out")
    found = {"ours": [], "theirs": []}
    for i, tune in enumerate(tunes):
        difference = tune - base
        kept = slice(i * rank, (i + 1) * rank)
        for who, product in (
                ("ours", outer[kept].T @ inner[kept]),
                ("theirs", theirs.read(f"experts.{i}.u") @ theirs.read(f"experts.{i}.svh"))):
            left = np.linalg.norm(difference - product) / np.linalg.norm(difference)
            found[who].append(float(left))
    return found


def missing(python, packages):
    """Why FusionBench cannot run, or nothing."""
    if not (packages / "stamp").exists():
        return "not installed (tests/setup_venv.sh --oracle, then tests/setup_fusion_bench.sh)"
    return peers.lacks(python, "torch")


def table(rows):
    """Header and rows for Markdown."""
    cells = []
    for row in rows:
        what = f"{row['rows']} x {row['cols']}, {row['experts']} experts of rank {row['rank']}"
        error = {who: f"{max(values):.4f}" for who, values in row["errors"].items()}
        for who, sample, alone, left in (
                ("merganser", row["ours"], "", error["ours"]),
                ("FusionBench", row["theirs"], f"{row['seconds']:.2f}", error["theirs"])):
            cells.append([what, who, f"{sample['wall']:.2f}", alone,
                          f"{sample['user'] + sample['system']:.1f}",
                          f"{sample['peak_anon'] / 2**20:.0f}", f"{sample['peak_rss'] / 2**20:.0f}",
                          left])
            what = ""
    return ["linear layer", "program", "whole program, s", "its function alone, s", "user+sys, s",
            "RssAnon, MiB", "peak RSS, MiB", "largest error of an expert"], cells


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    root = HERE.parent
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--cols", type=int, default=4096)
    parser.add_argument("--rank", type=int, default=64)
    parser.add_argument("--work", type=pathlib.Path, default=root / "build/bench/smile")
    parser.add_argument("--merganser", default=os.environ.get(
        "MERGANSER", str(root / "build/release/bin/merganser")))
    parser.add_argument("--venv", type=pathlib.Path, default=root / "build/venv")
    parser.add_argument("--fusion-bench", type=pathlib.Path, default=root / "build/fusion_bench")
    parser.add_argument("--touch", type=float, help="GB of free memory to touch before each run")
    arguments = parser.parse_args()
    python = arguments.venv / "bin/python"
    reason = missing(python, arguments.fusion_bench)
    if reason:
        sys.exit(f"smile_linear.py: FusionBench: {reason}")
    work = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    touch = None if arguments.touch is None else int(arguments.touch * 1e9)
    linear = Linear(arguments.merganser, python, arguments.fusion_bench, work,
                    measure.environment(), touch)
    try:
        found = linear.compare(arguments.rows, arguments.cols, arguments.rank,
                               lambda text: print(text, file=sys.stderr, flush=True))
    except RuntimeError as error:
        sys.exit(f"smile_linear.py: {error}")
    header, cells = table([found])
    print("| " + " | ".join(header) + " |\n|" + "---|" * len(header))
    for row in cells:
        print("| " + " | ".join(row) + " |")
    if found["wrong"]:
        sys.exit("smile_linear.py: our experts leave more of the differences than FusionBench's")


if __name__ == "__main__":
    main()
