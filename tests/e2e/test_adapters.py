"""LoRA adapters without PEFT: files by hand, whole ones and hostile ones."""

import json

import numpy as np
import pytest

from support import checkpoint, program, safetensors_file
from support.recipe import write_recipe

SHAPES = {"q_proj": (8, 8), "up_proj": (16, 8), "down_proj": (8, 16)}
R = 2


def module(layer, name):
    block = "mlp" if name.startswith(("up", "down")) else "self_attn"
    return f"model.layers.{layer}.{block}.{name}"


def factors(seed=0, rank=R):
    generator = np.random.default_rng(seed)
    tensors = {}
    for layer in range(2):
        for name, (out, into) in SHAPES.items():
            stem = f"base_model.model.{module(layer, name)}.lora_"
            tensors[stem + "A.weight"] = generator.standard_normal((rank, into), np.float32)
            tensors[stem + "B.weight"] = generator.standard_normal((out, rank), np.float32)
    return tensors


def write_adapter(folder, tensors, **config):
    safetensors_file.write(folder / "adapter_model.safetensors", tensors)
    config = {"peft_type": "LORA", "r": R, "lora_alpha": 3, **config}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def base(tmp_path):
    return checkpoint.llama(tmp_path / "base")


@pytest.fixture
def refuse(base, tmp_path):
    """refuse() merges base+adapter, which must fail, and returns the error line."""

    def run():
        recipe = write_recipe(tmp_path / "r.yml", passthrough())
        before = sorted(tmp_path.iterdir())
        line = program.fail("merge", recipe, tmp_path / "out", cwd=tmp_path)
        assert sorted(tmp_path.iterdir()) == before, "something was left behind"
        return line

    return run


def passthrough(model="base+adapter"):
    return {"merge_method": "passthrough", "models": [{"model": model}]}


def expected(base, tensors, scale):
    """In f64: W + scale B A."""
    result = {k: v.astype(np.float64) for k, v in checkpoint.read_checkpoint(base).items()}
    for layer in range(2):
        for name in SHAPES:
            stem = f"base_model.model.{module(layer, name)}.lora_"
            product = tensors[stem + "B.weight"].astype(np.float64) @ tensors[stem + "A.weight"]
            result[module(layer, name) + ".weight"] += scale * product
    return result


def test_adds_the_product(merge, base, tmp_path):
    tensors = factors()
    write_adapter(tmp_path / "adapter", tensors)
    found = checkpoint.read_checkpoint(merge(passthrough()))
    for name, array in expected(base, tensors, 3 / R).items():
        # Four operations of numbers below 16, each of which rounds at 2^-24 of them.
        np.testing.assert_allclose(found[name], array, rtol=0, atol=4 * 16 * 2**-24)


def test_provenance_and_card_name_the_adapter(merge, base, tmp_path):
    write_adapter(tmp_path / "adapter", factors())
    lora = {"path": str(tmp_path / "adapter"), "scale": 0.5}
    out = merge(passthrough({"model": {"path": str(base)}, "lora": lora}))
    told = json.loads((out / "merganser_provenance.json").read_text())["models"][0]["adapter"]
    assert told["scale"] == 0.5
    assert told["config"].startswith("sha256:") and told["weights"].startswith("xxh3:")
    card = (out / "README.md").read_text()
    assert "- base\n- adapter\n" in card and "base + adapter \\* 0.5" in card


@pytest.mark.parametrize("method", ["linear", "ties", "dare_ties"])
def test_threads_and_memory_do_not_matter(merge, tmp_path, method):
    """Tensors of several chunks and pieces, products on ends of rows."""
    base = checkpoint.llama(tmp_path / "base", hidden=200, vocab=777, dtype=checkpoint.BF16)
    generator = np.random.default_rng(0)
    shapes = {"q_proj": (200, 200), "up_proj": (400, 200)}
    for number in (1, 2):
        tensors = {}
        for name, (out, into) in shapes.items():
            stem = f"base_model.model.{module(0, name)}.lora_"
            tensors[stem + "A.weight"] = generator.standard_normal((R, into), np.float32)
            tensors[stem + "B.weight"] = generator.standard_normal((out, R), np.float32)
        stem = "base_model.model.model.embed_tokens.lora_embedding_"
        tensors[stem + "A"] = generator.standard_normal((R, 777), np.float32)
        tensors[stem + "B"] = generator.standard_normal((200, R), np.float32)
        write_adapter(tmp_path / f"a{number}", tensors)
    recipe = {
        "merge_method": method,
        "models": [
            {"model": f"{base}+{tmp_path}/a{n}", "parameters": {"weight": 0.5}} for n in (1, 2)
        ],
        "parameters": {} if method == "linear" else {"density": 0.3},
    }
    if method != "linear":
        recipe["base_model"] = str(base)
    outputs = set()
    for flags in (["--threads", "1"], ["--threads", "16"], ["--threads", "2", "--memory", "12MB"]):
        outputs.add((merge(recipe, *flags) / "model.safetensors").read_bytes())
    assert len(outputs) == 1


def test_plan_counts_what_a_run_reads(base, tmp_path):
    tensors = factors()
    write_adapter(tmp_path / "adapter", tensors)
    recipe = write_recipe(tmp_path / "r.yml", passthrough())
    told = json.loads(program.succeed("plan", recipe, "--json", cwd=tmp_path))
    done = json.loads(program.succeed("merge", recipe, tmp_path / "out", "--json", cwd=tmp_path))
    arrays = [*checkpoint.read_checkpoint(base).values(), *tensors.values()]
    assert told["bytes_read"] == done["bytes_read"] == sum(a.nbytes for a in arrays)


def test_replay_tells_a_changed_adapter(merge, base, tmp_path):
    write_adapter(tmp_path / "adapter", factors())
    out = merge(passthrough(f"{base}+{tmp_path}/adapter"))
    program.succeed("replay", out)
    write_adapter(tmp_path / "adapter", factors(), lora_alpha=4)
    outcome = program.run("replay", out)
    assert outcome.code == 1 and "adapter of" in outcome.out + outcome.err


def test_the_adapters_folder_is_an_input(base, tmp_path):
    write_adapter(tmp_path / "adapter", factors())
    recipe = write_recipe(tmp_path / "r.yml", passthrough())
    for target in ("adapter", "adapter/out"):
        assert "adapter" in program.fail("merge", recipe, target, "--force", cwd=tmp_path)


def test_broken_adapters(refuse, base, tmp_path):
    folder = tmp_path / "adapter"
    assert "adapter" in refuse()  # nothing there
    for text in ("", "{", "[]", "[" * 10000, '{"peft_type": 3}', '{"peft_type": "LORA", "r": -1}'):
        write_adapter(folder, factors())
        (folder / "adapter_config.json").write_text(text)
        assert "adapter_config.json" in refuse()
    write_adapter(folder, factors())
    whole = (folder / "adapter_model.safetensors").read_bytes()
    for cut in (0, 7, 100, len(whole) - 1):
        (folder / "adapter_model.safetensors").write_bytes(whole[:cut])
        assert "adapter_model.safetensors" in refuse()
    (folder / "adapter_model.safetensors").unlink()
    assert "adapter_model.safetensors" in refuse()


def test_hostile_sizes_and_names(refuse, base, tmp_path):
    folder = tmp_path / "adapter"
    stem = "base_model.model.model.layers.0.self_attn.q_proj.lora_"
    ones = lambda *shape: np.ones(shape, np.float32)
    for tensors, expected in [
        ({stem + "A.weight": ones(R, 8)}, "without the other"),
        ({stem + "A.weight": ones(R, 8), stem + "B.weight": ones(9, R)}, "[9, 8]"),
        ({stem + "A.weight": ones(3, 8), stem + "B.weight": ones(8, 3)}, "the config says 2"),
        ({stem + "A.weight": ones(0, 8), stem + "B.weight": ones(8, 0)}, "in shards"),
        ({stem + "C.weight": ones(1)}, "lora_C"),
        ({"x": ones(1)}, "base_model.model."),
        ({"base_model.model." + "a." * 5000 + "b": ones(0), stem + "A.weight": ones(1)}, "bytes"),
        ({stem + "A.weight": ones(8), stem + "B.weight": ones(8, R)}, "axes"),
        ({"base_model.model.\x1b[31m\n.lora_Z.weight": ones(1)}, "lora_Z"),
        ({}, "no tensors"),
    ]:
        write_adapter(folder, tensors)
        line = refuse()
        assert expected in line and "\x1b" not in line
    # A product as large as the address space, of a file of a few kilobytes.
    header = {
        stem + "A.weight": {"dtype": "F32", "shape": [1, 2**31], "data_offsets": [0, 2**33]},
        stem + "B.weight": {"dtype": "F32", "shape": [2**31, 1], "data_offsets": [2**33, 2**34]},
    }
    safetensors_file.write_raw(folder / "adapter_model.safetensors", header, b"")
    assert "adapter_model.safetensors" in refuse()


def test_hostile_patterns_end_soon(refuse, base, tmp_path):
    write_adapter(tmp_path / "adapter", factors(), rank_pattern={"(a+)+(b|c)*[^x]": 7})
    recipe = write_recipe(tmp_path / "r.yml", passthrough())
    program.succeed("plan", recipe, cwd=tmp_path, timeout=20)
    write_adapter(tmp_path / "adapter", factors(), rank_pattern={"((a{99}){99}){99}": 7})
    assert "counts repetitions" in refuse()


def test_nan_in_a_factor_is_found(refuse, base, tmp_path):
    tensors = factors()
    name = next(iter(tensors))
    tensors[name][0, 3] = np.nan
    write_adapter(tmp_path / "adapter", tensors)
    assert "NaN or Inf" in refuse()
