"""The same bytes, whatever the number of threads, the memory and the order of the files."""

import hashlib

import numpy as np
import pytest

from support import checkpoint
from support.recipe import models

METHODS = {
    "linear": {"per_input": {"weight": [0.3, 0.7]}},
    "slerp": {"parameters": {"t": 0.3}},
    "slerp whole": {"parameters": {"t": 0.3, "scope": "model"}},
    "task_arithmetic": {"per_input": {"weight": [0.3, 0.7]}},
    "ties": {"per_input": {"weight": [0.3, 0.7], "density": [0.2, 0.6]}},
    "ties whole": {
        "per_input": {"weight": [0.3, 0.7], "density": [0.2, 0.6]},
        "parameters": {"trim_scope": "model"},
    },
    "dare_linear": {"per_input": {"weight": [0.3, 0.7]}, "parameters": {"density": 0.4}},
    "dare_ties": {"per_input": {"weight": [0.3, 0.7]}, "parameters": {"density": 0.4}},
    "breadcrumbs": {
        "per_input": {"weight": [0.3, 0.7], "density": [0.3, 0.7], "gamma": [0.01, 0.2]},
    },
    "breadcrumbs_ties": {
        "per_input": {"weight": [0.3, 0.7], "density": [0.3, 0.7], "gamma": [0.01, 0.2]},
        "parameters": {"rescale": True},
    },
    "della": {"per_input": {"weight": [0.3, 0.7], "density": [0.3, 0.6]}},
    "della_linear": {
        "per_input": {"weight": [0.3, 0.7], "density": [0.3, 0.6]},
        "parameters": {"rescale_mode": "inverse"},
    },
    "passthrough": {"parameters": {"scale": 0.3}},
    "model_stock": {},
    "model_stock rows": {"parameters": {"filter_wise": True}},
    "karcher": {},
    "multislerp": {"per_input": {"weight": [0.3, 0.7]}},
    "nuslerp": {"per_input": {"weight": [0.3, 0.7]}},
    "nuslerp rows": {"per_input": {"weight": [0.3, 0.7]}, "parameters": {"nuslerp_flatten": False}},
    "nuslerp columns": {
        "per_input": {"weight": [0.3, 0.7]},
        "parameters": {"nuslerp_flatten": False, "nuslerp_row_wise": True},
    },
    "nearswap": {"parameters": {"t": 0.05}},
    "arcee_fusion": {},
    "sce": {},
    "sce half": {"parameters": {"select_topk": 0.5}},
    "ram": {},
    "ramplus_tl": {},
    "add_difference": {"parameters": {"alpha": 0.5, "clamp_to_ab": True}},
    "train_difference": {},
    "add_perpendicular": {},
    "smooth_add": {"parameters": {"alpha": 0.5}},
    "euclidean_add_difference": {"parameters": {"alpha": 0.3}},
    "multiply_difference": {"parameters": {"alpha": 0.3, "beta": 0.5}},
    "similarity_add_difference": {"parameters": {"alpha": 0.3, "beta": 0.5}},
    "clamp": {"parameters": {"stiffness": 0.5}},
    "cosine": {"parameters": {"alpha": 0.3}},
    "cosine tensors": {"parameters": {"alpha": 0.3, "mode": "add_cosine_b"}},
    "crossover": {"parameters": {"alpha": 0.3, "tilt": 0.2}},
    "tensor_sum": {"parameters": {"width": 0.3, "offset": 0.8}},
    "geometric_median": {},
    "emr": {},
    "consensus": {},
}
# What takes one model beside the base.
PAIRS = {"slerp", "nearswap", "arcee_fusion", "cosine", "crossover", "tensor_sum"}
BUDGETS = [("1", "256MiB"), ("2", "8MiB"), ("2", "64MiB"), ("16", "8MiB"), ("16", "256MiB")]
# Methods that see whole tensors need memory for the largest; 0: as much as that takes.
WHOLE_TENSOR = {"nuslerp columns", "smooth_add", "crossover"}
WHOLE_BUDGETS = [("1", "512MiB"), ("2", "0"), ("16", "512MiB")]


@pytest.fixture(scope="module")
def trio(tmp_path_factory):
    """Large enough (9 MB each in bf16) for many chunks in 8 MiB, with one big tensor among small."""
    folder = tmp_path_factory.mktemp("trio")
    options = {"layers": 2, "hidden": 256, "vocab": 6000, "dtype": checkpoint.BF16}
    base = checkpoint.llama(folder / "base", 0, **options)
    return [
        base,
        *(checkpoint.llama(folder / f"tune{i}", i, base=base, **options) for i in (1, 2)),
    ]


def recipe_for(name, trio):
    method, more = name.split()[0], METHODS[name]
    inputs = trio[1:2] if method in {"passthrough", *PAIRS} else trio[1:]
    recipe = {
        "merge_method": method,
        "models": models(*inputs, **more.get("per_input", {})),
        "parameters": more.get("parameters", {}),
    }
    needs_base = method not in ("linear", "passthrough", "karcher", "geometric_median")
    return {**recipe, "base_model": str(trio[0])} if needs_base else recipe


def digest(folder):
    """One hash over every file's name and bytes: provenance and card must not vary either."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            total.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


@pytest.mark.parametrize("name", METHODS)
def test_same_bytes(merge, trio, name):
    digests = set()
    for threads, memory in WHOLE_BUDGETS if name in WHOLE_TENSOR else BUDGETS:
        out = merge(recipe_for(name, trio), "--threads", threads, "--memory", memory, "--force")
        digests.add(digest(out))
    assert len(digests) == 1


@pytest.mark.parametrize("name", ["linear", "ties whole", "slerp whole", "dare_ties"])
def test_same_numbers_from_shards(merged, trio, tmp_path, name):
    """How the inputs are split into files, and in which order, changes nothing."""
    split = []
    for i, folder in enumerate(trio):
        tensors = checkpoint.read_checkpoint(folder)
        names = list(tensors)
        np.random.default_rng(i).shuffle(names)
        config = checkpoint.llama_config(2, 256, 6000, checkpoint.BF16)
        split.append(
            checkpoint.write_checkpoint(
                tmp_path / folder.name, config, {n: tensors[n] for n in names}, shards=2 + i
            )
        )
    a = merged(recipe_for(name, trio))
    b = merged(recipe_for(name, split), out="again")
    assert a.keys() == b.keys()
    assert all(a[tensor].tobytes() == b[tensor].tobytes() for tensor in a)
