#!/usr/bin/env python3
"""extract-lora beside mergekit-extract-lora, merge-lora beside PEFT's add_weighted_adapter.

The input is a Llama of 7B's width (4096, 11008) and few layers in bf16 with random weights, and a
fine-tune of it whose differences are random too: of full rank, so that no decomposition can take a
short cut. The adapters that are merged are random, of rank 32 in f32 on the attention's four
modules. Programs run as a whole, imports included, one after the other under the same conditions
(measure.py). What merganser wrote is compared with what the other wrote, by products.
"""

import argparse
import json
import os
import pathlib
import statistics
import sys

import numpy as np

import make_inputs
import measure
import tensors_file
from tensors_file import Checkpoint, from_bf16, to_bf16

HERE = pathlib.Path(__file__).resolve().parent
EXTRACTED, MERGED = 64, 32  # ranks
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
PEFT = """
import sys, torch
from peft import PeftModel
from transformers import AutoModelForCausalLM
base, one, two, out = sys.argv[1:]
model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
model = PeftModel.from_pretrained(model, one, adapter_name="one")
model.load_adapter(two, "two")
model.base_model.add_weighted_adapter(["one", "two"], [0.7, 0.3], "sum", combination_type="svd")
model.save_pretrained(out, selected_adapters=["sum"])
"""


def read(folder):
    """The factors of an adapter."""
    found = Checkpoint(folder / "adapter_model.safetensors")
    return {name: found.read(name) for name in found.tensors if "lora_" in name}


def make_models(folder, layers):
    shape = dict(hidden=4096, intermediate=11008, layers=layers, heads=32, kv_heads=32, vocab=1000)
    if (folder / "done").exists():
        return
    models = {name: folder / name for name in ("base", "tuned")}
    written = {name: {} for name in models}
    for number, (name, dims) in enumerate(make_inputs.tensors(shape)):
        random = np.random.default_rng(number)
        base = random.standard_normal(dims, np.float32) * np.float32(0.02)
        bits = to_bf16(base)
        step = random.standard_normal(dims, np.float32) * np.float32(1e-3)
        written["base"][name] = bits
        written["tuned"][name] = to_bf16(from_bf16(bits) + step)
    for name, path in models.items():
        tensors_file.write(path / "model.safetensors", written[name])
        (path / "config.json").write_text(json.dumps(make_inputs.config(shape)))
    (folder / "done").touch()


def make_adapter(folder, base, layers, seed):
    random = np.random.default_rng(seed)
    tensors = {}
    for layer in range(layers):
        for name in ATTENTION:
            stem = f"base_model.model.model.layers.{layer}.self_attn.{name}.lora_"
            for part, dims in (("A", (MERGED, 4096)), ("B", (4096, MERGED))):
                array = random.standard_normal(dims, np.float32) * np.float32(0.02)
                tensors[f"{stem}{part}.weight"] = array
    tensors_file.write(folder / "adapter_model.safetensors", tensors)
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": str(base),
              "r": MERGED, "lora_alpha": MERGED, "target_modules": list(ATTENTION)}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def compare(ours, theirs, limit):
    """The largest difference of products, in units of the product's norm."""
    worst, ours, theirs = 0, read(ours), read(theirs)
    assert ours.keys() == theirs.keys()
    for name in ours:
        if "lora_A" not in name:
            continue
        other = name.replace("lora_A", "lora_B")
        expected = theirs[other] @ theirs[name]
        difference = ours[other] @ ours[name] - expected
        worst = max(worst, np.linalg.norm(difference) / np.linalg.norm(expected))
    assert worst < limit, worst
    return worst


def measured(title, commands, inputs, outputs, arguments, log):
    samples = {name: [] for name in commands}
    for run in range(arguments.runs):
        for name, command in commands.items():
            measure.prepare(inputs, (outputs[name],), arguments.touch and int(arguments.touch * 1e9))
            sample = measure.run(command, measure.environment(), log=log)
            if sample.error:
                sys.exit(f"adapters.py: {name}: {sample.error}")
            samples[name].append(sample)
            print(f"{title}, {name} {run + 1}: {sample.wall:.2f} s", file=sys.stderr, flush=True)
    for name, runs in samples.items():
        of = lambda get: statistics.median(map(get, runs))
        print(f"| {title} | {name} | {of(lambda s: s.wall):.2f} | {of(lambda s: s.cpu):.1f} "
              f"| {of(lambda s: s.peak_anon) / 2**20:.0f} | {of(lambda s: s.peak_rss) / 2**20:.0f} "
              f"| {of(lambda s: s.other_cpu):.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--part", choices=("extract", "merge"), action="append")
    parser.add_argument("--no-others", action="store_true", help="merganser alone")
    parser.add_argument("--work", type=pathlib.Path, default=HERE / "../build/bench/adapters")
    parser.add_argument("--merganser", default=os.environ.get(
        "MERGANSER", str(HERE / "../build/release/bin/merganser")))
    parser.add_argument("--venv", type=pathlib.Path, default=HERE / "../build/venv",
                        help="one that has PEFT and MergeKit")
    parser.add_argument("--touch", type=float, help="GB of free memory to touch before each run")
    arguments = parser.parse_args()
    work = arguments.work.resolve() / f"{arguments.layers}"
    work.mkdir(parents=True, exist_ok=True)
    make_models(work, arguments.layers)
    base, tuned, log = work / "base", work / "tuned", work / "log"
    ours, theirs = work / "ours", work / "theirs"
    parts = arguments.part or ("extract", "merge")
    print("| what | program | wall, s | user+sys, s | RssAnon, MiB | peak RSS, MiB "
          "| CPU of others, s |\n|---|---|---|---|---|---|---|")
    if "extract" in parts:
        commands = {"merganser": [arguments.merganser, "extract-lora", tuned, base, ours, "--no-sync",
                                  "--max-rank", EXTRACTED]}
        if not arguments.no_others:
            commands["MergeKit"] = [
                arguments.venv / "bin/mergekit-extract-lora", "--model", tuned, "--base-model", base,
                "--out-path", theirs, "--max-rank", EXTRACTED, "--no-copy-tokenizer"]
        files = [folder / "model.safetensors" for folder in (base, tuned)]
        measured(f"extraction, rank {EXTRACTED}", commands, files,
                 {"merganser": ours, "MergeKit": theirs}, arguments, log)
        if not arguments.no_others:
            # Both round factors to bf16; in a flat spectrum the last kept directions may differ.
            print(f"products differ by {compare(ours, theirs, 0.1):.2g} of their norm")
    if "merge" in parts:
        adapters = [make_adapter(work / f"adapter{i}", base, arguments.layers, i) for i in (1, 2)]
        commands = {"merganser": [arguments.merganser, "merge-lora", *adapters, ours, "--no-sync",
                                  "--force", "--method", "svd", "--weights", "0.7,0.3"]}
        if not arguments.no_others:
            commands["PEFT"] = [arguments.venv / "bin/python", "-c", PEFT, base, *adapters, theirs]
        files = [folder / "adapter_model.safetensors" for folder in adapters]
        measured(f"svd of 2 adapters of rank {MERGED}", commands, files,
                 {"merganser": ours, "PEFT": theirs}, arguments, log)
        if not arguments.no_others:
            print(f"products differ by {compare(ours, theirs / 'sum', 1e-4):.2g} of their norm")
    measure.remove(ours, theirs)


if __name__ == "__main__":
    main()
