"""SMILE: the experts of each layer, against NumPy's decompositions in f64."""

import json
import shutil

import numpy as np
import pytest
import yaml

from e2e.test_adapters import factors, write_adapter
from support import checkpoint, program
from support.recipe import models, write_recipe
from support.unfinished import hidden, snapshot

LINEARS = [
    *(f"self_attn.{name}_proj" for name in "qkvo"),
    *(f"mlp.{name}_proj" for name in ("gate", "up", "down")),
]
HIDDEN = 16


@pytest.fixture
def made(tmp_path, merge):
    """made(base, tunes, **parameters): the folder, its tensors, and "smile" of its config."""

    def run(base, tunes, *flags, out="out", **parameters):
        recipe = {
            "merge_method": "smile",
            "base_model": str(base),
            "models": models(*tunes),
            "parameters": parameters,
        }
        folder = merge(recipe, *flags, out=out)
        config = json.loads((folder / "config.json").read_text())
        return folder, checkpoint.read_checkpoint(folder), config

    return run


@pytest.fixture
def three(llamas):
    return llamas(hidden=HIDDEN, layers=2)


@pytest.fixture
def refuse(tmp_path):
    """refuse(recipe) must fail before anything is written; returns the error line."""

    def run(base, tunes, *flags, **parameters):
        recipe = {"merge_method": "smile", "models": models(*tunes), "parameters": parameters}
        if base is not None:
            recipe["base_model"] = str(base)
        path = write_recipe(tmp_path / "r.yml", recipe)
        before = sorted(tmp_path.iterdir())
        line = program.fail("merge", path, tmp_path / "out", *flags)
        assert sorted(tmp_path.iterdir()) == before, "something was left behind"
        return line

    return run


def modules(tensors):
    return [
        f"model.layers.{layer}.{name}"
        for layer in range(2)
        for name in LINEARS
        if f"model.layers.{layer}.{name}.weight" in tensors
    ]


def differences(base, tunes):
    """Module -> [difference of each fine-tune], f64 of what is stored."""
    before = {k: v.astype(np.float64) for k, v in checkpoint.read_checkpoint(base).items()}
    after = [checkpoint.read_checkpoint(tune) for tune in tunes]
    return {
        name: [tune[name + ".weight"].astype(np.float64) - before[name + ".weight"] for tune in after]
        for name in modules(before)
    }


def cut(delta, rank):
    u, s, vt = np.linalg.svd(delta, full_matrices=False)
    return (u[:, :rank] * s[:rank]) @ vt[:rank], vt


def experts_of(tensors, config, name):
    """[(product, router rows)] of one module, out of the stacked tensors."""
    told = config["smile"]["modules"][name]
    ends = np.cumsum([0, *told["ranks"]])
    rows = told["router_rank"]
    inside = tensors[name + ".smile_in"].astype(np.float64)
    outside = tensors[name + ".smile_out"].astype(np.float64)
    router = tensors[name + ".smile_router"].astype(np.float64)
    return [
        (outside[a:b].T @ inside[a:b], router[e * rows : (e + 1) * rows])
        for e, (a, b) in enumerate(zip(ends, ends[1:]))
    ]


# A product of two factors that are rounded to f32 or bf16, relative to the largest singular value;
# the difference itself is exact in f32 only where the two weights lie within a factor of two.
TOLERANCE = {np.dtype(np.float32): 2e-6, checkpoint.BF16: 8e-3}


@pytest.mark.parametrize("dtype", [np.float32, checkpoint.BF16])
def test_experts_are_the_truncated_differences(made, llamas, dtype):
    base, *tunes = llamas(hidden=HIDDEN, layers=2, dtype=dtype)
    _, tensors, config = made(base, tunes, rank_of_expert=5, rank_of_router=3, svd_tolerance=0)
    assert config["smile"]["num_experts"] == 2 and config["smile"]["num_experts_per_tok"] == 1
    assert config["smile"]["experts"] == ["tune1", "tune2"]
    assert config["model_type"] == "smile_llama"
    assert config["architectures"] == ["SmileLlamaForCausalLM"]
    before = checkpoint.read_checkpoint(base)
    deltas = differences(base, tunes)
    assert set(config["smile"]["modules"]) == set(deltas) and len(deltas) == 14
    kinds = ("smile_router", "smile_in", "smile_out")
    assert set(tensors) == set(before) | {f"{name}.{kind}" for name in deltas for kind in kinds}
    for name, array in before.items():
        assert array.tobytes() == tensors[name].tobytes() and array.dtype == tensors[name].dtype
    bound = TOLERANCE[np.dtype(dtype)]
    for name, of_tunes in deltas.items():
        told = config["smile"]["modules"][name]
        assert told == {"router_rank": 3, "ranks": [5, 5], "bias": False, "dense": False}
        for delta, (product, router) in zip(of_tunes, experts_of(tensors, config, name)):
            expected, vt = cut(delta, 5)
            scale = np.linalg.norm(delta, 2)
            assert np.abs(product - expected).max() <= bound * scale, name
            # The projector: no matter which signs the vectors have.
            assert np.abs(router.T @ router - vt[:3].T @ vt[:3]).max() <= 100 * bound, name


def test_fusion_bench_layout(made, three):
    base, *tunes = three
    folder, tensors, config = made(
        base, tunes, rank_of_expert=4, rank_of_router=2, layout="fusion_bench", num_experts_per_tok=2
    )
    before = checkpoint.read_checkpoint(base)
    deltas = differences(base, tunes)
    wanted = {k: v for k, v in before.items() if k.removesuffix(".weight") not in deltas}
    for name in deltas:
        wanted[name + ".shared_linear.weight"] = before[name + ".weight"]
        assert tensors[name + ".gate.weight"].shape == (4, deltas[name][0].shape[1])
        for e, delta in enumerate(deltas[name]):
            u, svh = (tensors[f"{name}.experts.{e}.{part}"] for part in ("u", "svh"))
            assert u.shape == (delta.shape[0], 4) and svh.shape == (4, delta.shape[1])
            expected, _ = cut(delta, 4)
            assert np.abs(u @ svh - expected).max() <= 1e-3 * np.linalg.norm(delta)
    assert all(np.array_equal(tensors[k], v) for k, v in wanted.items())
    assert len(tensors) == len(wanted) + 14 * 5
    assert {k: config[k] for k in ("model_type", "num_experts_per_tok", "rank_of_router",
                                   "rank_of_expert", "num_local_experts")} == {
        "model_type": "smile_llama", "num_experts_per_tok": 2, "rank_of_router": 2,
        "rank_of_expert": 4, "num_local_experts": 2}  # fmt: skip
    assert not (folder / "modeling_smile.py").exists() and "auto_map" not in config


def test_fusion_bench_has_one_rank_by_budget_or_energy(made, llamas):
    base, *tunes = llamas(hidden=HIDDEN, layers=2, num_key_value_heads=1)
    before = checkpoint.read_checkpoint(base)
    deltas = differences(base, tunes)
    least = min(min(d[0].shape) for d in deltas.values())

    def made_with(**parameters):
        _, tensors, config = made(base, tunes, rank_of_router=2, layout="fusion_bench", **parameters)
        return tensors, config["rank_of_expert"]

    # One triple more of every expert would be beyond the budget.
    tensors, rank = made_with(parameter_budget=1.6)
    triple = 2 * sum(sum(d[0].shape) for d in deltas.values())
    assert 1 < rank < least and size(tensors) <= 1.6 * size(before) < size(tensors) + triple
    tensors, rank = made_with(parameter_budget=9)
    assert rank == least
    # What a narrow layer does not have is zeros; what it has is exact.
    tensors, rank = made_with(energy=0.999, pad=True)
    assert rank > least
    needed = 0
    for name, of_tunes in deltas.items():
        for e, delta in enumerate(of_tunes):
            squares = np.cumsum(np.linalg.svd(delta, compute_uv=False) ** 2)
            needed = max(needed, int(np.searchsorted(squares, 0.999 * squares[-1])) + 1)
            u, svh = (tensors[f"{name}.experts.{e}.{part}"] for part in ("u", "svh"))
            assert u.shape == (delta.shape[0], rank) and svh.shape == (rank, delta.shape[1])
            assert not u[:, min(delta.shape) :].any() and not svh[min(delta.shape) :].any()
            expected, _ = cut(delta, rank)
            assert np.abs(u @ svh - expected).max() <= 1e-3 * np.linalg.norm(delta)
    assert rank == needed
    tensors, rank = made_with(rank_of_expert=least + 3, pad=True)
    assert rank == least + 3


def test_the_code_goes_along(made, three):
    folder, _, config = made(three[0], three[1:])
    for name in ("modeling_smile.py", "configuration_smile.py"):
        source = program.REPOSITORY / "src/smile/remote_code" / name
        assert (folder / name).read_bytes() == source.read_bytes()
    assert config["auto_map"] == {
        "AutoConfig": "configuration_smile.SmileConfig",
        "AutoModel": "modeling_smile.SmileModel",
        "AutoModelForCausalLM": "modeling_smile.SmileLlamaForCausalLM",
    }
    recorded = json.loads((folder / "merganser_provenance.json").read_text())
    assert "modeling_smile.py" in recorded["files"]


def size(tensors):
    return sum(array.size for array in tensors.values())


@pytest.mark.parametrize("by", ["squared_error", "relative_error"])
def test_a_budget_goes_where_the_singular_values_are(made, tmp_path, by):
    """Of all ranks within the budget these leave the least: greedily by square and cost, as a list of
    all triples sorted by it says."""
    base = checkpoint.llama(tmp_path / "base", hidden=HIDDEN)
    tunes = []
    for seed in (1, 2):
        tensors = checkpoint.read_checkpoint(base)
        generator = np.random.default_rng(seed)
        for i, name in enumerate(modules(tensors)):  # spectra of very different sizes and slopes
            shape = tensors[name + ".weight"].shape
            u, s, vt = np.linalg.svd(generator.standard_normal(shape), full_matrices=False)
            s = 0.2 * seed**2 * (1 + i % 3) * np.exp(-np.arange(len(s)) / (1 + i))
            tensors[name + ".weight"] = tensors[name + ".weight"] + ((u * s) @ vt).astype(np.float32)
        config = json.loads((base / "config.json").read_text())
        tunes.append(checkpoint.write_checkpoint(tmp_path / f"tune{seed}", config, tensors))
    _, tensors, config = made(base, tunes, parameter_budget=1.6, budget_by=by, rank_of_router=2)
    before = checkpoint.read_checkpoint(base)
    deltas = differences(base, tunes)
    room = int(1.6 * size(before)) - size(before) - sum(4 * d[0].shape[1] for d in deltas.values())
    triples = []  # -square / cost, cost, module, expert
    relative = by == "relative_error"
    scale = [sum((d[e] ** 2).sum() for d in deltas.values()) if relative else 1 for e in (0, 1)]
    for name, of_tunes in deltas.items():
        for e, delta in enumerate(of_tunes):
            cost = sum(delta.shape)
            for s in np.linalg.svd(delta, compute_uv=False):
                triples.append((-(s**2) / scale[e] / cost, cost, name, e))
    expected = {name: [0, 0] for name in deltas}
    for _, cost, name, e in sorted(triples):
        if cost <= room:
            room -= cost
            expected[name][e] += 1
    found = {name: told["ranks"] for name, told in config["smile"]["modules"].items()}
    assert found == expected
    assert len({tuple(ranks) for ranks in found.values()}) > 3
    assert 1.55 < size(tensors) / size(before) <= 1.6


def test_energy(made, three):
    base, *tunes = three
    filtered = [{"filter": "mlp", "value": 0.9}, {"value": 0.5}]
    _, tensors, config = made(base, tunes, energy=filtered, svd_tolerance=0)
    dense_ones = 0
    for name, of_tunes in differences(base, tunes).items():
        share, told = 0.9 if "mlp" in name else 0.5, config["smile"]["modules"][name]
        needed = []
        for delta in of_tunes:
            squares = np.linalg.svd(delta, compute_uv=False) ** 2
            needed.append(int(np.searchsorted(np.cumsum(squares), share * squares.sum())) + 1)
        # Whole differences where they are smaller than the factors.
        m, n = of_tunes[0].shape
        dense = sum(needed) * (m + n) > 2 * m * n
        assert told["dense"] == dense and told["ranks"] == ([0, 0] if dense else needed)
        dense_ones += dense
    assert 0 < dense_ones < 14


def test_ranks_by_layer_and_module(made, three):
    base, *tunes = three
    _, tensors, config = made(
        base,
        tunes,
        rank_of_expert=[{"filter": "q_proj", "value": -1}, {"value": [2, 6]}],
        rank_of_router=[{"filter": "down_proj", "value": 5}, {"value": 100}],
        num_experts_per_tok=[{"filter": "mlp", "value": 2}, {"value": 1}],
        upscale=[{"filter": "v_proj", "value": False}, {"filter": "lm_head", "value": True},
                 {"filter": "layers", "value": True}, {"value": False}],
    )  # fmt: skip
    told = config["smile"]["modules"]
    assert "lm_head" in told and not any("v_proj" in name for name in told)
    assert len(told) == 2 * 6 + 1
    assert told["model.layers.0.mlp.up_proj"]["ranks"] == [2, 2]
    assert told["model.layers.1.mlp.up_proj"]["ranks"] == [6, 6]
    assert told["model.layers.1.mlp.down_proj"]["router_rank"] == 5
    assert told["model.layers.1.mlp.up_proj"]["router_rank"] == HIDDEN  # of min(32, 16)
    per_token = config["smile"]["num_experts_per_tok"]
    for name, entry in told.items():
        assert entry.get("num_experts_per_tok", per_token) == (2 if "mlp" in name else 1)
    name = "model.layers.0.self_attn.q_proj"
    assert told[name]["dense"] and told[name]["ranks"] == [0, 0]
    deltas = differences(base, tunes)[name]
    for dense, delta in zip(tensors[name + ".smile_dense"], deltas):
        assert np.array_equal(dense, delta.astype(np.float32))


def test_weights_that_lie_the_other_way_round(made, tmp_path):
    """GPT-2's are [in, out]; the experts' tensors are not."""
    shapes = {"wte.weight": (20, 8), "wpe.weight": (16, 8), "ln_f.weight": (8,), "ln_f.bias": (8,)}
    for layer in range(2):
        for name, shape in {"attn.c_attn": (8, 24), "attn.c_proj": (8, 8),
                            "mlp.c_fc": (8, 32), "mlp.c_proj": (32, 8)}.items():  # fmt: skip
            shapes[f"h.{layer}.{name}.weight"] = shape
            shapes[f"h.{layer}.{name}.bias"] = shape[1:]
    config = {"model_type": "gpt2", "architectures": ["GPT2Model"], "n_layer": 2, "n_embd": 8,
              "n_head": 2, "vocab_size": 20, "n_positions": 16}  # fmt: skip
    tensors = checkpoint.random_tensors(shapes, 0)
    base = checkpoint.write_checkpoint(tmp_path / "base", config, tensors)
    after = [checkpoint.near(tensors, seed) for seed in (1, 2)]
    tunes = [checkpoint.write_checkpoint(tmp_path / f"t{i}", config, t) for i, t in enumerate(after)]
    for dense in (False, True):
        _, found, told = made(base, tunes, rank_of_expert=-1 if dense else 3, svd_tolerance=0)
        for name, entry in told["smile"]["modules"].items():
            assert entry["bias"]
            for e, tune in enumerate(after):
                delta = (tune[name + ".weight"].astype(np.float64) - tensors[name + ".weight"]).T
                if dense:
                    expected, product = delta, found[name + ".smile_dense"][e]
                else:
                    expected = cut(delta, 3)[0]
                    product = experts_of(found, told, name)[e][0]
                assert np.abs(product - expected).max() <= 1e-5 * np.linalg.norm(delta, 2)
                bias = tune[name + ".bias"] - tensors[name + ".bias"]
                assert np.array_equal(found[name + ".smile_bias"][e], bias)
        assert len(told["smile"]["modules"]) == 8


def adapted(tmp_path, base, seeds=(1, 2)):
    return [f"{base}+{write_adapter(tmp_path / f'a{seed}', factors(seed))}" for seed in seeds]


def test_adapters_are_never_multiplied_out(made, tmp_path):
    """The experts of base+adapter are those of its product, to the last f32 bits of f64 arithmetic; the
    base's weights are read once, and the models with the adapters not at all."""
    base = checkpoint.llama(tmp_path / "base")
    folder, tensors, config = made(base, adapted(tmp_path, base), rank_of_expert=4, rank_of_router=2)
    of_adapters = [factors(seed) for seed in (1, 2)]
    seen = set()
    for name, told in config["smile"]["modules"].items():
        for e, (product, router) in enumerate(experts_of(tensors, config, name)):
            stem = f"base_model.model.{name}.lora_"
            if stem + "A.weight" not in of_adapters[e]:
                assert not product.any() and not router.any()
                continue
            seen.add(name)
            a, b = (of_adapters[e][f"{stem}{f}.weight"].astype(np.float64) for f in "AB")
            delta = 1.5 * b @ a
            assert np.abs(product - delta).max() <= 1e-6 * np.linalg.norm(delta, 2)
            expected = cut(delta, 2)[1][:2]
            assert np.abs(router.T @ router - expected.T @ expected).max() <= 1e-5
    assert len(seen) == 6
    weights = sum(array.nbytes for array in checkpoint.read_checkpoint(base).values())
    report = json.loads(program.succeed("merge", tmp_path / "out.yml", tmp_path / "again", "--json"))
    assert report["bytes_read"] == weights


def test_layers_that_only_some_change(made, three, tmp_path):
    base, first, second = three
    tensors = checkpoint.read_checkpoint(second)
    before = checkpoint.read_checkpoint(base)
    name, other = "model.layers.0.self_attn.q_proj", "model.layers.1.mlp.up_proj"
    tensors[name + ".weight"] = before[name + ".weight"]
    config = json.loads((base / "config.json").read_text())
    changed = checkpoint.write_checkpoint(tmp_path / "changed", config, tensors)
    for unchanged, rows in (("zeros", np.zeros((3, HIDDEN))), ("unit_vectors", np.eye(3, HIDDEN))):
        _, found, told = made(base, [first, changed], rank_of_router=3, unchanged=unchanged)
        product, router = experts_of(found, told, name)[1]
        assert not product.any() and np.array_equal(router, rows)
        assert all(product.any() for product, _ in experts_of(found, told, other))


def test_a_layer_that_nobody_changes(made, three, tmp_path):
    base = three[0]
    copies = [shutil.copytree(base, tmp_path / f"copy{i}") for i in (1, 2)]
    for layout in ("transformers", "fusion_bench"):
        _, tensors, _ = made(base, copies, rank_of_expert=2, layout=layout)
        for name, array in tensors.items():
            parts = (".u", ".svh", ".gate.weight", "smile_in", "smile_out", "smile_router")
            assert name.endswith(parts) != bool(array.any()), name


def test_routing_by_the_weight(made, three):
    base, *tunes = three
    _, tensors, config = made(base, tunes, rank_of_router=3, routing="weight", svd_tolerance=0)
    for name, of_tunes in differences(base, tunes).items():
        for e, tune in enumerate(tunes):
            weight = checkpoint.read_checkpoint(tune)[name + ".weight"].astype(np.float64)
            _, vt = cut(weight, 3)
            product, router = experts_of(tensors, config, name)[e]
            assert np.abs(router.T @ router - vt[:3].T @ vt[:3]).max() <= 1e-4
            assert np.abs(product - of_tunes[e]).max() <= 2e-6 * np.linalg.norm(of_tunes[e], 2)


def test_rest(made, three, refuse, tmp_path):
    base, *tunes = three
    before, *after = [checkpoint.read_checkpoint(folder) for folder in three]
    mean = {k: np.mean([t[k].astype(np.float64) for t in after], axis=0) for k in before}
    for parameters in ({"rest": "average"}, {"average_experts": True}):
        _, tensors, config = made(base, tunes, **parameters)
        for name in set(before) - {m + ".weight" for m in config["smile"]["modules"]}:
            assert np.abs(tensors[name] - mean[name]).max() <= 1e-6
            assert not np.array_equal(tensors[name], before[name])
    shutil.rmtree(tmp_path / "out")
    line = refuse(base, tunes, rest="error")
    assert "tune1" in line and "lm_head.weight" in line and "rest: average" in line
    # Only some of the tensors.
    rest = [{"filter": "norm", "value": "average"}, {"value": "base"}]
    _, tensors, _ = made(base, tunes, rest=rest)
    assert np.array_equal(tensors["lm_head.weight"], before["lm_head.weight"])
    assert np.abs(tensors["model.norm.weight"] - mean["model.norm.weight"]).max() <= 1e-6


def test_one_expert(made, three):
    base, tune, _ = three
    _, tensors, config = made(base, [tune], rank_of_expert=4)
    assert config["smile"]["num_experts"] == 1
    assert not any(name.endswith("smile_router") for name in tensors)
    _, tensors, _ = made(base, [tune], rank_of_expert=4, layout="fusion_bench")
    assert any(name.endswith("gate.weight") for name in tensors)


def test_fusion_bench_has_one_rank_for_all(refuse, llamas):
    base, *tunes = llamas(hidden=HIDDEN, layers=2, num_key_value_heads=1)
    line = refuse(base, tunes, energy=0.5, layout="fusion_bench")
    assert "'pad: true'" in line and "k_proj" in line
    line = refuse(base, tunes, rank_of_expert=HIDDEN, layout="fusion_bench")
    assert f"rank_of_expert {HIDDEN}" in line and "'pad: true'" in line
    line = refuse(base, tunes, parameter_budget=1.3, rank_of_router=2, layout="fusion_bench")
    assert "no room for a single rank" in line


def test_refused(refuse, three, tmp_path):
    base, *tunes = three
    assert "no 'models'" in refuse(base, []) or "models" in refuse(base, [])
    assert "base_model" in refuse(None, tunes)
    assert "num_experts_per_tok is 3" in refuse(base, tunes, num_experts_per_tok=3)
    assert "rank_of_router" in refuse(base, tunes, rank_of_router=0)
    assert "rank_of_expert" in refuse(base, tunes, rank_of_expert=1.5)
    line = refuse(base, tunes, rank_of_expert=HIDDEN + 1, layout="fusion_bench")
    assert f"rank_of_expert {HIDDEN + 1}" in line and "tensor 'model.layers" in line
    assert "one rank" in refuse(base, tunes, rank_of_expert=[2, 4], layout="fusion_bench")
    assert "for the routers" in refuse(base, tunes, parameter_budget=1.0)
    assert "give one of them" in refuse(base, tunes, parameter_budget=2, energy=0.5)
    assert "--memory" in refuse(base, tunes, "--memory", "2KB")
    other = checkpoint.llama(tmp_path / "other", 3, hidden=HIDDEN, vocab=32)
    assert "vocabularies differ" in refuse(base, [tunes[0], other])
    wide = checkpoint.llama(tmp_path / "wide", 3, hidden=2 * HIDDEN)
    assert "shape" in refuse(base, [tunes[0], wide])
    single = [folder / "model.safetensors" for folder in three]
    assert "config.json" in refuse(single[0], single[1:])
    assert "no linear layer" in refuse(base, tunes, upscale=False)


@pytest.mark.parametrize("name", ["model.layers.0.mlp.up_proj.weight", "model.embed_tokens.weight"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite(refuse, three, tmp_path, name, value):
    base, first, _ = three
    tensors = checkpoint.read_checkpoint(first)
    tensors[name] = tensors[name].copy()
    tensors[name][1, 2] = value
    config = json.loads((base / "config.json").read_text())
    bad = checkpoint.write_checkpoint(tmp_path / "bad", config, tensors)
    line = refuse(base, [first, bad])
    assert "NaN or Inf" in line and name in line and "bad" in line


def test_documents(tmp_path, three):
    """A mixture is no input of another document, and takes none."""
    smile = {"merge_method": "smile", "base_model": str(three[0])}
    mixture = {"name": "mixture", **smile, "models": models(*three[1:])}
    average = {"name": "mean", "merge_method": "linear", "models": models(*three[1:], weight=[1, 1])}
    after = {"merge_method": "linear", "models": models("mixture", three[0], weight=[1, 1])}
    for documents, words in (([mixture, after], "is merged no further"),
                             ([average, {**smile, "models": models("mean", three[1])}], "document")):
        path = write_recipe(tmp_path / "r.yml", yaml.safe_dump_all(documents))
        assert words in program.fail("merge", path, tmp_path / "out")


def test_the_same_bytes(made, three):
    base, *tunes = three
    first, *_ = made(base, tunes, parameter_budget=1.7, rank_of_router=2)
    wanted = snapshot(first)
    for memory in ("20MB", "1GB"):
        again, *_ = made(base, tunes, "--memory", memory, parameter_budget=1.7, rank_of_router=2)
        assert snapshot(again) == wanted


def test_replay_and_verify(made, three, tmp_path):
    folder, *_ = made(three[0], three[1:], parameter_budget=1.7, rank_of_router=2)
    assert program.succeed("replay", folder).startswith("the same")
    assert "whole" in program.succeed("verify", folder) or program.run("verify", folder).code == 0
    recorded = json.loads((folder / "merganser_provenance.json").read_text())
    line = {t["name"]: t for t in recorded["tensors"]}["model.layers.0.mlp.up_proj.smile_in"]
    assert line["action"] == "make" and line["base"] and len(line["inputs"]) == 2
    assert all("hash" in entry for entry in line["inputs"])
    facts = line["facts"]
    assert set(facts) == {"change", "rank", "relative_error", "error_bound_beyond_best"}
    tensors = checkpoint.read_checkpoint(folder)
    config = json.loads((folder / "config.json").read_text())
    name = "model.layers.0.mlp.up_proj"
    deltas = differences(three[0], three[1:])[name]
    for e, (product, _) in enumerate(experts_of(tensors, config, name)):
        error = np.linalg.norm(deltas[e] - product) / np.linalg.norm(deltas[e])
        assert abs(facts["relative_error"][e] - error) <= 1e-5


@pytest.mark.parametrize("full_after", [0, 300, 5000, 20_000])
def test_a_full_disk(three, tmp_path, troubled_io, full_after):
    """Also while factors are put aside."""
    recipe = {"merge_method": "smile", "base_model": str(three[0]), "models": models(*three[1:])}
    path, out = write_recipe(tmp_path / "r.yml", recipe), tmp_path / "out"
    line = program.fail("merge", path, out, env=troubled_io(full_after=full_after))
    assert "space" in line and not out.exists() and not hidden(tmp_path)
    program.succeed("merge", path, out)


def test_plan_tells_it(three, tmp_path):
    recipe = {"merge_method": "smile", "base_model": str(three[0]), "models": models(*three[1:]),
              "parameters": {"rank_of_expert": 4}}  # fmt: skip
    path = write_recipe(tmp_path / "r.yml", recipe)
    report = json.loads(program.succeed("plan", path, "--json"))
    program.succeed("merge", path, tmp_path / "out", "--quiet")
    tensors = checkpoint.read_checkpoint(tmp_path / "out")
    shapes = {entry["name"]: tuple(entry["shape"]) for entry in report["tensors"]}
    assert shapes == {name: array.shape for name, array in tensors.items()}
    weights = sum(sum(a.nbytes for a in checkpoint.read_checkpoint(f).values()) for f in three)
    assert report["bytes_read"] >= weights
    # At least what the larger of them holds: factors of 14 layers in f32.
    made = [a.nbytes for name, a in tensors.items() if "smile_" in name]
    assert sum(made) <= report["scratch_bytes"] <= 2 * sum(made)
    assert any("times the base's parameters" in note for note in report["notes"])
