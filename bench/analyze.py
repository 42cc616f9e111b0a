#!/usr/bin/env python3
"""`merganser analyze` of a base with three fine-tunes of 1.1 billion parameters: time and memory.

With zones (most of the time) and without, one process each. Beside it what LAPACK's decomposition of
every matrix would take, as a plain analysis by torch would: one torch.linalg.svd of each shape is
timed, and added up over layers, the base and its fine-tunes. FusionBench's projected energy is that
decomposition of the base alone, and nothing else of this.
"""

import argparse
import json
import os
import pathlib
import sys

import make_inputs
import measure
import torch_svd
from sections import table

HERE = pathlib.Path(__file__).resolve().parent
NAMES = ("base", "ft1", "ft2", "ft3")


class Analysis:
    def __init__(self, program, inputs, work, environment, touch):
        self.program, self.inputs, self.work = program, inputs, work
        self.environment, self.touch = environment, touch

    def ours(self, zones):
        folders = [self.inputs / name for name in NAMES]
        missing = [str(folder) for folder in folders if not folder.is_dir()]
        if missing:
            raise RuntimeError(f"no inputs: {', '.join(missing)} (bench/make_inputs.py makes them)")
        report = self.work / "analysis.html"
        command = [self.program, "analyze", *folders, "--report", report, "--json", "--quiet"]
        measure.prepare([folder / "model.safetensors" for folder in folders], (report,), self.touch)
        log = self.work / "analysis.json"
        sample = measure.run(command + ([] if zones else ["--no-zones"]), self.environment, log=log)
        if sample.error:
            raise RuntimeError(f"analyze: {sample.error}")
        return {"zones": zones, "sample": sample.as_dict(), "report": report.stat().st_size}

    def lapack(self, python, shape):
        """Seconds of torch.linalg.svd of every matrix of the base, and of it with its fine-tunes. `shape`:
        as in make_inputs."""
        counts = {}
        for name, dims in make_inputs.tensors(shape):
            if "_proj" in name:
                dims = tuple(sorted(dims, reverse=True))
                counts[dims] = counts.get(dims, 0) + 1
        each, base = [], 0
        for dims, count in counts.items():
            seconds = torch_svd.seconds(python, *dims, self.environment, self.work / "log")
            each.append({"rows": dims[0], "cols": dims[1], "count": count, "seconds": seconds})
            base += count * seconds
        return {"each": each, "base": base, "all": len(NAMES) * base}


def rows(found):
    """Header and rows for Markdown."""
    cells = []
    for row in found["runs"]:
        sample = row["sample"]
        cells.append(["with zones" if row["zones"] else "without", f"{sample['wall'] / 60:.1f}",
                      f"{(sample['user'] + sample['system']) / 60:.1f}",
                      f"{sample['peak_anon'] / 2**20:.0f}", f"{sample['other_cpu'] / 60:.1f}",
                      f"{row['report'] / 1e6:.1f}"])
    return ["zones", "wall, min", "user+sys, min", "RssAnon, MiB", "CPU of others, min",
            "report, MB"], cells


def lapack_line(found):
    shapes = ", ".join(f"{one['count']} of {one['rows']} x {one['cols']} {one['seconds']:.1f} s"
                       for one in found["each"])
    return (f"torch.linalg.svd, reduced: {shapes} each; the base alone {found['base'] / 60:.0f} min, "
            f"it and its fine-tunes {found['all'] / 60:.0f} min")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=pathlib.Path, default=HERE / "../build/bench/inputs")
    parser.add_argument("--work", type=pathlib.Path, default=HERE / "../build/bench/analysis")
    parser.add_argument("--merganser", default=os.environ.get(
        "MERGANSER", str(HERE / "../build/release/bin/merganser")))
    parser.add_argument("--venv", type=pathlib.Path, default=HERE / "../build/venv")
    parser.add_argument("--no-zones", action="store_true", help="without zones alone")
    parser.add_argument("--no-others", action="store_true", help="merganser alone")
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    analysis = Analysis(arguments.merganser, arguments.inputs.resolve(), work,
                        measure.environment(), None)
    found = {"runs": []}
    try:
        for zones in (False,) if arguments.no_zones else (False, True):
            found["runs"].append(analysis.ours(zones))
        if not arguments.no_others:
            shape = json.loads((analysis.inputs / "inputs.json").read_text())["shape"]
            found["lapack"] = analysis.lapack(arguments.venv / "bin/python", shape)
    except RuntimeError as error:
        sys.exit(f"analyze.py: {error}")
    print("\n".join(table(*rows(found))))
    if "lapack" in found:
        print(lapack_line(found["lapack"]))
    (work / "results.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
