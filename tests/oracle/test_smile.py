"""SMILE by the program: the tensors of the plain upscaler, and models that transformers loads."""

import json
import re

import numpy as np
import pytest

from oracle import smile_models
from oracle.test_smile_layout import load
from support import checkpoint, smile
from support.recipe import models

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.usefixtures("remote_code")


@pytest.fixture
def upscaled(merge, tmp_path):
    """upscaled(base, tunes, **parameters): the output's folder, config and tensors."""

    def run(base, tunes, **parameters):
        recipe = {
            "merge_method": "smile",
            "base_model": str(base),
            "models": models(*tunes),
            "parameters": {"svd_tolerance": 0, **parameters},
        }
        out = merge(recipe, out="smile")
        config = json.loads((out / "config.json").read_text())
        return out, config, checkpoint.read_checkpoint(out)

    return run


def in_a_layer(name):
    """By transformers' names of all the kinds here; CLIP's heads and the embeddings have no number."""
    return re.search(r"\.\d+\.", "." + name) is not None and ".experts." not in name


def projector(rows):
    rows = rows.astype(np.float64)
    return rows.T @ rows


@pytest.mark.parametrize("kind", smile_models.KINDS)
def test_architecture(kind, upscaled, tmp_path):
    members = smile_models.family(kind, tmp_path, tunes=3)
    base, tunes = smile_models.tensors(members)
    layers = smile.linear_modules(members[0][0], base)
    names = sorted(name for name in layers if in_a_layer(name))
    turned = [name for name in names if type(layers[name]).__name__ == "Conv1D"]
    reference = smile.upscale(base, tunes, names, 3, 2, transposed=turned)
    out, config, tensors = upscaled(
        members[0][1], [path for _, path in members[1:]], rank_of_expert=3, rank_of_router=2
    )
    stored = json.loads((members[0][1] / "config.json").read_text())
    expected = smile.layout_config(stored, reference.modules, config["smile"]["experts"])
    assert config == expected
    assert set(tensors) == set(reference.tensors)
    for name, spec in reference.modules.items():
        for i in range(3):
            found, wanted = (smile.expert(t, name, spec, i) for t in (tensors, reference.tensors))
            # f32 factors of differences that are exact in f32, or rounded once.
            assert np.abs(found[0] - wanted[0]).max() <= 3e-6 * max(1, np.abs(wanted[0]).max())
            if spec["bias"]:
                assert np.array_equal(found[1], wanted[1])
            rows = slice(2 * i, 2 * i + 2)
            routers = [projector(t[name + ".smile_router"][rows]) for t in (tensors, reference.tensors)]
            # Vectors are as well defined as the gap behind them, which in random matrices may be small.
            assert np.abs(routers[0] - routers[1]).max() <= 1e-3
    model = load(out, smile_models.KINDS[kind][3])
    assert set(model.smile_layers) == set(reference.modules)
    assert np.isfinite(smile_models.output(model, smile_models.inputs(kind))).all()


@pytest.mark.parametrize("top", [1, 2])
def test_golden(data, upscaled, top):
    folder = data / f"smile_golden/llama/llama_float32_k4_g2_t{top}"
    if not folder.is_dir():
        pytest.skip(f"no golden SMILE data at {folder}")
    numbers = json.loads((folder / "golden.json").read_text())
    tunes = [folder / f"ft{i}" for i in range(3)]
    parameters = {"rank_of_expert": 4, "rank_of_router": 2, "num_experts_per_tok": top}
    out, *_ = upscaled(folder / "base", tunes, **parameters)
    model = load(out)
    with torch.no_grad():
        logits = model(torch.tensor(numbers["input_ids"]), use_cache=False).logits.numpy()
        assert np.abs(logits - np.array(numbers["smile_logits"])).max() <= 3e-5
        layer = model.smile_layers[numbers["layer"]]
        x = torch.tensor(numbers["x"])
        assert layer.route(x)[0].tolist() == numbers["routes"]
        assert np.abs(layer.router_logits(x).numpy() - numbers["router_logits"]).max() <= 3e-5
        assert np.abs(layer(x).numpy() - numbers["y"]).max() <= 3e-5

    out, config, tensors = upscaled(folder / "base", tunes, layout="fusion_bench", **parameters)
    assert config == json.loads((folder / "smile/config.json").read_text())
    golden = checkpoint.read_checkpoint(folder / "smile")
    assert set(tensors) == set(golden)
    for name, array in golden.items():
        found = tensors[name]
        assert found.shape == array.shape and found.dtype == array.dtype
        if name.endswith(".u"):
            other = name[:-1] + "svh"
            # The reference itself is this far from an f64 decomposition (its README).
            assert np.abs(found @ tensors[other] - array @ golden[other]).max() <= 1e-5
        elif name.endswith("gate.weight"):
            assert np.abs(np.abs(found) - np.abs(array)).max() <= 5e-4
        elif not name.endswith(".svh"):
            assert np.array_equal(found, array)


def test_auto_classes_are_those_of_the_code(upscaled, tmp_path):
    """The program's table of class names, by every row of the code's own."""
    code = smile.configuration()
    for end in [*code.AUTO_CLASSES, "Model"]:
        name = end if end.endswith("Model") and end != "Model" else "Llama" + end
        base = checkpoint.llama(tmp_path / "base", layers=1, architectures=[name])
        tune = checkpoint.llama(tmp_path / "tune", 1, base=base, layers=1, architectures=[name])
        _, config, _ = upscaled(base, [tune], rank_of_expert=1)
        assert config["auto_map"] == code.auto_map(name), name


def test_adapters_and_generation(stories, upscaled, tmp_path):
    """Adapters on stories260k: forced to one expert of full rank the mixture says what the adapted
    model says, and it generates with its cache what it generates without."""
    from transformers import AutoModelForCausalLM

    from oracle import adapters

    base = stories / "base"
    loaded = lambda: AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    wanted, paths = [], []
    for seed in (1, 2):
        model = loaded()
        folder = tmp_path / f"adapter{seed}"
        arguments = {"target_modules": ["q_proj", "v_proj", "down_proj"], "r": 4}
        state = adapters.adapt(model, folder, seed=seed, **arguments)
        whole = loaded().double()
        whole.load_state_dict(state, strict=False)
        wanted.append(whole.eval())
        paths.append(f"{base}+{folder}")
    out, config, tensors = upscaled(base, paths, rank_of_expert=4, rank_of_router=4)
    model = load(out, dtype=torch.float64)
    ids = torch.tensor([[1, 403, 407, 261, 378, 292, 280, 300]])
    with torch.no_grad():
        for expert, whole in enumerate(wanted):
            with model.use_expert(expert):
                said = model(ids).logits
            # Factors in f32, in models whose other weights are exact.
            assert (said - whole(ids).logits).abs().max() <= 1e-4 * said.abs().max()
        words = {"max_new_tokens": 12, "do_sample": False, "pad_token_id": 0}
        with_cache = model.generate(ids, **words)
        assert torch.equal(with_cache, model.generate(ids, use_cache=False, **words))
    size = lambda t: sum(array.size for array in t.values())
    assert size(tensors) < 1.6 * size(checkpoint.read_checkpoint(base))
