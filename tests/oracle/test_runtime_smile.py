"""Mixtures of experts that run here put out what their own code in transformers puts out, and what
the formula says in f64."""

import json

import numpy as np
import pytest
import yaml

from oracle import smile_models as models
from support import program, smile
from support.checkpoint import read_checkpoint
from support.recipe import write_recipe
from support.recipe import models as inputs_of
from support.runtime import need_runtime

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
safetensors = pytest.importorskip("safetensors.numpy")

pytestmark = pytest.mark.usefixtures("remote_code", "runtime")
NAMES = ["red", "green", "blue"]
TOLERANCE = 1e-4  # of the largest output, or of 1
# What runs here and can be a mixture.
KINDS = ["llama", "mistral", "qwen2", "qwen3", "gpt2", "bert", "bert classifier"]


@pytest.fixture
def runtime(merganser):
    need_runtime(merganser)


def near(got, expected):
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() <= TOLERANCE * max(1.0, np.abs(expected).max())


def ours(model, folder, ids, hidden=False):
    given, made = folder / "inputs.safetensors", folder / "outputs.safetensors"
    safetensors.save_file({"ids": np.ascontiguousarray(ids)}, given)
    flags = ["--hidden"] if hidden else []
    program.succeed("logits", model, "--input", given, "-o", made, "--force", "--quiet", *flags)
    (values,) = safetensors.load_file(made).values()
    return values


def theirs(model, ids, hidden=False):
    with torch.no_grad():
        said = model(torch.from_numpy(ids))
    return (said.last_hidden_state if hidden else said.logits).numpy()


def load(folder, kind):
    auto = getattr(transformers, models.KINDS[kind][3])
    return auto.from_pretrained(folder, trust_remote_code=True, local_files_only=True).eval()


def merge(tmp_path, members, **parameters):
    """The mixture that the program makes of these checkpoints."""
    (_, base), *tunes = members
    recipe = {
        "merge_method": "smile",
        "base_model": str(base),
        "models": inputs_of(*(folder for _, folder in tunes)),
        "parameters": {"rank_of_router": 2, **parameters},
    }
    path = write_recipe(tmp_path / "mixture.yml", recipe)
    program.succeed("merge", path, tmp_path / "mixture", "--quiet")
    return tmp_path / "mixture"


def ids_of(kind):
    return models.inputs(kind)["input_ids"].numpy()


def compare(kind, mixture, tmp_path):
    hidden = kind == "bert"
    ids = ids_of(kind)
    expected = theirs(load(mixture, kind), ids, hidden)
    near(ours(mixture, tmp_path, ids, hidden), expected)
    return expected


OPTIONS = {
    "one expert per token": {"rank_of_expert": 3},
    "two, dense": {"rank_of_expert": -1, "num_experts_per_tok": 2},
    "ranks that differ": {"parameter_budget": 1.6},
    "per module": {
        "rank_of_expert": [{"filter": "mlp", "value": 2}, {"value": 5}],
        "num_experts_per_tok": [{"filter": "0", "value": 2}, {"value": 1}],
    },
}


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_family(kind, options, tmp_path):
    members = models.family(kind, tmp_path)
    mixture = merge(tmp_path, members, **OPTIONS[options])
    expected = compare(kind, mixture, tmp_path)
    # The experts matter.
    base = theirs(members[0][0], ids_of(kind), kind == "bert")
    assert np.abs(expected - base).max() > 100 * TOLERANCE


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert classifier"])
def test_a_layout_that_was_written_by_hand(kind, tmp_path):
    """With everything that the form allows: ranks of 0, dense layers, a layer that takes two."""
    from transformers.pytorch_utils import Conv1D

    members = models.family(kind, tmp_path)
    base, tunes = models.tensors(members)
    layers = smile.linear_modules(members[0][0], base)
    names = list(layers)
    rank = {name: [(i + j) % 4 for j in range(3)] for i, name in enumerate(names)}
    rank[names[0]] = [0, 0, 0]
    turned = [name for name in names if isinstance(layers[name], Conv1D)]
    made = smile.upscale(
        base, tunes, names, rank, 2, dense=names[2:4], transposed=turned, per_token={names[1]: 2}
    )
    out = smile.write_layout(tmp_path / "smile", members[0][1], made, NAMES)
    compare(kind, out, tmp_path)
    plain, _ = smile.reference(members[0][0], made)
    near(ours(out, tmp_path, ids_of(kind)), theirs(plain, ids_of(kind)))


@pytest.mark.parametrize("top", [1, 2])
@pytest.mark.parametrize("rank", [4, -1])
@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2"])
def test_fusion_bench_s_layout_is_the_same_model(kind, rank, top, tmp_path):
    """Of equal ranks the two layouts hold the same factors, so both put out the same."""
    members = models.family(kind, tmp_path)
    options = {"rank_of_expert": rank, "num_experts_per_tok": top}
    mixture = merge(tmp_path / "a", members, **options)
    other = merge(tmp_path / "b", members, **options, layout="fusion_bench")
    ids = ids_of(kind)
    expected = theirs(load(mixture, kind), ids)
    near(ours(other, tmp_path, ids), expected)


def write_task(folder, name, tokens, length=16):
    folder.mkdir(exist_ok=True)
    safetensors.save_file({"ids": tokens.astype(np.int32)}, folder / f"{name}.safetensors")
    task = {
        "task": name,
        "type": "language_modelling",
        "length": length,
        "test": {"file": f"{name}.safetensors"},
    }
    (folder / f"{name}.yml").write_text(yaml.safe_dump(task))
    return folder / f"{name}.yml"


@pytest.mark.parametrize("top", [1, 2])
def test_routes_are_those_that_transformers_counts(top, tmp_path):
    members = models.family("llama", tmp_path)
    mixture = merge(tmp_path, members, rank_of_expert=3, num_experts_per_tok=top)
    tokens = np.random.default_rng(4).integers(3, 60, 161)
    task = write_task(tmp_path / "data", "tune1", tokens)
    out = program.succeed("route", mixture, "--task", task, "--json", "--batch", 3)
    report = json.loads(out)
    model = load(mixture, "llama")
    ids = tokens[:160].reshape(10, 16)
    with model.count_routes() as routes:
        theirs(model, ids)
    found = {
        layer["name"]: counts["choices"]
        for layer, counts in zip(report["layers"], report["tasks"][0]["layers"])
    }
    assert found == {name: counts.tolist() for name, counts in routes.items()}
    assert report["tasks"][0]["total"]["choices"] == routes.total().tolist()
    assert report["tasks"][0]["tokens"] == 160 and report["tasks"][0]["expert"] == "tune1"
    # The first text, token by token: what each layer chose first.
    chosen = {}
    for name, layer in model.smile_layers.items():
        layer.register_forward_hook(
            lambda layer, given, _, name=name: chosen.__setitem__(
                name, layer.route(given[0].reshape(-1, given[0].shape[-1]))[0][:, 0].tolist()
            )
        )
    theirs(model, ids[:1])
    text = report["tasks"][0]["text"]
    assert text["ids"] == ids[0].tolist()
    assert dict(zip(found, text["experts"])) == chosen
    own = [counts["agreement"] for counts in report["tasks"][0]["layers"]]
    theirs(model, ids)
    assert own == pytest.approx([np.mean(np.equal(chosen[name], 1)) for name in found])


def loss(model, ids):
    said = torch.log_softmax(torch.from_numpy(theirs(model, ids[:, :-1])), -1)
    targets = torch.from_numpy(ids[:, 1:]).unsqueeze(-1)
    return -said.gather(-1, targets).mean().item()


@pytest.mark.parametrize("known", [True, False])
def test_the_oracle_is_the_expert_of_the_task(known, tmp_path):
    """By the name of the best input, or tried: the loss is that of use_expert()."""
    members = models.family("llama", tmp_path)
    mixture = merge(tmp_path, members, rank_of_expert=4)
    tokens = np.random.default_rng(5).integers(3, 60, 97)
    task = write_task(tmp_path / "data", "words", tokens)
    tunes = [folder for _, folder in members[1:]]
    flags = ["--inputs", *tunes] if known else []
    out = program.succeed("evaluate", mixture, "--task", task, "--oracle", "--json", *flags)
    report = json.loads(out)
    rows = {row["kind"]: row["tasks"]["words"]["value"] for row in report["rows"]}
    ids = np.lib.stride_tricks.sliding_window_view(tokens, 17)[::16]
    model = load(mixture, "llama")
    assert rows["model"] == pytest.approx(loss(model, ids), abs=1e-4)
    losses = []
    for index in range(3):
        with model.use_expert(index):
            losses.append(loss(model, ids))
    own = int(np.argmin([loss(tune, ids) for tune, _ in members[1:]] if known else losses))
    assert rows["oracle"] == pytest.approx(losses[own], abs=1e-4)
    (note,) = [note for note in report["notes"] if note.startswith("oracle")]
    assert f"'tune{own}'" in note and ("best input" in note) == known


def test_the_real_minilm(minilm, tmp_path):
    """Fine-tunes of a real encoder; the layers are wide enough for every kind of product."""
    folders = [tmp_path / name for name in ("base", "tune0", "tune1")]
    for seed, folder in enumerate(folders):
        model = transformers.AutoModel.from_pretrained(minilm)
        if seed:
            models.disturb(model, seed, 0.02)
        model.save_pretrained(folder)
    mixture = merge(tmp_path, [(None, folder) for folder in folders], rank_of_expert=16)
    ids = np.random.default_rng(1).integers(1000, 20000, (4, 64))
    expected = theirs(load(mixture, "bert"), ids, hidden=True)
    near(ours(mixture, tmp_path, ids, hidden=True), expected)
    base = theirs(transformers.AutoModel.from_pretrained(folders[0]), ids, hidden=True)
    assert np.abs(expected - base).max() > 0.1


@pytest.mark.parametrize("change, why", [
    (lambda t: t.pop("model.layers.0.mlp.up_proj.smile_in"), "up_proj.smile_in"),
    (lambda t: t.update({"model.layers.0.mlp.up_proj.smile_bias": np.zeros((3, 48), "f4")}),
     "up_proj.smile_bias"),
    (lambda t: t.update({"model.layers.1.mlp.up_proj.smile_router": np.zeros((5, 32), "f4")}),
     "up_proj.smile_router"),
])  # fmt: skip
def test_tensors_that_do_not_fit_are_named(change, why, tmp_path):
    from support import safetensors_file

    members = models.family("llama", tmp_path)
    mixture = merge(tmp_path, members, rank_of_expert=3)
    tensors = read_checkpoint(mixture)
    change(tensors)
    for file in mixture.glob("*.safetensors*"):
        file.unlink()
    safetensors_file.write(mixture / "model.safetensors", tensors, {"format": "pt"})
    safetensors.save_file({"ids": ids_of("llama")}, tmp_path / "in.safetensors")
    line = program.fail(
        "logits", mixture, "--input", tmp_path / "in.safetensors", "-o", tmp_path / "out.safetensors"
    )
    assert why in line and not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_generation_token_for_token(kind, tmp_path):
    """With the cache the layers see one token at a time."""
    mixture = merge(tmp_path, models.family(kind, tmp_path), rank_of_expert=4, num_experts_per_tok=2)
    model = load(mixture, kind)
    ids = ids_of(kind)[:1, :5]
    made = model.generate(
        torch.from_numpy(ids), max_new_tokens=12, min_new_tokens=12, do_sample=False
    )
    prompt = ",".join(map(str, ids[0]))
    out = program.succeed("generate", mixture, "--ids", prompt, "-n", 12, "--json")
    assert json.loads(out)["texts"][0]["new"] == made[0, 5:].tolist()
