#!/usr/bin/env python3
"""SMILE of a Mistral-7B-shaped model, beside FusionBench's upscale_to_smile_linear.

The input is generated: one layer (4096, 14336, grouped keys and values) in bf16 with random weights,
and three fine-tunes whose differences have singular values that fall like a power of their number,
over noise. One process a run. FusionBench's time for a layer is spent in torch.linalg.svd (LAPACK's
gesdd) of each difference; that call is timed on each shape once and added up, since the whole takes
minutes. What 32 layers would take is 32 times as much: printed as such.
"""

import argparse
import json
import os
import pathlib
import statistics
import sys

import numpy as np

import adapters
import make_inputs
import measure

HERE = pathlib.Path(__file__).resolve().parent
SHAPE = dict(hidden=4096, intermediate=14336, layers=1, heads=32, kv_heads=8, vocab=1000)
TUNES, LAYERS = 3, 32
SPECTRA = {"power": (0.7, 1e-4), "steep": (1.0, 2e-5), "noise": (0.0, 1e-3)}
SVD = """
import sys, time, torch
rows, cols = map(int, sys.argv[1:])
a = torch.randn(rows, cols)
begin = time.perf_counter()
torch.linalg.svd(a, full_matrices=False)
print(time.perf_counter() - begin)
"""


def difference(random, dims, spectrum):
    """f32 [rows, cols]: 256 directions with singular values i^-p, and noise; of size 1e-3."""
    exponent, noise = SPECTRA[spectrum]
    change = random.standard_normal(dims, np.float32) * np.float32(noise)
    if exponent:
        left = random.standard_normal((dims[0], 256), np.float32)
        right = random.standard_normal((256, dims[1]), np.float32)
        left *= (np.arange(1, 257) ** -exponent).astype(np.float32)
        change += np.float32(3e-4) * (left @ right)
    return change


def make_models(folder, spectrum):
    if (folder / "done").exists():
        return
    written = {name: {} for name in ("base", *(f"ft{i}" for i in range(TUNES)))}
    for number, (name, dims) in enumerate(make_inputs.tensors(SHAPE)):
        random = np.random.default_rng(number)
        bits = make_inputs.to_bf16(random.standard_normal(dims, np.float32) * np.float32(0.02))
        written["base"][name] = ("BF16", bits)
        for i in range(TUNES):
            tuned = make_inputs.from_bf16(bits)
            if "_proj" in name:
                tuned = tuned + difference(np.random.default_rng([number, i]), dims, spectrum)
            written[f"ft{i}"][name] = ("BF16", make_inputs.to_bf16(np.ascontiguousarray(tuned)))
    for name, tensors in written.items():
        path = folder / name
        path.mkdir(parents=True, exist_ok=True)
        adapters.write_safetensors(path / "model.safetensors", tensors)
        config = {**make_inputs.config(SHAPE), "model_type": "mistral",
                  "architectures": ["MistralForCausalLM"]}
        (path / "config.json").write_text(json.dumps(config))
    (folder / "done").touch()


def recipe(folder, rank, tolerance):
    text = "merge_method: smile\nbase_model: base\nmodels:\n"
    text += "".join(f"  - model: ft{i}\n" for i in range(TUNES))
    text += f"parameters: {{rank_of_expert: {rank}, svd_tolerance: {tolerance}}}\n"
    path = folder / f"smile-{rank}-{tolerance}.yml"
    path.write_text(text)
    return path


def worst_bound(out):
    told = json.loads((out / "merganser_provenance.json").read_text())
    bounds = [bound for tensor in told["tensors"]
              for bound in tensor.get("facts", {}).get("error_bound_beyond_best", [])]
    return "none" if None in bounds else f"{max(bounds):.1e}"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--spectrum", choices=SPECTRA, action="append")
    parser.add_argument("--rank", type=int, default=64)
    parser.add_argument("--tolerance", default="1e-3")
    parser.add_argument("--no-others", action="store_true", help="merganser alone")
    parser.add_argument("--work", type=pathlib.Path, default=HERE / "../build/bench/smile")
    parser.add_argument("--merganser", default=os.environ.get(
        "MERGANSER", str(HERE / "../build/release/bin/merganser")))
    parser.add_argument("--venv", type=pathlib.Path, default=HERE / "../build/venv",
                        help="one that has torch")
    parser.add_argument("--touch", type=float, help="GB of free memory to touch before each run")
    arguments = parser.parse_args()
    environment = {key: value for key, value in os.environ.items()
                   if key not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    print("| differences | wall, s | user+sys, s | RssAnon, MiB | CPU of others, s "
          "| 32 layers, min | largest proven bound |\n|---|---|---|---|---|---|---|")
    for spectrum in arguments.spectrum or SPECTRA:
        work = arguments.work.resolve() / spectrum
        work.mkdir(parents=True, exist_ok=True)
        make_models(work, spectrum)
        out, samples = work / "out", []
        command = [arguments.merganser, "merge", recipe(work, arguments.rank, arguments.tolerance),
                   out, "--no-sync", "--force"]
        files = [work / name / "model.safetensors" for name in ("base", "ft0", "ft1", "ft2")]
        for _ in range(arguments.runs):
            measure.prepare(files, (out,), arguments.touch and int(arguments.touch * 1e9))
            sample = measure.run(command, environment, log=work / "log")
            if sample.error:
                sys.exit(f"smile.py: {sample.error}")
            samples.append(sample)
        of = lambda get: statistics.median(map(get, samples))
        wall = of(lambda s: s.wall)
        print(f"| {spectrum} | {wall:.2f} | {of(lambda s: s.cpu):.1f} "
              f"| {of(lambda s: s.peak_anon) / 2**20:.0f} | {of(lambda s: s.other_cpu):.0f} "
              f"| {wall * LAYERS / 60:.1f} | {worst_bound(out)} |", flush=True)
        measure.remove(out)
    if arguments.no_others:
        return
    total = 0
    counts = {(4096, 4096): 2, (1024, 4096): 2, (14336, 4096): 3}  # k, v: 1024; down as its transpose
    for dims, count in counts.items():
        done = measure.run([arguments.venv / "bin/python", "-c", SVD, *dims], environment,
                           log=arguments.work / "log")
        if done.error:
            sys.exit(f"smile.py: torch: {done.error}")
        seconds = float((arguments.work / "log").read_text().split()[-1])
        print(f"torch.linalg.svd {dims[0]} x {dims[1]}: {seconds:.1f} s")
        total += count * TUNES * seconds
    print(f"so a layer with {TUNES} experts: {total:.0f} s, 32 layers: {total * LAYERS / 60:.0f} min")


if __name__ == "__main__":
    main()
