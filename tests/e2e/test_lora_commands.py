"""extract-lora and merge-lora by hand-made files: no PEFT, no PyTorch."""

import json

import numpy as np
import pytest

from support import program, safetensors_file
from support.checkpoint import llama, llama_config, random_tensors, write_checkpoint


def write_adapter(folder, tensors, **config):
    folder.mkdir(exist_ok=True)
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 2, "target_modules": ["q"], **config}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    named = {f"base_model.model.{name}": array for name, array in tensors.items()}
    safetensors_file.write(folder / "adapter_model.safetensors", named, {"format": "pt"})
    return folder


def factors(seed, rows=6, cols=5, r=2, name="m.q"):
    generator = np.random.default_rng(seed)
    return {
        f"{name}.lora_A.weight": generator.standard_normal((r, cols)).astype(np.float32),
        f"{name}.lora_B.weight": generator.standard_normal((rows, r)).astype(np.float32),
    }


def product(folder, name="m.q"):
    """Scale 1: what merganser writes."""
    config = json.loads((folder / "adapter_config.json").read_text())
    rank = config["rank_pattern"].get(name, config["r"])
    assert config["alpha_pattern"].get(name, config["lora_alpha"]) == rank
    tensors = safetensors_file.read(folder / "adapter_model.safetensors")
    a, b = (tensors[f"base_model.model.{name}.lora_{x}.weight"] for x in "AB")
    assert len(a) == rank
    return b.astype(np.float64) @ a.astype(np.float64)


def test_exact_sum_of_adapters(tmp_path):
    one = write_adapter(tmp_path / "one", factors(1), lora_alpha=4)
    two = write_adapter(tmp_path / "two", factors(2))
    program.succeed("merge-lora", one, two, tmp_path / "out", "--weights", "0.5,3")
    f, g = factors(1), factors(2)
    expected = 0.5 * 2 * f["m.q.lora_B.weight"].astype(float) @ f["m.q.lora_A.weight"]
    expected = expected + 3 * g["m.q.lora_B.weight"].astype(float) @ g["m.q.lora_A.weight"]
    # Two factors of rank 4, rounded to f32.
    limit = 8 * 2.0**-24 * np.abs(expected).max()
    assert np.abs(product(tmp_path / "out") - expected).max() < limit
    provenance = json.loads((tmp_path / "out/merganser_provenance.json").read_text())
    assert provenance["kind"] == "adapter merge"
    assert [each["weight"] for each in provenance["inputs"]] == [0.5, 3]
    assert all(t["hash"].startswith("xxh3:") for t in provenance["inputs"][0]["tensors"])


def test_extraction_gives_the_change_back(tmp_path):
    base = llama(tmp_path / "base", 0)
    tuned = llama(tmp_path / "tuned", 1, base=base)
    program.succeed("extract-lora", tuned, base, tmp_path / "out")
    before, after = (
        safetensors_file.read(path / "model.safetensors") for path in (base, tuned)
    )
    written = safetensors_file.read(tmp_path / "out/adapter_model.safetensors")
    for name, array in after.items():
        module = name.removesuffix(".weight")
        if f"base_model.model.{module}.lora_A.weight" not in written:
            np.testing.assert_array_equal(written[f"base_model.model.{name}"], array)
            continue
        change = array.astype(np.float64) - before[name]
        got = product(tmp_path / "out", module)
        assert np.abs(got - change).max() < 1e-6 * np.abs(change).max(), name


def test_bf16_models_give_bf16_factors(tmp_path):
    from support.checkpoint import BF16

    base = llama(tmp_path / "base", 0, dtype=BF16)
    tuned = llama(tmp_path / "tuned", 1, base=base, dtype=BF16)
    for flags, wanted in (([], BF16), (["--dtype", "float32"], np.dtype(np.float32))):
        program.succeed("extract-lora", tuned, base, tmp_path / "out", "--force", *flags)
        written = safetensors_file.read(tmp_path / "out/adapter_model.safetensors")
        assert {a.dtype for name, a in written.items() if "lora_" in name} == {wanted}
        assert {a.dtype for name, a in written.items() if "lora_" not in name} == {BF16}


def test_nothing_is_left_behind_by_a_failure(tmp_path):
    config = llama_config()
    base = llama(tmp_path / "base", 0)
    tensors = {
        name: np.full_like(array, np.nan)
        for name, array in safetensors_file.read(base / "model.safetensors").items()
    }
    broken = write_checkpoint(tmp_path / "broken", config, tensors)
    error = program.fail("extract-lora", broken, base, tmp_path / "out")
    assert "NaN" in error and ".weight" in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "broken"]
    bad = factors(1)
    bad["m.q.lora_A.weight"][0, 0] = np.inf
    one = write_adapter(tmp_path / "one", bad)
    error = program.fail("merge-lora", one, one, tmp_path / "out")
    assert "NaN or Inf" in error and "lora_A" in error
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".*"))


def test_outputs_are_not_overwritten(tmp_path):
    one = write_adapter(tmp_path / "one", factors(1))
    program.succeed("merge-lora", one, tmp_path / "out")
    assert "exists" in program.fail("merge-lora", one, tmp_path / "out")
    before = (tmp_path / "out/adapter_model.safetensors").read_bytes()
    program.succeed("merge-lora", one, tmp_path / "out", "--force", "--weights", "2")
    assert (tmp_path / "out/adapter_model.safetensors").read_bytes() != before
    assert "input" in program.fail("merge-lora", one, one, "--force")


@pytest.mark.parametrize(
    "flags, said",
    [
        (["--energy", "0"], "energy"),
        (["--energy", "1.5"], "energy"),
        (["--energy", "nan"], "energy"),
        (["--max-rank", "0"], "max-rank"),
        (["--sv-epsilon", "-1"], "sv-epsilon"),
        (["-i", "("], "regular expression"),
        (["--budget", "lots"], "lots"),
        (["--dtype", "int8"], "int8"),
        (["--dtype", "float8_e4m3fn"], "float8"),
        (["-i", "nothing_is_named_so"], "change"),
    ],
)
def test_options_of_extraction(tmp_path, flags, said):
    base = llama(tmp_path / "base", 0)
    tuned = llama(tmp_path / "tuned", 1, base=base)
    assert said in program.fail("extract-lora", tuned, base, tmp_path / "out", *flags)


@pytest.mark.parametrize(
    "flags, said",
    [
        (["--method", "slerp"], "slerp"),
        (["--method", "ties", "--density", "0"], "density"),
        (["--method", "ties", "--density", "nan"], "density"),
        (["--weights", "1,inf"], "finite"),
        (["--energy", "-1"], "energy"),
    ],
)
def test_options_of_merging(tmp_path, flags, said):
    one = write_adapter(tmp_path / "one", factors(1))
    assert said in program.fail("merge-lora", one, one, tmp_path / "out", *flags)


def test_modules_that_do_not_fit(tmp_path):
    one = write_adapter(tmp_path / "one", factors(1))
    wide = write_adapter(tmp_path / "wide", factors(1, cols=7))
    error = program.fail("merge-lora", one, wide, tmp_path / "out")
    assert "m.q" in error and "[6, 7]" in error and "[6, 5]" in error
    error = program.fail("merge-lora", one, tmp_path / "none", tmp_path / "out")
    assert str(tmp_path / "none") in error


def test_products_that_no_memory_holds(tmp_path):
    huge = write_adapter(tmp_path / "huge", factors(1, rows=100_000, cols=100_000))
    out = tmp_path / "out"
    error = program.fail("merge-lora", huge, out, "--method", "ties_svd", "--density", 0.5)
    assert "m.q" in error and "too large" in error
    program.succeed("merge-lora", huge, huge, out)
    assert json.loads((out / "adapter_config.json").read_text())["r"] == 2


def test_bare_files_without_a_config(tmp_path):
    """Roles are inferred from names; the output is an adapter all the same."""
    shapes = {"blocks.0.fc.weight": (6, 4), "blocks.1.fc.weight": (6, 4)}
    base = safetensors_file.write(tmp_path / "base.safetensors", random_tensors(shapes, 0))
    tuned = safetensors_file.write(tmp_path / "tuned.safetensors", random_tensors(shapes, 1))
    program.succeed("extract-lora", tuned, base, tmp_path / "out", "--max-rank", 3)
    config = json.loads((tmp_path / "out/adapter_config.json").read_text())
    assert config["target_modules"] == ["fc"] and config["r"] == 3
    program.succeed("merge-lora", tmp_path / "out", tmp_path / "again")
