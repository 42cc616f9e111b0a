"""SMILE checkpoints in transformers: the code that is written into them, against the formula in
f64."""

import json

import numpy as np
import pytest

from oracle import smile_models as models
from support import smile
from support.checkpoint import read_checkpoint

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


pytestmark = pytest.mark.usefixtures("remote_code")


def load(folder, auto="AutoModelForCausalLM", **options):
    """The model, if every tensor of the checkpoint went where it belongs."""
    model, info = getattr(transformers, auto).from_pretrained(
        folder,
        trust_remote_code=True,
        local_files_only=True,
        output_loading_info=True,
        **options,
    )
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not info[what], f"{what}: {info[what]}"
    return model.eval()


# The golden case: FusionBench's own numbers.


@pytest.fixture(params=[1, 2], ids=["top1", "top2"])
def golden(request, data, tmp_path):
    """The golden folder, its numbers, and the same checkpoint in our layout."""
    folder = data / f"smile_golden/llama/llama_float32_k4_g2_t{request.param}"
    if not folder.is_dir():
        pytest.skip(f"no golden SMILE data at {folder}")
    numbers = json.loads((folder / "golden.json").read_text())
    base = read_checkpoint(folder / "base")
    tunes = [read_checkpoint(folder / f"ft{i}") for i in range(3)]
    modules = [name for name in base if "_proj" in name]
    made = smile.upscale(base, tunes, [n.removesuffix(".weight") for n in modules], 4, 2)
    out = smile.write_layout(
        tmp_path / "smile", folder / "base", made, ["a", "b", "c"], request.param
    )
    return folder, numbers, out


def test_golden_logits_and_routes(golden):
    _, numbers, out = golden
    model = load(out)
    with torch.no_grad():
        logits = model(torch.tensor(numbers["input_ids"]), use_cache=False).logits.numpy()
        assert np.abs(logits - np.array(numbers["smile_logits"])).max() <= 3e-5
        layer = model.smile_layers[numbers["layer"]]
        x = torch.tensor(numbers["x"])
        assert np.abs(layer.router_logits(x).numpy() - numbers["router_logits"]).max() <= 3e-5
        assert layer.route(x)[0].tolist() == numbers["routes"]
        assert np.abs(layer(x).numpy() - numbers["y"]).max() <= 3e-5


def test_golden_base(golden):
    """Zero weights are the base."""
    _, numbers, out = golden
    model = load(out)
    ids = torch.tensor(numbers["input_ids"])
    with torch.no_grad(), model.use_weights([0.0, 0.0, 0.0]):
        logits = model(ids).logits.numpy()
    assert np.abs(logits - np.array(numbers["base_logits"])).max() <= 3e-5


# Every architecture, against the formula in f64.


NAMES = ["red", "green", "blue"]
# Of the largest output: two layers summed in f32; and in f64, where norms and softmax stay f32.
F32, F64 = 1e-4, 1e-6
FORMS = {1: (torch.float32, F32), 2: (torch.float64, F64)}


def near(got, expected, tolerance=F32):
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() <= tolerance * max(1.0, np.abs(expected).max())


def build(kind, folder, rank=3, router_rank=2, top=1, tunes=3, dense=(), skip=(), **options):
    """A family of this kind and its SMILE checkpoint: members, what was made, its folder."""
    from transformers.pytorch_utils import Conv1D

    given = {key: options.pop(key) for key in ("per_token",) if key in options}
    members = models.family(kind, folder, tunes=tunes, **options)
    base, tuned = models.tensors(members)
    layers = smile.linear_modules(members[0][0], base)
    names = [name for name in layers if name not in skip]
    turned = [name for name in names if isinstance(layers[name], Conv1D)]
    if callable(dense):
        dense = [name for name in names if dense(name)]
    if callable(rank):
        rank = {name: rank(name) for name in names}
    made = smile.upscale(
        base, tuned, names, rank, router_rank, dense=dense, transposed=turned, **given
    )
    out = smile.write_layout(folder / "smile", members[0][1], made, NAMES[:tunes], top)
    return members, made, out


@pytest.mark.parametrize("top", [1, 2])
@pytest.mark.parametrize("kind", models.KINDS)
def test_architecture(kind, top, tmp_path):
    members, made, out = build(kind, tmp_path, top=top)
    dtype, tolerance = FORMS[top]
    model = load(out, models.KINDS[kind][3], dtype=dtype)
    assert type(model).__name__ == "Smile" + models.KINDS[kind][0]
    assert model.smile_experts == NAMES and set(model.smile_layers) == set(made.modules)
    batch = models.inputs(kind)
    with model.count_routes() as routes:
        said = models.output(model, batch)
    plain, expected_routes = smile.reference(members[0][0], made, top)
    near(said, models.output(plain, batch), tolerance)
    assert {name: counts.tolist() for name, counts in routes.items()} == {
        name: counts.tolist() for name, counts in expected_routes.items()
    }
    # All experts are in use, or the comparison shows little.
    assert (routes.total() > 0).all()
    assert sum(routes.total()).item() % top == 0


def only_linear(members, names):
    """Makes the fine-tunes differ from the base in these layers' weights and biases alone."""
    (base, _), *tunes = members
    keep = {name + end for name in names for end in (".weight", ".bias")}
    for model, folder in tunes:
        state = base.state_dict() | {k: v for k, v in model.state_dict().items() if k in keep}
        model.load_state_dict(state)
        model.save_pretrained(folder)


@pytest.mark.parametrize("kind", ["qwen2", "gpt2", "bert classifier", "flan-t5", "clip"])
def test_full_rank_experts_are_the_fine_tunes(kind, tmp_path):
    """Where only linear layers were tuned, a forced expert of full rank is that fine-tune, biases
    too."""
    members = models.family(kind, tmp_path)
    names = list(smile.linear_modules(members[0][0], read_checkpoint(members[0][1])))
    only_linear(members, names)
    base, tunes = models.tensors(members)
    turned = names if kind == "gpt2" else ()
    made = smile.upscale(base, tunes, names, 1000, 2, transposed=turned)
    out = smile.write_layout(tmp_path / "smile", members[0][1], made, NAMES)
    model, batch = load(out, models.KINDS[kind][3]), models.inputs(kind)
    for index, (tune, _) in enumerate(members[1:]):
        expected = models.output(tune, batch)
        with model.use_expert(NAMES[index]):
            near(models.output(model, batch), expected)
        with model.use_expert(index), model.count_routes() as routes:
            near(models.output(model, batch), expected)
        assert routes.total()[index] == routes.total().sum() > 0
    with model.use_weights([0, 0, 0]):
        near(models.output(model, batch), models.output(members[0][0], batch))
    single = smile.upscale(base, tunes[1:2], names, 1000, 2, transposed=turned)
    assert not any("router" in name for name in single.tensors)
    out = smile.write_layout(tmp_path / "one", members[0][1], single, ["green"])
    near(
        models.output(load(out, models.KINDS[kind][3]), batch), models.output(members[2][0], batch)
    )


def test_weights_from_outside(tmp_path):
    members, made, out = build("qwen2", tmp_path)
    model, batch = load(out), models.inputs("qwen2")
    soft = [0.2, 0.5, 0.3]
    plain, _ = smile.reference(members[0][0], made, weights=soft)
    with model.use_weights(soft):
        near(models.output(model, batch), models.output(plain, batch))
    # A row for each sequence, and one for each token, are the sequences and tokens on their own.
    with torch.no_grad():
        alone = []
        for index in (2, 0):
            with model.use_expert(index):
                alone.append(model(**batch).logits)
        each = torch.eye(3)[[2, 0]]
        with model.use_weights(each):
            together = model(**batch).logits
            generated = model.generate(**batch, max_new_tokens=4, do_sample=False)
        assert torch.allclose(together[0], alone[0][0], atol=1e-5)
        assert torch.allclose(together[1], alone[1][1], atol=1e-5)
        assert generated.shape == (2, 13)
        with model.use_weights(each[:, None].expand(2, 9, 3)):
            assert torch.allclose(model(**batch).logits, together, atol=1e-5)
        free = model(**batch).logits
        with model.use_weights(torch.zeros(5, 3)), pytest.raises(ValueError, match="do not fit"):
            model(**batch)
        # Contexts end with what was before them.
        model.set_routing(expert="red")
        with model.use_expert("green"):
            pass
        assert model.smile_routing.expert == 0
        model.set_routing()
        assert torch.equal(model(**batch).logits, free)
    for wrong in ({"expert": "pink"}, {"expert": 3}, {"weights": [1.0, 0.0]}):
        with pytest.raises(ValueError):
            model.set_routing(**wrong)


def test_route_counts(tmp_path):
    _, made, out = build("flan-t5", tmp_path, top=2)
    model, batch = load(out, "AutoModelForSeq2SeqLM"), models.inputs("flan-t5")
    with model.count_routes() as outer, model.count_routes() as inner:
        models.output(model, batch)
    assert set(outer) == set(inner) and all(torch.equal(outer[k], inner[k]) for k in inner)
    models.output(model, batch)  # not counted
    assert set(outer) == set(made.modules) and outer.experts == NAMES
    encoder = outer["encoder.block.0.layer.0.SelfAttention.q"]
    decoder = outer["decoder.block.0.layer.0.SelfAttention.q"]
    cross = outer["decoder.block.0.layer.1.EncDecAttention.k"]
    assert encoder.sum() == cross.sum() == 2 * 9 * 2 and decoder.sum() == 2 * 5 * 2
    assert all(abs(float(share.sum()) - 1) < 1e-6 for share in outer.fractions().values())


@pytest.mark.parametrize("products", ["all", "grouped", "auto"])
@pytest.mark.parametrize("form", ["factors", "dense"])
def test_products(products, form, tmp_path):
    members, made, out = build(
        "qwen2", tmp_path, rank=4, top=2, dense=(lambda name: form == "dense")
    )
    model, batch = load(out), models.inputs("qwen2")
    model.smile_routing.products = products
    plain, _ = smile.reference(members[0][0], made, 2)
    near(models.output(model, batch), models.output(plain, batch))
    if products != "auto":
        layer = next(iter(model.smile_layers.values()))
        rows = torch.randn(3, 32)
        assert layer._groups(rows, layer.route(rows)[0]) == (products == "grouped")


def mixed_ranks(name):
    return [0, 5, 2] if "q_proj" in name else [3, 0, 0] if "mlp" in name else [4, 4, 1]


def test_layers_may_differ(tmp_path):
    """Ranks by layer and expert, dense layers, experts per token by layer, layers left alone."""
    members, made, out = build(
        "llama",
        tmp_path,
        rank=mixed_ranks,
        dense=lambda name: "o_proj" in name,
        skip=["model.layers.1.mlp.up_proj"],
        per_token={"model.layers.0.self_attn.v_proj": 3, "model.layers.1.self_attn.o_proj": 2},
    )
    model, batch = load(out), models.inputs("llama")
    plain, routes = smile.reference(members[0][0], made)
    with model.count_routes() as counts:
        near(models.output(model, batch), models.output(plain, batch))
    assert counts["model.layers.0.self_attn.v_proj"].tolist() == [18, 18, 18]
    assert counts["model.layers.1.self_attn.o_proj"].sum() == 36
    assert {k: v.tolist() for k, v in counts.items()} == {k: v.tolist() for k, v in routes.items()}


def test_biases_without_factors(tmp_path):
    """Ranks of 0 everywhere: neither smile_in nor smile_out, biases still routed."""
    members, made, out = build("qwen2", tmp_path, rank=0)
    assert not any(name.endswith(("smile_in", "smile_out")) for name in made.tensors)
    plain, _ = smile.reference(members[0][0], made)
    batch = models.inputs("qwen2")
    near(models.output(load(out), batch), models.output(plain, batch))


def test_experts_per_token(tmp_path):
    members, made, out = build("qwen2", tmp_path, per_token={"model.layers.0.mlp.up_proj": 3})
    model, batch = load(out), models.inputs("qwen2")
    model.set_experts_per_token(2)
    for spec in made.modules.values():
        spec.pop("num_experts_per_tok", None)
    plain, _ = smile.reference(members[0][0], made, 2)
    near(models.output(model, batch), models.output(plain, batch))
    model.save_pretrained(tmp_path / "again")
    again = load(tmp_path / "again")
    assert np.array_equal(models.output(again, batch), models.output(model, batch))
    with pytest.raises(ValueError, match="4 experts"):
        model.set_experts_per_token(4)


# Names.


def rewrite(folder, change):
    """The checkpoint with other tensor names, and its config with the same change."""
    from support import safetensors_file

    renamed = {change(k): v for k, v in read_checkpoint(folder).items()}
    safetensors_file.write(folder / "model.safetensors", renamed, {"format": "pt"})


@pytest.mark.parametrize(
    "kind, change",
    [
        ("gpt2", lambda name: name.removeprefix("transformer.")),
        ("clip vision", lambda name: "vision_model." + name.removeprefix("vision_model.")),
        ("clip text", lambda name: "text_model." + name.removeprefix("text_model.")),
        ("bert", lambda name: "bert." + name),
    ],
)
def test_names_of_other_checkpoints(kind, change, tmp_path):
    """Checkpoints on the hub lack the base model's prefix, or have another: modules follow."""
    from transformers.pytorch_utils import Conv1D

    members = models.family(kind, tmp_path)
    for _, folder in members:
        rewrite(folder, change)
    base, tunes = models.tensors(members)
    layers = smile.linear_modules(members[0][0], base)
    turned = [name for name in layers if isinstance(layers[name], Conv1D)]
    made = smile.upscale(base, tunes, list(layers), 3, 2, transposed=turned)
    out = smile.write_layout(tmp_path / "smile", members[0][1], made, NAMES)
    model = load(out, models.KINDS[kind][3])
    assert set(model.smile_layers) == set(made.modules)
    plain, _ = smile.reference(members[0][0], made)
    batch = models.inputs(kind)
    near(models.output(model, batch), models.output(plain, batch))
    model.save_pretrained(tmp_path / "again")
    again = load(tmp_path / "again", models.KINDS[kind][3])
    assert np.array_equal(models.output(again, batch), models.output(model, batch))


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert masked", "vit", "flan-t5"])
def test_backbone(kind, tmp_path):
    """AutoModel gives the model without its head, with all experts of the rest, as for the base."""
    members, _, out = build(kind, tmp_path)
    whole = load(out, models.KINDS[kind][3])
    options = {"trust_remote_code": True, "local_files_only": True}
    backbone, info = transformers.AutoModel.from_pretrained(
        out, output_loading_info=True, **options
    )
    plain, expected = transformers.AutoModel.from_pretrained(
        members[0][1], output_loading_info=True, local_files_only=True
    )
    assert type(backbone).__name__ == "Smile" + type(plain).__name__
    assert info["missing_keys"] == expected["missing_keys"]
    extra = {key for key in info["unexpected_keys"] if ".smile_" not in key}
    assert extra == expected["unexpected_keys"]
    heads = set(whole.smile_layers) - set(backbone.smile_layers)
    assert {key.rsplit(".", 1)[0] for key in info["unexpected_keys"] - extra} == heads
    batch = models.inputs(kind)
    with torch.no_grad():
        rest = getattr(whole, whole.base_model_prefix, None) or whole
        expected = rest(**batch, output_hidden_states=True)
        got = backbone(**batch, output_hidden_states=True)
    for key in ("hidden_states", "encoder_hidden_states"):
        if key in expected:
            assert all(torch.equal(a, b) for a, b in zip(got[key], expected[key]))
    backbone.save_pretrained(tmp_path / "again")
    again = transformers.AutoModel.from_pretrained(tmp_path / "again", **options)
    assert np.array_equal(models.output(again, batch), models.output(backbone, batch))


# Living with transformers.


@pytest.mark.parametrize("kind", models.LANGUAGE + ["flan-t5"])
def test_generation_with_a_cache_is_that_without(kind, tmp_path):
    _, _, out = build(kind, tmp_path, top=2)
    model = load(out, models.KINDS[kind][3])
    ids = models.inputs(kind)["input_ids"]
    said = [
        model.generate(ids, max_new_tokens=12, min_new_tokens=12, do_sample=False, use_cache=cache)
        for cache in (True, False)
    ]
    assert torch.equal(*said) and said[0].shape[1] >= 12
    if kind == "llama":
        model.generate(ids, max_new_tokens=3, num_beams=2)


@pytest.mark.parametrize("kind", models.LANGUAGE + ["flan-t5"])
def test_bfloat16(kind, tmp_path):
    """Routes may differ from those in f64 where two experts are near; most of the output does
    not."""
    _, _, out = build(kind, tmp_path, dtype=torch.bfloat16)
    auto = models.KINDS[kind][3]
    model = load(out, auto)
    assert {p.dtype for p in model.parameters()} <= {torch.bfloat16}
    ids = models.inputs(kind)["input_ids"]
    assert model.generate(ids, max_new_tokens=5, do_sample=False).dim() == 2
    wide = load(out, auto, dtype=torch.float32)
    assert {p.dtype for p in wide.parameters()} == {torch.float32}
    a, b = models.output(model, models.inputs(kind)), models.output(wide, models.inputs(kind))
    assert np.median(np.abs(a - b)) <= 0.05 * np.abs(b).max() and np.isfinite(a).all()


@pytest.mark.parametrize("kind", ["llama", "gemma2", "gpt2", "clip", "bert classifier", "vit"])
def test_saved_again(kind, tmp_path):
    _, made, out = build(kind, tmp_path)
    auto = models.KINDS[kind][3]
    model = load(out, auto)
    model.save_pretrained(tmp_path / "again")
    tensors, first = read_checkpoint(tmp_path / "again"), read_checkpoint(out)
    assert set(tensors) == set(first)
    assert all(np.array_equal(tensors[name], first[name]) for name in first)
    for file in smile.FILES:
        assert (tmp_path / "again" / file).read_bytes() == (smile.CODE / file).read_bytes()
    config = json.loads((tmp_path / "again/config.json").read_text())
    wrote = json.loads((out / "config.json").read_text())
    for key in ("model_type", "architectures", "smile"):
        assert config[key] == wrote[key]
    assert set(config["auto_map"]) == set(wrote["auto_map"])
    again = load(tmp_path / "again", auto)
    batch = models.inputs(kind)
    assert np.array_equal(models.output(again, batch), models.output(model, batch))


def test_copies_and_pickles(tmp_path):
    import copy
    import pickle

    _, _, out = build("llama", tmp_path)
    model, batch = load(out), models.inputs("llama")
    expected = models.output(model, batch)
    torch.save(model, tmp_path / "model.pt")
    loaded = torch.load(tmp_path / "model.pt", weights_only=False)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), loaded):
        assert type(other) is type(model)
        with other.use_weights([0, 0, 0]):
            assert not np.array_equal(models.output(other, batch), expected)
        assert np.array_equal(models.output(other, batch), expected)
        # One routing object in a copy, and none shared with the model that it was copied from.
        layers = other.smile_layers.values()
        assert {id(layer.smile_routing) for layer in layers} == {id(other.smile_routing)}
        assert other.smile_routing is not model.smile_routing
    config = pickle.loads(pickle.dumps(model.config))
    assert type(config) is type(model.config) and config.smile == model.config.smile


def test_from_config_and_state_dict(tmp_path):
    _, _, out = build("llama", tmp_path)
    model = load(out)
    config = transformers.AutoConfig.from_pretrained(out, trust_remote_code=True)
    assert type(config).__name__ == "SmileLlamaConfig" and config.num_attention_heads == 4
    fresh = transformers.AutoModelForCausalLM.from_config(config, trust_remote_code=True)
    fresh.load_state_dict(model.state_dict())
    batch = models.inputs("llama")
    near(models.output(fresh.eval(), batch), models.output(model, batch))
    direct = type(model).from_pretrained(out)
    assert np.array_equal(models.output(direct, batch), models.output(model, batch))
    near(models.output(load(out, device_map="cpu"), batch), models.output(model, batch))
    eager = load(out, attn_implementation="eager")
    near(models.output(eager, batch), models.output(model, batch))


@pytest.mark.parametrize("kind", ["llama", "gemma2"])
def test_head_with_experts(kind, tmp_path):
    """A head may have experts even where its weight is the embedding's."""
    members, made, _ = build(kind, tmp_path)
    base, tunes = models.tensors(members)
    if kind == "gemma2":
        assert "lm_head.weight" not in base
        for one in (base, *tunes):
            one["lm_head.weight"] = one["model.embed_tokens.weight"]
        head = smile.upscale(base, tunes, ["lm_head"], 3, 2)
        del head.tensors["lm_head.weight"]
        made = smile.Smile({**made.tensors, **head.tensors}, {**made.modules, **head.modules})
    out = smile.write_layout(tmp_path / "head", members[0][1], made, NAMES)
    model = load(out)
    tied = model.lm_head.weight is model.model.embed_tokens.weight
    assert tied == (kind == "gemma2") and "lm_head" in model.smile_layers
    x = np.random.default_rng(0).standard_normal((7, 32))
    name, spec = "lm_head", made.modules["lm_head"]
    weights = smile.route(made.tensors, name, spec, x, 1)
    expected = x @ model.lm_head.weight.detach().double().numpy().T
    for i in range(3):
        expected += weights[:, i : i + 1] * (x @ smile.expert(made.tensors, name, spec, i)[0].T)
    with torch.no_grad():
        near(model.lm_head(torch.tensor(x, dtype=torch.float32)).numpy(), expected)
    model.resize_token_embeddings(64)
    with pytest.raises(ValueError, match="head has experts"):
        model.resize_token_embeddings(70)


def test_gradients_reach_experts_and_routers(tmp_path):
    _, _, out = build("qwen2", tmp_path, rank=4, top=2)
    gradients = []
    for products in ("all", "grouped"):
        model = load(out)
        model.smile_routing.products = products
        ids = models.inputs("qwen2")["input_ids"]
        model(ids, labels=ids).loss.backward()
        found = {name: p.grad for name, p in model.named_parameters()}
        assert all(grad is not None and grad.isfinite().all() for grad in found.values())
        assert all(found[name].abs().max() > 0 for name in found if ".smile_" in name)
        gradients.append(found)
    for name, grad in gradients[0].items():
        assert torch.allclose(grad, gradients[1][name], atol=1e-4), name


def test_tokenizers_are_the_base_s(tmp_path):
    """Where files do not name a class, transformers goes by the configuration: ours counts as the
    base's."""
    members, _, out = build("bert", tmp_path)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##able", "a", "b"]
    for folder in (members[0][1], out):
        (folder / "vocab.txt").write_text("\n".join(words) + "\n")
        (folder / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    base = transformers.AutoTokenizer.from_pretrained(members[0][1])
    ours = transformers.AutoTokenizer.from_pretrained(out, trust_remote_code=True)
    assert type(base) is type(ours)
    assert ours("Unable a").input_ids == base("Unable a").input_ids == [2, 5, 6, 7, 3]


# Refusals.


def test_without_trust_nothing_is_loaded(tmp_path, monkeypatch):
    _, _, out = build("llama", tmp_path)
    monkeypatch.setattr(transformers.dynamic_module_utils, "TIME_OUT_REMOTE_CODE", 0)
    for auto in ("AutoConfig", "AutoModel", "AutoModelForCausalLM"):
        for trust in ({}, {"trust_remote_code": False}):
            with pytest.raises(ValueError, match="trust_remote_code|smile_llama"):
                getattr(transformers, auto).from_pretrained(out, **trust)


def edit(out, change):
    config = json.loads((out / "config.json").read_text())
    change(config)
    (out / "config.json").write_text(json.dumps(config))


WRONG = {
    "a layer that is not there": (
        lambda c: c["smile"]["modules"].update({"model.layers.7.mlp.up_proj": spec_of(c)}),
        "model.layers.7",
    ),
    "no linear layer": (
        lambda c: c["smile"]["modules"].update({"model.norm": spec_of(c)}),
        "not a linear layer",
    ),
    "another version": (lambda c: c["smile"].update(version=2), "layout 2"),
    "an unknown base": (lambda c: c["smile"].update(base_model_type="foo"), "foo"),
    "too many per token": (lambda c: c["smile"].update(num_experts_per_tok=4), "4 experts"),
    "other ranks": (lambda c: spec_of(c).update(ranks=[3, 3, 4]), "mismatch"),
    "tensors that are not there": (lambda c: spec_of(c).update(bias=True), "smile_bias"),
}


def spec_of(config):
    return config["smile"]["modules"]["model.layers.0.mlp.up_proj"]


@pytest.mark.parametrize("name", WRONG)
def test_refused(name, tmp_path):
    _, _, out = build("llama", tmp_path)
    change, why = WRONG[name]
    edit(out, change)
    with pytest.raises((ValueError, TypeError, RuntimeError, ImportError), match=why):
        load(out)


def test_quantised_while_loading_is_refused(tmp_path):
    """The quantiser would replace our layers by its own, and lose the experts with them."""
    _, _, out = build("llama", tmp_path)
    config = transformers.AutoConfig.from_pretrained(out, trust_remote_code=True)
    config.quantization_config = {"quant_method": "any"}
    with pytest.raises(ValueError, match="quantised"):
        transformers.AutoModelForCausalLM.from_config(config, trust_remote_code=True)


def test_auto_map_names_the_classes_that_load_it():
    """The rule, by the end of the class's name, against the tables of transformers itself."""
    from transformers.models.auto import modeling_auto

    ours = smile.configuration()
    for name in dir(modeling_auto):
        auto = getattr(modeling_auto, name)
        mapping = getattr(auto, "_model_mapping", None)
        if mapping is None or name not in sum(ours.AUTO_CLASSES.values(), []):
            continue
        classes = [c for c in mapping._model_mapping.values() if isinstance(c, str)]
        fit = [c for c in classes if name in ours.auto_map(c)]
        # Some names do not tell: most of the table of pre-training are classes of other tables.
        rest = {"AutoModelForPreTraining": 0.1, "AutoModelForZeroShotImageClassification": 0.3}
        least = rest.get(name, 0.6)
        assert len(fit) >= least * len(classes), (name, set(classes) - set(fit))
    for cls, _, _, auto in models.KINDS.values():
        made = ours.auto_map(cls)
        assert auto in made and made["AutoModel"] == "modeling_smile.SmileModel"


def test_the_page_states_the_rule():
    """Programs in other languages follow the table of the README."""
    rows = {}
    for line in (smile.CODE / "README.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 2 and cells[1].startswith("`AutoModel"):
            rows[cells[0].strip("`")] = [word.strip(" `") for word in cells[1].split(",")]
    assert list(rows.items()) == list(smile.configuration().AUTO_CLASSES.items())
