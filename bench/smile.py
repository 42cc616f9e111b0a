#!/usr/bin/env python3
"""SMILE of a layer of Mistral-7B's shape, beside LAPACK's decompositions of the same matrices.

The input is generated: one layer (4096, 14336, grouped keys and values) in bf16 with random weights,
and three fine-tunes whose differences have singular values that fall like a power of their number,
over noise. One process a run. A library that decomposes every difference whole, as FusionBench does,
spends a layer's time in torch.linalg.svd (LAPACK's gesdd): that call is timed once on each shape, in
its reduced form, and added up. What 32 layers would take is 32 times as much: printed as such.
smile_linear.py measures FusionBench itself, on one linear layer.
"""

import argparse
import json
import os
import pathlib
import statistics
import sys

import make_inputs
import measure
import smile_inputs
import torch_svd

HERE = pathlib.Path(__file__).resolve().parent
LAYERS = 32


def worst_bound(out):
    told = json.loads((out / "merganser_provenance.json").read_text())
    bounds = [bound for tensor in told["tensors"]
              for bound in tensor.get("facts", {}).get("error_bound_beyond_best", [])]
    return None if None in bounds else max(bounds)


class Layer:
    """touch: bytes of free memory to touch before a run, None for all of it."""

    def __init__(self, program, work, environment, touch, hidden=4096):
        self.program, self.work, self.environment = program, work, environment
        self.touch, self.shape = touch, smile_inputs.shape_of(hidden)

    def ours(self, spectrum, rank, tolerance, runs):
        """Raises RuntimeError where the program fails."""
        work = self.work / f"layer-{self.shape['hidden']}-{spectrum}"
        tensors = make_inputs.tensors(self.shape)
        folders = smile_inputs.make(work, tensors, self.shape, spectrum)
        files = [folder / "model.safetensors" for folder in folders]
        command = [self.program, "merge", smile_inputs.recipe(work, rank, tolerance), work / "out",
                   "--no-sync", "--force"]
        samples = []
        try:
            for _ in range(runs):
                measure.prepare(files, (work / "out",), self.touch)
                samples.append(measure.run(command, self.environment, log=self.work / "log"))
                if samples[-1].error:
                    raise RuntimeError(f"SMILE of a layer: {samples[-1].error}")
            bound = worst_bound(work / "out")
        finally:
            measure.remove(work / "out")
        return {"spectrum": spectrum, "samples": [s.as_dict() for s in samples], "bound": bound}

    def lapack(self, python):
        """{(rows, cols): seconds of torch.linalg.svd}, and what a layer with its experts adds up to."""
        hidden, inner = self.shape["hidden"], self.shape["intermediate"]
        keys = hidden // self.shape["heads"] * self.shape["kv_heads"]
        # q and o; k and v; gate, up and down, which is the transpose.
        counts = {(hidden, hidden): 2, (keys, hidden): 2, (inner, hidden): 3}
        each, total = [], 0
        for dims, count in counts.items():
            seconds = torch_svd.seconds(python, *dims, self.environment, self.work / "log")
            each.append({"rows": dims[0], "cols": dims[1], "seconds": seconds})
            total += count * smile_inputs.TUNES * seconds
        return {"each": each, "layer": total}


def table(rows):
    """Header and rows for Markdown."""
    cells = []
    for row in rows:
        of = lambda key: statistics.median(sample[key] for sample in row["samples"])
        cpu = statistics.median(s["user"] + s["system"] for s in row["samples"])
        bound = "none" if row["bound"] is None else f"{row['bound']:.1e}"
        cells.append([row["spectrum"], f"{of('wall'):.2f}", f"{cpu:.1f}",
                      f"{of('peak_anon') / 2**20:.0f}", f"{of('peak_rss') / 2**20:.0f}",
                      f"{of('other_cpu'):.0f}", f"{of('wall') * LAYERS / 60:.1f}", bound])
    return ["differences", "wall, s", "user+sys, s", "RssAnon, MiB", "peak RSS, MiB",
            "CPU of others, s", f"{LAYERS} layers, min", "largest proven bound"], cells


def lapack_line(found):
    shapes = ", ".join(f"{one['rows']} x {one['cols']} {one['seconds']:.1f} s" for one in found["each"])
    return (f"torch.linalg.svd, reduced: {shapes}; so a layer with {smile_inputs.TUNES} experts takes "
            f"{found['layer']:.0f} s of decompositions, {LAYERS} layers "
            f"{found['layer'] * LAYERS / 60:.0f} min")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--spectrum", choices=smile_inputs.SPECTRA, action="append")
    parser.add_argument("--rank", type=int, default=64)
    parser.add_argument("--tolerance", default="1e-3")
    parser.add_argument("--hidden", type=int, default=4096, help="smaller, to try the script")
    parser.add_argument("--no-others", action="store_true", help="merganser alone")
    parser.add_argument("--work", type=pathlib.Path, default=HERE / "../build/bench/smile")
    parser.add_argument("--merganser", default=os.environ.get(
        "MERGANSER", str(HERE / "../build/release/bin/merganser")))
    parser.add_argument("--venv", type=pathlib.Path, default=HERE / "../build/venv",
                        help="one that has torch")
    parser.add_argument("--touch", type=float, help="GB of free memory to touch before each run")
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    touch = None if arguments.touch is None else int(arguments.touch * 1e9)
    layer = Layer(arguments.merganser, work, measure.environment(), touch, arguments.hidden)
    try:
        for number, spectrum in enumerate(arguments.spectrum or smile_inputs.SPECTRA):
            row = layer.ours(spectrum, arguments.rank, arguments.tolerance, arguments.runs)
            header, (cells,) = table([row])
            if number == 0:
                print("| " + " | ".join(header) + " |\n|" + "---|" * len(header))
            print("| " + " | ".join(cells) + " |", flush=True)
        if not arguments.no_others:
            print(lapack_line(layer.lapack(arguments.venv / "bin/python")))
    except RuntimeError as error:
        sys.exit(f"smile.py: {error}")


if __name__ == "__main__":
    main()
