"""Every number of `merganser analyze` against plain NumPy (reference/analysis.py), on real models."""

import json
from pathlib import Path

import numpy as np
import pytest

from reference.analysis import Lora, Place, analyse
from support import program, safetensors_file
from support.checkpoint import read_checkpoint

# The decompositions are in f64 where the smaller side has up to 256 entries; so are all sums.
CLOSE = {"rel": 1e-9, "abs": 1e-12}
# Merges are made in f32, of task vectors that are a tenth of the weights and more.
MERGED = {"rel": 2e-6, "abs": 2e-7}


def places(document):
    return {
        tensor["name"]: Place(tensor["role"], tensor["layer"], tensor["part"])
        for tensor in document["tensors"]
    }


def check(got, wanted, where, tolerance=CLOSE):
    if isinstance(wanted, dict):
        for key, value in wanted.items():
            inner = MERGED if key == "losses" else tolerance
            check(got[key], value, f"{where}.{key}", inner)
    elif isinstance(wanted, list):
        if where.endswith("singular_values"):
            # Those that are rounding errors are not told.
            assert all(value < 1e-12 * wanted[0] for value in wanted[len(got):]), where
            wanted = wanted[: len(got)]
        assert len(got) == len(wanted), where
        for i, (a, b) in enumerate(zip(got, wanted)):
            check(a, b, f"{where}[{i}]", tolerance)
    elif isinstance(wanted, float):
        assert got == pytest.approx(wanted, **tolerance), where
    else:
        assert got == wanted, where


def compare(document, base, models, tolerance=CLOSE):
    """All that the reference has; methods that it does not know are dropped on both sides."""
    known = [i for i, m in enumerate(document["methods"])
             if m["name"] in ("linear", "task_arithmetic", "ties")]
    assert len(known) >= 3
    methods = [document["methods"][i] for i in known]
    where = places(document)
    wanted = analyse(base, models, document["settings"], methods=methods,
                     where=lambda name, shape: where[name])
    for group in [*document["tensors"], *document["layers"], *document["roles"], *document["parts"],
                  document["total"]]:
        group["losses"] = [group["losses"][i] for i in known]
    for key in ("layers", "roles", "parts"):
        name = key.removesuffix("s")
        order = lambda group: group[name]
        check(sorted(document[key], key=order), sorted(wanted[key], key=order), key, tolerance)
    by_name = {tensor["name"]: tensor for tensor in document["tensors"]}
    assert set(by_name) == {tensor["name"] for tensor in wanted["tensors"]}
    for tensor in wanted["tensors"]:
        check(by_name[tensor["name"]], tensor, tensor["name"], tolerance)
    check(document["total"], wanted["total"], "total", tolerance)
    for got, model in zip(document["models"], wanted["models"]):
        assert got["rank_90"] == model["rank_90"]
    return wanted


def test_two_real_fine_tunes(stories):
    names = ["shakespeare", "inaugural"]
    document = json.loads(
        program.succeed("analyze", stories / "base", *(stories / name for name in names), "--json")
    )
    tunes = [read_checkpoint(stories / name) for name in names]
    wanted = compare(document, read_checkpoint(stories / "base"), tunes)
    check(document["smile"], wanted["smile"], "smile")


@pytest.mark.parametrize("flags", [
    ["--rank", "7", "--top", "0.05", "--angles", "3"],
    ["--top", "1", "--no-zones"],
])
def test_other_settings(stories, flags):
    names = ["shakespeare", "inaugural"]
    document = json.loads(program.succeed(
        "analyze", stories / "base", *(stories / name for name in names), "--json", *flags
    ))
    compare(document, read_checkpoint(stories / "base"),
            [read_checkpoint(stories / name) for name in names])


def test_an_adapter_beside_a_real_fine_tune(stories, tmp_path):
    base = read_checkpoint(stories / "base")
    generator = np.random.default_rng(3)
    folder, tensors, factors = tmp_path / "lora", {}, {}
    for name, array in base.items():
        if not name.endswith(("q_proj.weight", "down_proj.weight")):
            continue
        a = generator.standard_normal((4, array.shape[1])).astype(np.float32)
        b = (0.01 * generator.standard_normal((array.shape[0], 4))).astype(np.float32)
        module = "base_model.model." + name.removesuffix(".weight")
        tensors[module + ".lora_A.weight"], tensors[module + ".lora_B.weight"] = a, b
        factors[name] = (a, b, 2.0)
    folder.mkdir()
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "down_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    safetensors_file.write(folder / "adapter_model.safetensors", tensors, {"format": "pt"})
    document = json.loads(program.succeed(
        "analyze", stories / "base", f"{stories / 'base'}+{folder}", stories / "inaugural", "--json"
    ))
    compare(document, base, [Lora(factors), read_checkpoint(stories / "inaugural")])


# Beyond 256 rows and columns matrices are decomposed in f32, as far as they are asked to be.
LARGE = {"rel": 2e-5, "abs": 1e-6}


def test_the_wider_matrices_of_a_sentence_encoder(minilm, tmp_path):
    """Two layers of MiniLM (384 wide, biases and norms), moved along directions of falling weight."""
    weights = read_checkpoint(Path(minilm))
    base = {name: np.array(array) for name, array in weights.items()
            if name.startswith(("encoder.layer.0.", "encoder.layer.1."))}
    assert len(base) == 32
    paths, models = [], [base]
    for seed in (1, 2):
        generator = np.random.default_rng(seed)
        tune = {}
        for name, array in base.items():
            change = 0.002 * generator.standard_normal(array.shape)
            if array.ndim == 2:
                u = np.linalg.qr(generator.standard_normal((array.shape[0], 12)))[0]
                v = np.linalg.qr(generator.standard_normal((array.shape[1], 12)))[0]
                change += u * (3.0 * 0.7 ** np.arange(12)) @ v.T
            tune[name] = (array + change).astype(np.float32)
        models.append(tune)
    for i, tensors in enumerate(models):
        paths.append(safetensors_file.write(tmp_path / f"m{i}.safetensors", tensors))
    document = json.loads(program.succeed("analyze", *paths, "--json", "--angles", "6"))
    compare(document, base, models[1:], LARGE)
    moved = [tensor for tensor in document["tensors"] if tensor["part"] == "linear"]
    assert len(moved) == 12 and all(tensor["changes"][0]["zones"] for tensor in moved)
