"""extract-lora: loaded by PEFT, and against mergekit-extract-lora."""

import json
import math

import numpy as np
import pytest

from support import mergekit  # noqa: F401  (before torch)
from support import program

lora_models = pytest.importorskip("oracle.lora_models")
pytest.importorskip("peft")
import torch  # noqa: E402


def save(folder, model):
    model.save_pretrained(folder)
    return folder


def tune(model, seed, only=None, scale=0.02):
    """A fine-tune: every parameter whose name `only` accepts moves a little."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            step = scale * torch.randn_like(parameter)
            if only is None or only(name):
                parameter.add_(step)
    return model


def pair(tmp_path, model_of, only=None):
    base = save(tmp_path / "base", lora_models.make(model_of))
    tuned = save(tmp_path / "tuned", tune(lora_models.make(model_of), 1, only))
    return base, tuned


def extract(base, tuned, out, *flags):
    return json.loads(program.succeed("extract-lora", tuned, base, out, "--json", *flags))


def merged(model_of, out):
    """The state of the base with the adapter merged in, by PEFT."""
    model = lora_models.load(model_of, ours=out).merge_and_unload()
    return {name: array.double().numpy() for name, array in model.state_dict().items()}


def state(model):
    return {name: array.double().numpy() for name, array in model.state_dict().items()}


def truncated(change, rank):
    u, s, vt = np.linalg.svd(change, full_matrices=False)
    return (u[:, :rank] * s[:rank]) @ vt[:rank]


def is_factored(report, name):
    return name.removesuffix(".weight") in {module["name"] for module in report["modules"]}


@pytest.mark.parametrize("flags", [[], ["--no-distribute-scale"], ["--embed-lora"]])
@pytest.mark.parametrize("model_of", [lora_models.llama, lora_models.gpt2, lora_models.bert])
def test_peft_gets_base_and_truncated_change(tmp_path, model_of, flags):
    base, tuned = pair(tmp_path, model_of)
    report = extract(base, tuned, tmp_path / "out", "--max-rank", 5, *flags)
    before, after = state(lora_models.make(model_of)), state(tune(lora_models.make(model_of), 1))
    result = merged(model_of, tmp_path / "out")
    factored = 0
    for name, expected in after.items():
        tied = name == "lm_head.weight" and model_of is lora_models.gpt2
        if is_factored(report, "transformer.wte.weight" if tied else name):
            expected = before[name] + truncated(after[name] - before[name], 5)
            factored += 1
        # One f32 rounding of the sum and those of the factors, which are smaller.
        limit = 2e-7 * np.abs(expected).max()
        assert np.abs(result[name] - expected).max() <= limit, name
    lm_head_is_wte = model_of is lora_models.gpt2 and "--embed-lora" in flags
    assert factored == len(report["modules"]) + lm_head_is_wte
    embeddings = any(module["kind"] == "embedding" for module in report["modules"])
    assert embeddings == ("--embed-lora" in flags)


def test_residuals_are_what_is_left_out(tmp_path):
    base, tuned = pair(tmp_path, lora_models.llama)
    before, after = state(lora_models.make(lora_models.llama)), state(tune(lora_models.make(lora_models.llama), 1))
    report = extract(base, tuned, tmp_path / "out", "--max-rank", 5)
    for module in report["modules"]:
        s = np.linalg.svd(after[module["name"] + ".weight"] - before[module["name"] + ".weight"],
                          compute_uv=False)
        assert module["rank"] == 5
        expected = math.sqrt(np.sum(s[5:] ** 2) / np.sum(s**2))
        assert module["residual"] == pytest.approx(expected, rel=1e-5)


def test_energy_and_epsilon_choose_ranks(tmp_path):
    base, tuned = pair(tmp_path, lora_models.llama)
    before, after = state(lora_models.make(lora_models.llama)), state(tune(lora_models.make(lora_models.llama), 1))
    values = {
        name.removesuffix(".weight"): np.linalg.svd(after[name] - before[name], compute_uv=False)
        for name in after
        if after[name].ndim == 2
    }
    by_energy = extract(base, tuned, tmp_path / "energy", "--energy", 0.8)
    by_value = extract(base, tuned, tmp_path / "value", "--sv-epsilon", 0.08)
    assert by_energy["modules"] and by_value["modules"]
    for module in by_energy["modules"]:
        share = np.cumsum(values[module["name"]] ** 2) / np.sum(values[module["name"]] ** 2)
        assert module["rank"] == np.searchsorted(share, 0.8) + 1
    for module in by_value["modules"]:
        assert module["rank"] == np.sum(values[module["name"]] > 0.08)
    merged(lora_models.llama, tmp_path / "energy")  # ranks differ: rank_pattern must say so rightly
    merged(lora_models.llama, tmp_path / "value")


def test_a_budget_leaves_out_the_least(tmp_path):
    base, tuned = pair(tmp_path, lora_models.llama)
    # One module changed far more than the others: it gets more of the budget.
    model = tune(lora_models.make(lora_models.llama), 1)
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight.add_(torch.randn(24, 16))
    tuned = save(tmp_path / "much", model)
    report = extract(base, tuned, tmp_path / "out", "--budget", "4kB", "--skip-undecomposable")
    size = 4 * sum(m["rank"] * (m["in"] + m["out"]) for m in report["modules"])
    assert 3500 < size <= 4000
    ranks = {m["name"]: m["rank"] for m in report["modules"]}
    assert ranks["model.layers.0.mlp.up_proj"] == 16 == max(ranks.values())
    free = extract(base, tuned, tmp_path / "free", "--budget", "1MB")
    assert free["residual"] < 1e-6 < report["residual"]


def test_only_what_changed(tmp_path):
    base, tuned = pair(tmp_path, lora_models.llama, lambda name: "layers.1.self_attn.q" in name)
    report = extract(base, tuned, tmp_path / "out")
    assert [module["name"] for module in report["modules"]] == ["model.layers.1.self_attn.q_proj"]
    assert not report["saved_modules"] and not report["left_out"]
    config = json.loads((tmp_path / "out/adapter_config.json").read_text())
    assert config["target_modules"] == ["model.layers.1.self_attn.q_proj"]
    assert config["modules_to_save"] is None
    merged(lora_models.llama, tmp_path / "out")  # load() takes a missing key for an error
    error = program.fail("extract-lora", base, base, tmp_path / "no")
    assert "change" in error and not (tmp_path / "no").exists()


def test_final_norm_alone(tmp_path):
    """PEFT looks for modules_to_save by the ends of names: "norm" would mean all norms."""
    base, tuned = pair(
        tmp_path, lora_models.llama, lambda name: name == "model.norm.weight" or "q_proj" in name
    )
    report = extract(base, tuned, tmp_path / "out")
    assert report["saved_modules"] == ["model.norm"]
    result, wanted = merged(lora_models.llama, tmp_path / "out"), state(tune(
        lora_models.make(lora_models.llama), 1,
        lambda name: name == "model.norm.weight" or "q_proj" in name))
    for name in wanted:
        assert np.abs(result[name] - wanted[name]).max() <= 3e-7 * np.abs(wanted[name]).max(), name


def test_biases(tmp_path):
    """Of modules with factors, of modules whose weight did not change, and of neither."""
    changed = ("0.attention.self.query.weight", "0.attention.self.query.bias",
               "0.attention.self.key.bias", "1.attention.self.query.weight")
    base, tuned = pair(tmp_path, lora_models.bert, lambda name: name.endswith(changed))
    extract(base, tuned, tmp_path / "out", "--max-rank", 16)
    result = merged(lora_models.bert, tmp_path / "out")
    wanted = state(tune(lora_models.make(lora_models.bert), 1, lambda name: name.endswith(changed)))
    for name in wanted:
        assert np.abs(result[name] - wanted[name]).max() <= 3e-7 * np.abs(wanted[name]).max(), name


def test_choices(tmp_path):
    base, tuned = pair(tmp_path, lora_models.llama)
    report = extract(
        base, tuned, tmp_path / "out", "-i", "layers\\.0", "-e", "mlp", "-e", "norm",
        "--save-module", "o_proj", "-e", "embed", "-e", "lm_head",
    )
    names = {module["name"].removeprefix("model.layers.") for module in report["modules"]}
    assert names == {f"0.self_attn.{x}_proj" for x in "qkv"}
    assert report["saved_modules"] == [f"model.layers.{i}.self_attn.o_proj" for i in (0, 1)]
    assert any(tensor["name"] == "model.norm.weight" for tensor in report["left_out"])
    merged(lora_models.llama, tmp_path / "out")


def test_vocabularies_that_differ(tmp_path):
    base, _ = pair(tmp_path, lora_models.llama)
    model = lora_models.make(lora_models.llama)
    model.resize_token_embeddings(44)
    tuned = save(tmp_path / "larger", tune(model, 1))
    report = extract(base, tuned, tmp_path / "out", "--embed-lora")
    assert {"lm_head", "model.embed_tokens"} <= set(report["saved_modules"])
    assert any("vocabular" in note for note in report["notes"])


def test_a_mixed_shape_is_refused(tmp_path):
    from transformers import LlamaForCausalLM

    base, _ = pair(tmp_path, lora_models.llama)
    config = lora_models.make(lora_models.llama).config
    config.intermediate_size = 32
    other = save(tmp_path / "wide", LlamaForCausalLM(config))
    error = program.fail("extract-lora", other, base, tmp_path / "out")
    assert "down_proj" in error and "[16, 24]" in error and "[16, 32]" in error


@pytest.mark.parametrize("flags", [{}, {"distribute_scale": False}, {"embed_lora": True}])
def test_as_mergekit(tmp_path, flags):
    """The products; the factors of a singular value may differ in their signs."""
    from click.testing import CliRunner
    from mergekit.architecture.auto import infer_architecture_info
    from mergekit.io.tasks import LoaderCache
    from mergekit.scripts.extract_lora import main

    base, tuned = pair(tmp_path, lora_models.llama)
    words = ["--no-distribute-scale"] if "distribute_scale" in flags else []
    words += ["--embed-lora"] if "embed_lora" in flags else []
    words += ["--max-rank", "6"]
    try:
        done = CliRunner().invoke(
            main,
            ["--model", str(tuned), "--base-model", str(base), "--out-path",
             str(tmp_path / "mergekit"), "--no-copy-tokenizer", "--quiet", *words],
        )
        assert done.exit_code == 0, done.output or done.exception
    finally:
        LoaderCache.loaders.clear()
        infer_architecture_info.cache_clear()
    extract(base, tuned, tmp_path / "ours", *words)
    ours, theirs = tensors(tmp_path / "ours"), tensors(tmp_path / "mergekit")
    assert ours.keys() == theirs.keys()
    for name in ours:
        if "_A" not in name:
            if "_B" not in name:
                np.testing.assert_array_equal(ours[name], theirs[name])
            continue
        other = name.replace("_A", "_B")
        expected = theirs[other] @ theirs[name]
        # Of the largest element: the roundings of both sides' factors to f32 and MergeKit's SVD,
        # over the gaps between singular values.
        limit = 1e-4 * np.abs(expected).max()
        np.testing.assert_allclose(ours[other] @ ours[name], expected, rtol=0, atol=limit)
        for row, wanted in zip(ours[name], theirs[name]):  # the scales are shared out alike
            assert np.linalg.norm(row) == pytest.approx(np.linalg.norm(wanted), rel=1e-3)


def tensors(folder):
    from safetensors.numpy import load_file

    return {
        name: array.astype(np.float64)
        for name, array in load_file(folder / "adapter_model.safetensors").items()
    }


def test_real_fine_tune(tmp_path, stories):
    """The error falls with the rank; at full rank PEFT gets the fine-tune back."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base, tuned = stories / "base", stories / "shakespeare"
    residuals = [
        extract(base, tuned, tmp_path / f"{rank}", "--max-rank", rank)["residual"]
        for rank in (1, 4, 16, 48, 64)
    ]
    assert all(a > b for a, b in zip(residuals, residuals[1:]))
    assert residuals[-1] < 1e-6
    model = AutoModelForCausalLM.from_pretrained(base)
    result = state(PeftModel.from_pretrained(model, tmp_path / "64").merge_and_unload())
    wanted = state(AutoModelForCausalLM.from_pretrained(tuned))
    for name, expected in wanted.items():
        # The product's roundings in f32: up to 64 terms of at most the change's size.
        limit = 3e-7 * np.abs(expected).max()
        assert np.abs(result[name] - expected).max() <= limit, name


def test_names_without_the_wrapper(tmp_path):
    """Old checkpoints of GPT-2 lack "transformer."; PEFT goes by the modules' names."""
    from safetensors.torch import load_file, save_file

    folders = pair(tmp_path, lora_models.gpt2)
    for folder in folders:
        path = folder / "model.safetensors"
        bare = {n.removeprefix("transformer."): t for n, t in load_file(path).items()}
        save_file(bare, path, {"format": "pt"})
    extract(*folders, tmp_path / "out", "--max-rank", 16)
    result = merged(lora_models.gpt2, tmp_path / "out")
    wanted = state(tune(lora_models.make(lora_models.gpt2), 1))
    for name in wanted:
        assert np.abs(result[name] - wanted[name]).max() <= 3e-7 * np.abs(wanted[name]).max(), name
