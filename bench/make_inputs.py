#!/usr/bin/env python3
"""Make the inputs of the benchmarks: a Llama-shaped base and three fine-tunes of it, in bf16.

    make_inputs.py FOLDER [--size 1x|2x|small] [--layers N]

The base is N(0, 0.02). A fine-tune is base + delta, rounded to bf16, where 70 % of the delta is
N(0, s) with s between 2e-4 and 2e-3 by tensor and the rest is zero: after rounding, many deltas
are exactly zero and many are exactly equal, as in real fine-tunes.

Every block of 2^20 elements has its own generator, seeded by (model, tensor, block): the bytes
do not depend on the number of threads. A finished folder carries inputs.json and is kept.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import shutil
import sys
import time

import numpy as np

import tensors_file
from tensors_file import from_bf16, to_bf16

FORMAT = 1  # raise it when the bytes change, so that cached inputs are made again
SEED = 20260101
BLOCK = 1 << 20
FINE_TUNES = ("ft1", "ft2", "ft3")
MODELS = ("base",) + FINE_TUNES

BIG = dict(hidden=2048, intermediate=5632, layers=22, heads=32, kv_heads=4, vocab=32000)
SMALL = dict(hidden=128, intermediate=344, layers=5, heads=8, kv_heads=4, vocab=512)
SIZES = {"1x": BIG, "2x": dict(BIG, layers=44), "small": SMALL}


def tensors(shape):
    """Name and shape of every tensor, sorted by name as the safetensors library writes them."""
    hidden, inner = shape["hidden"], shape["intermediate"]
    kv = hidden // shape["heads"] * shape["kv_heads"]
    found = {
        "model.embed_tokens.weight": (shape["vocab"], hidden),
        "model.norm.weight": (hidden,),
        "lm_head.weight": (shape["vocab"], hidden),
    }
    for layer in range(shape["layers"]):
        prefix = f"model.layers.{layer}."
        found[prefix + "input_layernorm.weight"] = (hidden,)
        found[prefix + "post_attention_layernorm.weight"] = (hidden,)
        found[prefix + "self_attn.q_proj.weight"] = (hidden, hidden)
        found[prefix + "self_attn.k_proj.weight"] = (kv, hidden)
        found[prefix + "self_attn.v_proj.weight"] = (kv, hidden)
        found[prefix + "self_attn.o_proj.weight"] = (hidden, hidden)
        found[prefix + "mlp.gate_proj.weight"] = (inner, hidden)
        found[prefix + "mlp.up_proj.weight"] = (inner, hidden)
        found[prefix + "mlp.down_proj.weight"] = (hidden, inner)
    return sorted(found.items())


def config(shape):
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "attention_bias": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "head_dim": shape["hidden"] // shape["heads"],
        "hidden_act": "silu",
        "hidden_size": shape["hidden"],
        "initializer_range": 0.02,
        "intermediate_size": shape["intermediate"],
        "max_position_embeddings": 2048,
        "mlp_bias": False,
        "num_attention_heads": shape["heads"],
        "num_hidden_layers": shape["layers"],
        "num_key_value_heads": shape["kv_heads"],
        "rms_norm_eps": 1e-05,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "vocab_size": shape["vocab"],
    }


def generator(*key):
    return np.random.Generator(np.random.SFC64([SEED, *key]))


def write_block(files, tensor, name, offset, block, count):
    normal = generator(0, tensor, block).standard_normal(count, dtype=np.float32)
    normal *= np.float32(0.02)
    if "norm" in name:
        normal += np.float32(1.0)
    bits = to_bf16(normal)
    os.pwrite(files[0], bits, offset)
    base = from_bf16(bits)
    for model in range(1, len(files)):
        spread = 2e-4 * 10.0 ** generator(model, tensor).random()
        random = generator(model, tensor, block)
        delta = random.standard_normal(count, dtype=np.float32)
        delta *= np.float32(spread)
        delta *= np.frombuffer(random.bytes(count), np.uint8) < 179  # 70 % of 256
        delta += base
        os.pwrite(files[model], to_bf16(delta), offset)


def signature(shape):
    return {"format": FORMAT, "seed": SEED, "shape": shape, "models": list(MODELS)}


def ready(folder, shape):
    try:
        return json.loads((folder / "inputs.json").read_text()) == signature(shape)
    except (OSError, ValueError):
        return False


def size_of_one(shape):
    return sum(2 * int(np.prod(dims)) for _, dims in tensors(shape))


def make(folder, shape, say=print):
    """Make the inputs unless they are there. Returns the seconds it took, 0 if they were."""
    folder = pathlib.Path(folder)
    if ready(folder, shape):
        return 0.0
    one = size_of_one(shape)
    total = one * len(MODELS)
    say(f"inputs: making {len(MODELS)} checkpoints of {one / 1e9:.2f} GB, {total / 1e9:.1f} GB "
        f"in all (once; they are kept)")
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder.parent).free
    if free < total * 1.05 + (1 << 20):
        raise SystemExit(f"inputs: not enough disk space: {total / 1e9:.1f} GB needed, "
                         f"{free / 1e9:.1f} GB free")

    started = time.monotonic()
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    head, begins = tensors_file.head({name: ("BF16", dims) for name, dims in tensors(shape)})

    files = []
    try:
        for model in MODELS:
            (partial / model).mkdir(parents=True)
            (partial / model / "config.json").write_text(json.dumps(config(shape), indent=2) + "\n")
            file = os.open(partial / model / "model.safetensors", os.O_RDWR | os.O_CREAT, 0o644)
            files.append(file)
            os.pwrite(file, head, 0)
            os.truncate(file, len(head) + one)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            jobs = []
            for index, (name, dims) in enumerate(tensors(shape)):
                elements, offset = int(np.prod(dims)), begins[name]
                for block, first in enumerate(range(0, elements, BLOCK)):
                    jobs.append(pool.submit(write_block, files, index, name, offset + 2 * first,
                                            block, min(BLOCK, elements - first)))
            try:
                for done, job in enumerate(jobs, 1):
                    job.result()
                    if done % 256 == 0:
                        say(f"inputs: {100 * done // len(jobs)} %")
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        for file in files:
            os.fsync(file)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    finally:
        for file in files:
            os.close(file)
    (partial / "inputs.json").write_text(json.dumps(signature(shape), indent=1) + "\n")
    partial.rename(folder)
    return time.monotonic() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--size", choices=SIZES, default="1x")
    parser.add_argument("--layers", type=int, help="another number of layers")
    arguments = parser.parse_args()
    shape = dict(SIZES[arguments.size])
    if arguments.layers:
        shape["layers"] = arguments.layers
    seconds = make(arguments.folder, shape)
    print(f"inputs: made in {seconds:.0f} s" if seconds else "inputs: there already")


if __name__ == "__main__":
    sys.exit(main())
