"""The hostile inputs' trials, run a few at a time ahead of the tests that look at them."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hostile import trial
from support import checkpoint, program, safetensors_file
from support.recipe import models, write_recipe

ADAPTED = "base_model.model.model.layers.0.self_attn.q_proj."


def write_good(folder):
    """The good inputs beside the hostile one: see hostile/case.py."""
    base = checkpoint.llama(folder / "base")
    checkpoint.llama(folder / "tune", 1, base=base)
    checkpoint.llama(folder / "sharded", 1, base=base, shards=2)
    sick = dict(checkpoint.read_checkpoint(folder / "tune"))
    sick["model.norm.weight"] = np.full_like(sick["model.norm.weight"], np.nan)
    config = (folder / "tune/config.json").read_bytes()
    checkpoint.write_checkpoint(folder / "sick", {}, sick)
    (folder / "sick/config.json").write_bytes(config)
    for seed, name in enumerate(["adapter", "other"]):
        generator = np.random.default_rng(seed)
        factors = {
            f"{ADAPTED}lora_{half}.weight": generator.standard_normal(shape, np.float32)
            for half, shape in {"A": (2, 8), "B": (8, 2)}.items()
        }
        safetensors_file.write(folder / name / "adapter_model.safetensors", factors)
        (folder / name / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 2, "lora_alpha": 3}')
    recipe = {"merge_method": "linear", "models": models("base", "tune", weight=[1, 1])}
    program.succeed("merge", write_recipe(folder / "merged.yml", recipe), "merged", cwd=folder)
    recipe = {"merge_method": "emr", "base_model": "base", "models": models("tune", "sharded")}
    program.succeed("merge", write_recipe(folder / "tasks.yml", recipe), "tasks", cwd=folder)


@pytest.fixture(scope="session")
def trials(request, merganser, tmp_path_factory):
    """Case name -> the future of its trial, for the cases that were selected."""
    folder = tmp_path_factory.mktemp("hostile")
    template = folder / "good"
    template.mkdir()
    write_good(template)
    selected = [
        item.callspec.params["case"]
        for item in request.session.items
        if "case" in getattr(getattr(item, "callspec", None), "params", {})
    ]
    workers = int(os.environ.get("MERGANSER_HOSTILE_JOBS", (os.cpu_count() or 1) + 1))
    pool = ThreadPoolExecutor(workers)
    yield {
        case.name: pool.submit(trial.try_case, case, template, folder / str(i))
        for i, case in enumerate(selected)
    }
    pool.shutdown(cancel_futures=True)
