#!/usr/bin/env python3
"""A base with a LoRA adapter beside PEFT's merge_and_unload() and save_pretrained().

The base of the other benchmarks (Llama-shaped, 1.1 billion parameters, bf16; make_inputs.py) and a
random adapter of rank 16 in f32 on all linear layers. Both programs run as a whole, imports included,
one after the other under the same conditions (measure.py), and write 2.2 GB of safetensors. A few
tensors of merganser's output are computed again in f64.
"""

import argparse
import json
import os
import pathlib
import statistics
import sys

import numpy as np

import measure
import tensors_file
from tensors_file import Checkpoint

HERE = pathlib.Path(__file__).resolve().parent
RANK, ALPHA = 16, 32
LAYERS = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
          "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
PEFT = """
import sys, torch
from peft import PeftModel
from transformers import AutoModelForCausalLM
base, adapter, out = sys.argv[1:]
model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
PeftModel.from_pretrained(model, adapter).merge_and_unload().save_pretrained(out)
"""


def make_adapter(base, folder):
    """The same every time."""
    if (folder / "adapter_config.json").exists():
        return
    random = np.random.default_rng(RANK)
    tensors = {}
    for name, (_, shape) in sorted(Checkpoint(base).layout().items()):
        module = name.removesuffix(".weight")
        if not module.endswith(LAYERS):
            continue
        stem = f"base_model.model.{module}.lora_"
        tensors[stem + "A.weight"] = random.standard_normal((RANK, shape[1]), np.float32) * 0.02
        tensors[stem + "B.weight"] = random.standard_normal((shape[0], RANK), np.float32) * 0.02
    tensors_file.write(folder / "adapter_model.safetensors", tensors)
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": str(base),
              "r": RANK, "lora_alpha": ALPHA, "target_modules": "all-linear", "inference_mode": True}
    (folder / "adapter_config.json").write_text(json.dumps(config))


def check(base, adapter, out):
    """Every element lies within half a unit of bf16 of W + s B A in f64, and what f32 adds to it."""
    base, adapter, out = map(Checkpoint, (base, adapter, out))
    widened = lambda checkpoint, name: checkpoint.read(name).astype(np.float64)
    for layer in ("model.layers.0.self_attn.k_proj", "model.layers.0.mlp.down_proj"):
        stem = f"base_model.model.{layer}.lora_"
        product = widened(adapter, stem + "B.weight") @ widened(adapter, stem + "A.weight")
        expected = widened(base, layer + ".weight") + ALPHA / RANK * product
        error = np.abs(widened(out, layer + ".weight") - expected)
        assert (error <= np.abs(expected) * (2**-8 + 2**-16) + 2**-24).all(), layer


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--inputs", type=pathlib.Path, default=HERE / "../build/bench/inputs")
    parser.add_argument("--work", type=pathlib.Path, default=HERE / "../build/bench/lora")
    parser.add_argument("--merganser", default=os.environ.get(
        "MERGANSER", str(HERE / "../build/release/bin/merganser")))
    parser.add_argument("--python", default=str(HERE / "../build/venv/bin/python"),
                        help="one that has PEFT")
    parser.add_argument("--touch", type=float, help="GB of free memory to touch before each run")
    arguments = parser.parse_args()
    base = arguments.inputs.resolve() / "base"
    if not base.is_dir():
        sys.exit(f"lora.py: there is no {base}: bench/make_inputs.py makes it")
    work = arguments.work.resolve()
    adapter, ours, theirs = work / "adapter", work / "ours", work / "theirs"
    make_adapter(base, adapter)
    recipe = work / "recipe.yml"
    recipe.write_text(f"merge_method: passthrough\nmodels:\n  - model: {base}+{adapter}\n")
    commands = {
        "merganser": [arguments.merganser, "merge", recipe, ours, "--no-sync"],
        "PEFT": [arguments.python, "-c", PEFT, base, adapter, theirs],
    }
    inputs = sorted(base.iterdir()) + sorted(adapter.iterdir())
    touch = None if arguments.touch is None else int(arguments.touch * 1e9)
    samples = {name: [] for name in commands}
    for run in range(arguments.runs):
        for name, command in commands.items():
            measure.prepare(inputs, (ours, theirs), touch)
            sample = measure.run(command, measure.environment(), log=work / "log")
            if sample.error:
                sys.exit(f"lora.py: {name}: {sample.error}")
            samples[name].append(sample)
            print(f"{name} {run + 1}: {sample.wall:.2f} s", file=sys.stderr)
            if name == "merganser" and run == 0:
                check(base, adapter, ours)
    measure.remove(ours, theirs)
    print("| program | wall, s | user+sys, s | RssAnon, MiB | peak RSS, MiB |\n|---|---|---|---|---|")
    for name, runs in samples.items():
        of = lambda get: statistics.median(map(get, runs))
        print(f"| {name} | {of(lambda s: s.wall):.2f} | {of(lambda s: s.cpu):.1f} "
              f"| {of(lambda s: s.peak_anon) / 2**20:.0f} | {of(lambda s: s.peak_rss) / 2**20:.0f} |")
    ratios = [b.wall / a.wall for a, b in zip(samples["merganser"], samples["PEFT"])]
    print(f"\n{statistics.median(ratios):.1f} times as fast "
          f"({min(ratios):.1f} to {max(ratios):.1f} in {len(ratios)} runs)")


if __name__ == "__main__":
    main()
