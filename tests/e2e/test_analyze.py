"""`merganser analyze`: what it takes, what it refuses, what it says. The numbers are held against
NumPy in oracle/test_analyze.py."""

import contextlib
import json
import math
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from support import checkpoint, program, safetensors_file
from support.checkpoint import llama, llama_config, llama_shapes, random_tensors, read_checkpoint
from support.recipe import write_recipe


def analyze(*arguments, **options):
    return json.loads(program.succeed("analyze", *arguments, "--json", **options))


def advice(document, topic, level=None):
    return [
        one["text"]
        for one in document["advice"]
        if one["topic"] == topic and level in (None, one["level"])
    ]


def numbers(value):
    """Every number of a document."""
    if isinstance(value, dict):
        for one in value.values():
            yield from numbers(one)
    elif isinstance(value, list):
        for one in value:
            yield from numbers(one)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield value


@pytest.fixture
def trio(llamas):
    return llamas(hidden=16, vocab=32)


def test_checkpoints_without_a_recipe(trio):
    document = analyze(*trio)
    assert document["document"] == "analysis" and document["schema"] == 1
    assert [model["kind"] for model in document["models"]] == ["full", "full"]
    assert [tensor["name"] for tensor in document["tensors"]] == sorted(read_checkpoint(trio[0]))
    assert [layer["layer"] for layer in document["layers"]] == [0, 1]
    assert all(math.isfinite(number) for number in numbers(document))
    assert sum(part["changes"][0]["share"] for part in document["parts"]) == pytest.approx(1)
    assert len(document["total"]["losses"]) == len(document["methods"])
    assert document["notes"] == [] and document["left_out"] == []


def test_the_recipe_s_own_merge_comes_first(trio, tmp_path):
    base, one, two = map(str, trio)
    recipe = {
        "merge_method": "task_arithmetic",
        "base_model": base,
        "models": [
            {"model": one, "parameters": {"weight": 0.3}},
            {"model": two, "parameters": {"weight": 0.7}},
        ],
    }
    document = analyze(write_recipe(tmp_path / "r.yml", recipe))
    own = document["methods"][0]
    assert own["from"] == "recipe" and own["parameters"]["weight[1]"] == 0.7
    assert {method["from"] for method in document["methods"][1:]} == {"usual"}
    w0, a, b = (read_checkpoint(path) for path in trio)
    for tensor in document["tensors"]:
        x, y = (m[tensor["name"]].astype(float) - w0[tensor["name"]] for m in (a, b))
        merged = 0.3 * x + 0.7 * y
        wanted = [np.linalg.norm(merged - d) / np.linalg.norm(d) for d in (x, y)]
        np.testing.assert_allclose(tensor["losses"][0], wanted, rtol=1e-5)


def test_all_models_of_several_documents(trio, tmp_path):
    base, one, two = map(str, trio)
    text = f"""
name: half
merge_method: task_arithmetic
base_model: {base}
models: [{{model: {one}, parameters: {{weight: 0.5}}}}]
---
merge_method: slerp
base_model: half
models: [{{model: {two}}}]
parameters: {{t: 0.5}}
"""
    (tmp_path / "r.yml").write_text(text)
    document = analyze(tmp_path / "r.yml")
    assert document["base"]["name"] == base
    assert sorted(model["name"] for model in document["models"]) == sorted([one, two])
    assert document["methods"][0]["name"] == "slerp"
    assert all(loss is not None for loss in document["total"]["losses"][0])


def smile_recipe(trio, tmp_path, **parameters):
    base, one, two = map(str, trio)
    recipe = {"merge_method": "smile", "base_model": base, "models": [{"model": one}, {"model": two}],
              "parameters": parameters}
    return write_recipe(tmp_path / "smile.yml", recipe)


def own_losses(document):
    """name -> losses of the recipe's own merge; the name "" is the whole model."""
    assert document["methods"][0]["from"] == "recipe"
    return {"": document["total"]["losses"][0],
            **{tensor["name"]: tensor["losses"][0] for tensor in document["tensors"]}}


Q0, K1 = "model.layers.0.self_attn.q_proj.weight", "model.layers.1.self_attn.k_proj.weight"
NORM = "model.norm.weight"


def deltas(trio, name):
    base, *tunes = (read_checkpoint(path)[name].astype(float) for path in trio)
    return [tune - base for tune in tunes]


def test_dense_experts_carry_everything(trio, tmp_path):
    document = analyze(smile_recipe(trio, tmp_path, rank_of_expert=-1), "--rank", "2")
    losses = own_losses(document)
    assert losses[Q0] == [0, 0] and losses[K1] == [0, 0] and losses[NORM] == [1, 1]
    assert all(0 < loss < 1 for loss in losses[""])


def test_a_recipe_s_rank_may_be_more_than_is_looked_at(trio, tmp_path):
    document = analyze(smile_recipe(trio, tmp_path, rank_of_expert=5), "--rank", "2")
    losses = own_losses(document)
    for name in (Q0, K1):
        values = [np.linalg.svd(d, compute_uv=False) for d in deltas(trio, name)]
        wanted = [np.sqrt(np.sum(s[5:] ** 2) / np.sum(s**2)) for s in values]
        assert losses[name] == pytest.approx(wanted, rel=1e-6)
    assert all(loss is not None for loss in losses[""])
    assert document["settings"]["rank"] == 5
    # What is asked for besides stays what was asked for.
    assert document["methods"][-1]["label"].startswith("smile, rank 2,")


def test_an_expert_by_energy_keeps_its_share(trio, tmp_path):
    losses = own_losses(analyze(smile_recipe(trio, tmp_path, energy=0.6)))
    for name in (Q0, K1):
        for delta, loss in zip(deltas(trio, name), losses[name]):
            squares = np.linalg.svd(delta, compute_uv=False) ** 2
            rank = int(np.sum(np.cumsum(squares) < 0.6 * squares.sum())) + 1
            assert loss == pytest.approx(np.sqrt(squares[rank:].sum() / squares.sum()), rel=1e-6)


def test_the_rest_of_a_mixture_may_be_an_average(trio, tmp_path):
    losses = own_losses(analyze(smile_recipe(trio, tmp_path, rank_of_expert=2, rest="average")))
    for name in (NORM, "model.embed_tokens.weight"):
        x, y = deltas(trio, name)
        half = np.linalg.norm(x - y) / 2
        wanted = [half / np.linalg.norm(x), half / np.linalg.norm(y)]
        assert losses[name] == pytest.approx(wanted, rel=1e-5)
    assert all(loss is not None for loss in losses[""])


def test_a_mixture_s_filters_decide(trio, tmp_path):
    """A head that gets experts, and a projection that gets none."""
    upscale = [{"filter": "lm_head", "value": True}, {"filter": "q_proj", "value": False}, {"value": True}]
    losses = own_losses(analyze(smile_recipe(trio, tmp_path, rank_of_expert=-1, upscale=upscale)))
    assert losses["lm_head.weight"] == [0, 0] and losses[K1] == [0, 0]
    assert losses[Q0] == [1, 1] and losses[NORM] == [1, 1]


def test_the_bias_of_a_weight_without_experts_stays_the_base_s(tmp_path):
    config = {"architectures": ["BertModel"], "model_type": "bert", "num_hidden_layers": 2}
    paths = []
    for seed in range(2):
        generator = np.random.default_rng(seed)
        tensors = {}
        for layer in (0, 1):
            for module in ("query", "key"):
                name = f"encoder.layer.{layer}.attention.self.{module}"
                tensors[name + ".weight"] = generator.standard_normal((6, 6)).astype(np.float32)
                tensors[name + ".bias"] = generator.standard_normal(6).astype(np.float32)
        paths.append(checkpoint.write_checkpoint(tmp_path / f"m{seed}", config, tensors))
    recipe = {"merge_method": "smile", "base_model": str(paths[0]), "models": [{"model": str(paths[1])}],
              "parameters": {"rank_of_expert": -1, "upscale": [{"filter": "query", "value": False}, {"value": True}]}}
    losses = own_losses(analyze(write_recipe(tmp_path / "r.yml", recipe)))
    module = "encoder.layer.0.attention.self."
    assert losses[module + "key.weight"] == [0] and losses[module + "key.bias"] == [0]
    assert losses[module + "query.weight"] == [1] and losses[module + "query.bias"] == [1]


def test_layers_of_another_document_are_no_namesakes(trio, tmp_path):
    """A document that swaps layers: what is merged under a name is not what the fine-tunes have there."""
    base, one, two = map(str, trio)
    text = f"""
name: swapped
merge_method: passthrough
slices:
  - sources: [{{model: {one}, layer_range: [1, 2]}}]
  - sources: [{{model: {one}, layer_range: [0, 1]}}]
---
merge_method: task_arithmetic
models: [{{model: swapped, parameters: {{weight: 1}}}}, {{model: {two}, parameters: {{weight: 1}}}}]
base_model: {base}
"""
    (tmp_path / "r.yml").write_text(text)
    losses = own_losses(analyze(tmp_path / "r.yml"))
    assert losses[Q0] == [None, None] and losses[""] == [None, None]
    assert all(loss is not None for loss in losses[NORM])


def test_a_base_that_is_another_document(trio, tmp_path):
    """The base to compare with is a checkpoint, whatever document another one builds upon."""
    base, one, two = map(str, trio)
    text = f"""
name: first
merge_method: linear
models: [{{model: {one}, parameters: {{weight: 1}}}}]
---
name: second
merge_method: task_arithmetic
base_model: first
models: [{{model: {two}, parameters: {{weight: 0.5}}}}]
---
name: third
merge_method: task_arithmetic
base_model: {base}
models: [{{model: second, parameters: {{weight: 0.5}}}}]
---
merge_method: linear
models: [{{model: third, parameters: {{weight: 1}}}}]
"""
    (tmp_path / "r.yml").write_text(text)
    document = analyze(tmp_path / "r.yml")
    assert document["base"]["name"] == base
    assert sorted(model["name"] for model in document["models"]) == sorted([one, two])


@pytest.mark.parametrize("threads", [1, 3])
def test_the_same_document_for_any_number_of_threads(files, threads):
    """Of small tensors, and of one that is read, merged and compared in several pieces."""
    sets = []
    for seed in range(3):
        generator = np.random.default_rng(seed)
        sets.append({
            f"model.layers.{layer}.self_attn.q_proj.weight": generator.standard_normal(shape).astype(np.float32)
            for layer, shape in enumerate([(16, 16), (40, 10000), (30, 16)])
        })
    models = files(*sets)
    assert 40 * 10000 > 2**18
    flags = ["--json", "--seed", "7"]
    once = program.succeed("analyze", *models, *flags, "--threads", "2")
    assert program.succeed("analyze", *models, *flags, "--threads", threads) == once
    assert program.succeed("analyze", *models, "--json", "--seed", "8") != once  # DARE's masks


def test_parts_that_are_asked_for(trio):
    document = analyze(*trio, "--no-zones", "--no-losses", "--angles", "0", "--rank", "3")
    assert document["methods"] == []
    for tensor in document["tensors"]:
        assert tensor["losses"] == []
        for change in tensor["changes"]:
            assert change["zones"] is None
            if change["spectrum"]:
                assert len(change["spectrum"]["singular_values"]) == 3
        assert all(pair["angles"] is None for pair in tensor["pairs"])
    assert document["smile"]["ranks"] == [1, 2]


def test_text_for_people(trio):
    text = program.succeed("analyze", *trio)
    for word in ("tune1", "tune2", "cosine", "ties, density 0.2", "smile", "All models are fine-tunes"):
        assert word in text


# --- models of every kind ---------------------------------------------------------------------


def write_adapter(folder, base, seed, rank=2, alpha=4):
    generator = np.random.default_rng(seed)
    tensors, expected = {}, {}
    for name, array in read_checkpoint(base).items():
        if not name.endswith("q_proj.weight"):
            continue
        a = generator.standard_normal((rank, array.shape[1])).astype(np.float32)
        b = 0.1 * generator.standard_normal((array.shape[0], rank)).astype(np.float32)
        module = "base_model.model." + name.removesuffix(".weight")
        tensors[module + ".lora_A.weight"] = a
        tensors[module + ".lora_B.weight"] = b.astype(np.float32)
        expected[name] = alpha / rank * b.astype(np.float32).astype(float) @ a.astype(float)
    folder.mkdir()
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": alpha, "target_modules": ["q_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    safetensors_file.write(folder / "adapter_model.safetensors", tensors, {"format": "pt"})
    return folder, expected


def test_adapters_are_what_they_add(trio, tmp_path):
    base = trio[0]
    adapter, expected = write_adapter(tmp_path / "lora", base, 5)
    document = analyze(base, f"{base}+{adapter}", trio[1])
    assert [model["kind"] for model in document["models"]] == ["lora", "full"]
    for tensor in document["tensors"]:
        change = tensor["changes"][0]
        if tensor["name"] not in expected:
            assert change["norm"] == 0 and change["spectrum"] is None and change["changed_share"] == 0
            assert tensor["pairs"][0]["cosine"] is None and tensor["pairs"][0]["angles"] is None
            continue
        delta = expected[tensor["name"]]
        values = np.linalg.svd(delta, compute_uv=False)[:2]
        assert change["norm"] == pytest.approx(np.linalg.norm(delta), rel=1e-12)
        assert change["spectrum"]["singular_values"] == pytest.approx(values, rel=1e-12)
        assert change["spectrum"]["residual"] == 0
        assert change["max"] == pytest.approx(np.abs(delta).max(), rel=1e-12)


def test_one_model_alone(trio):
    document = analyze(*trio[:2])
    assert document["total"]["pairs"] == [] and advice(document, "conflict") == []


def test_a_model_that_equals_the_base(trio):
    document = analyze(trio[0], trio[0], trio[1])
    same = document["total"]["changes"][0]
    assert same["norm"] == 0 and same["relative"] == 0 and same["share"] is None
    assert document["total"]["pairs"][0] == {
        "cosine": None, "sign_conflict": None, "sign_conflict_top": None, "overlap_top": None,
    }
    assert all(losses[0] is None for losses in document["total"]["losses"])
    assert "equals the base" in advice(document, "base", "warning")[0]


def test_the_median_rank_of_nothing_is_none(trio):
    document = analyze(trio[0], trio[0], trio[1], "--rank", "2")
    none, more = (model["rank_90"] for model in document["models"])
    assert none == {"median": None, "matrices": 0, "beyond": 0}
    assert more["median"] is None and more["beyond"] > more["matrices"] / 2
    rows = program.succeed("analyze", trio[0], trio[0], trio[1], "--rank", "2").splitlines()
    assert [row.split()[-2] for row in rows[1:3]] == ["-", "more"]


def test_an_encoder_s_layers_are_not_its_decoder_s(tmp_path):
    config = {"architectures": ["T5ForConditionalGeneration"], "model_type": "t5",
              "num_layers": 2, "num_decoder_layers": 2}
    names = [f"{module}.block.{layer}.layer.0.SelfAttention.q.weight"
             for module in ("encoder", "decoder") for layer in (0, 1)]
    base = {name: np.eye(4, dtype=np.float32) for name in [*names, "shared.weight"]}
    tune = {name: array.copy() for name, array in base.items()}
    tune["decoder.block.1.layer.0.SelfAttention.q.weight"][0, 0] = 3
    paths = [checkpoint.write_checkpoint(tmp_path / name, config, tensors)
             for name, tensors in (("base", base), ("tune", tune))]
    document = analyze(*paths, paths[0])
    found = {(layer["module"], layer["layer"]): layer["changes"][0]["norm"] for layer in document["layers"]}
    assert found == {("encoder", 0): 0, ("encoder", 1): 0, ("decoder", 0): 0, ("decoder", 1): 2}
    modules = {tensor["name"]: tensor.get("module") for tensor in document["tensors"]}
    assert modules == {**{name: name.split(".")[0] for name in names}, "shared.weight": None}
    assert "layer decoder 1 changed most" in " ".join(advice(document, "location"))
    assert "decoder 1" in program.succeed("analyze", *paths, paths[0])


def test_strangers_are_warned_of(trio, tmp_path):
    config = llama_config(hidden=16, vocab=32)
    tensors = random_tensors(llama_shapes(config), 99)
    other = checkpoint.write_checkpoint(tmp_path / "other", config, tensors)
    document = analyze(trio[0], trio[1], other)
    (text,) = advice(document, "base", "warning")
    assert "other" in text and "another initialisation" in text


def test_tensors_that_do_not_fit_are_left_out(trio, tmp_path):
    tensors = {name: array.copy() for name, array in read_checkpoint(trio[1]).items()}
    tensors["model.embed_tokens.weight"] = np.ones((40, 16), np.float32)
    del tensors["model.norm.weight"]
    tensors["extra"] = np.ones(3, np.float32)
    config = llama_config(hidden=16, vocab=40)
    odd = checkpoint.write_checkpoint(tmp_path / "odd", config, tensors)
    document = analyze(trio[0], odd, trio[2])
    left_out = {entry["tensor"]: entry["reason"] for entry in document["left_out"]}
    assert left_out["model.embed_tokens.weight"] == "shape [40, 16] does not fit [32, 16] of the base"
    assert left_out["model.norm.weight"].startswith("not in ") and left_out["extra"] == "not in the base"
    names = {tensor["name"] for tensor in document["tensors"]}
    assert not names & set(left_out)
    assert "left out: extra of" in program.succeed("analyze", trio[0], odd, trio[2])


def test_a_recipe_that_cannot_be_merged_is_analysed_all_the_same(trio, tmp_path):
    tensors = dict(read_checkpoint(trio[1]))
    tensors["lm_head.weight"] = np.ones((40, 16), np.float32)
    odd = checkpoint.write_checkpoint(tmp_path / "odd", llama_config(hidden=16, vocab=32), tensors)
    recipe = {
        "merge_method": "ties",
        "base_model": str(trio[0]),
        "models": [{"model": str(odd)}, {"model": str(trio[2])}],
        "parameters": {"weight": 1, "density": 0.5},
    }
    document = analyze(write_recipe(tmp_path / "r.yml", recipe))
    assert any("the recipe's merge is left out" in note for note in document["notes"])
    assert {method["from"] for method in document["methods"]} == {"usual"}


def test_tensors_without_elements_and_of_every_shape(files):
    sets = []
    for seed in range(3):
        generator = np.random.default_rng(seed)
        sets.append({
            "empty": np.zeros((0, 4), np.float32),
            "scalar": np.array(generator.standard_normal(), np.float32),
            "conv": generator.standard_normal((3, 2, 4)).astype(np.float16),
            "model.layers.0.w.weight": generator.standard_normal((5, 1)).astype(np.float64),
            "ids": np.arange(4),
        })
    document = analyze(*files(*sets))
    assert [tensor["name"] for tensor in document["tensors"]] == [
        "conv", "empty", "model.layers.0.w.weight", "scalar",
    ]
    assert document["left_out"][0]["reason"] == "integers are not compared"


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_none(trio, tmp_path, value):
    tensors = {name: array.copy() for name, array in read_checkpoint(trio[1]).items()}
    tensors["model.norm.weight"][3] = value
    bad = checkpoint.write_checkpoint(tmp_path / "bad", llama_config(hidden=16, vocab=32), tensors)
    line = program.fail("analyze", trio[0], bad)
    assert "bad" in line and "model.norm.weight" in line and "NaN or Inf" in line


@pytest.mark.parametrize(
    "arguments",
    [
        ["{base}"],
        ["{base}", "nowhere"],
        ["nowhere.yml"],
        ["{base}", "{tune}", "--top", "0"],
        ["{base}", "{tune}", "--top", "nan"],
        ["{base}", "{tune}", "--rank", "0"],
        ["{base}", "{tune}", "--seed", "-1"],
        ["{base}", "{tune}", "--memory", "lots"],
        ["{base}", "{tune}", "--report", "nowhere/report.html"],
        ["{base}", "{tune}", "--report", "{base}"],
    ],
)
def test_bad_requests(trio, arguments):
    known = {"base": trio[0], "tune": trio[1]}
    program.fail("analyze", *[argument.format(**known) for argument in arguments])


def test_a_recipe_without_a_base(trio, tmp_path):
    recipe = {"merge_method": "linear", "models": [{"model": str(trio[1]), "parameters": {"weight": 1}}]}
    line = program.fail("analyze", write_recipe(tmp_path / "r.yml", recipe))
    assert "base_model" in line and "r.yml" in line


def test_another_architecture(trio, tmp_path):
    config = {"architectures": ["BertModel"], "model_type": "bert", "num_hidden_layers": 1}
    tensors = {"encoder.layer.0.output.dense.weight": np.ones((4, 4), np.float32)}
    other = checkpoint.write_checkpoint(tmp_path / "other", config, tensors)
    assert "other" in program.fail("analyze", trio[0], other)


# --- the report -------------------------------------------------------------------------------


def test_the_report_holds_the_document(trio, tmp_path):
    path = tmp_path / "report.html"
    text = program.succeed("analyze", *trio, "--json", "--report", path)
    page = path.read_text()
    assert page.startswith("<!DOCTYPE html>") or page.lower().startswith("<!doctype html>")
    assert json.loads(text)["models"][0]["name"] in page
    assert list(tmp_path.glob(".report*")) == []
    before = path.read_bytes()
    assert "exists" in program.fail("analyze", *trio, "--report", path)
    program.succeed("analyze", *trio, "--report", path, "--force", "--no-losses")
    assert path.read_bytes() != before


def wait_until_open(process, path, seconds=60):
    """Until the program has this file open; before, a change of it would be none."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for link in Path(f"/proc/{process.pid}/fd").glob("*"):
            with contextlib.suppress(OSError):
                if os.readlink(link) == str(path):
                    return
        time.sleep(0.01)
    raise AssertionError(f"{path} was never opened")


def test_an_input_that_changes_meanwhile_leaves_no_report(tmp_path):
    config = llama_config(layers=6, hidden=256, vocab=2048)
    tensors = random_tensors(llama_shapes(config), 0)
    base = checkpoint.write_checkpoint(tmp_path / "base", config, tensors)
    tune = checkpoint.write_checkpoint(tmp_path / "tune", config, checkpoint.near(tensors, 1))
    weights = next(tune.glob("*.safetensors"))
    process = program.start("analyze", base, tune, "--report", tmp_path / "report.html")
    wait_until_open(process, weights)
    with open(weights, "r+b") as file:
        file.seek(-4, 2)
        file.write(np.float32(0.25).tobytes())
    outcome = program.finish(process)
    assert outcome.code != 0 and "changed while it was being read" in outcome.err, outcome.err
    assert not (tmp_path / "report.html").exists()


def test_an_interrupted_run_leaves_no_report(tmp_path):
    config = llama_config(layers=6, hidden=256, vocab=2048)
    tensors = random_tensors(llama_shapes(config), 0)
    base = checkpoint.write_checkpoint(tmp_path / "base", config, tensors)
    tune = checkpoint.write_checkpoint(tmp_path / "tune", config, checkpoint.near(tensors, 1))
    process = program.start("analyze", base, tune, "--report", tmp_path / "report.html")
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    outcome = program.finish(process)
    assert outcome.code == 130, outcome.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "tune"]
