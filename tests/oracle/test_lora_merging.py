"""merge-lora against PEFT's add_weighted_adapter, by the products of the factors."""

import json

import numpy as np
import pytest

from support import mergekit  # noqa: F401  (before torch)
from support import program

lora_models = pytest.importorskip("oracle.lora_models")
pytest.importorskip("peft")

WEIGHTS = [0.7, -0.4]
MODELS = [lora_models.llama, lora_models.gpt2, lora_models.bert, lora_models.Convolutions]


def merge(folders, out, *flags):
    weights = ",".join(map(str, WEIGHTS[: len(folders)]))
    program.succeed("merge-lora", *folders, out, f"--weights={weights}", *flags)
    return out


def peft_merge(model, method, **options):
    model.base_model.add_weighted_adapter(
        ["a", "b"], WEIGHTS, "merged", combination_type=method, **options
    )
    return lora_models.changes(model, "merged")


def compare(ours, theirs, tolerance):
    """In units of the largest element of the expected product."""
    assert ours.keys() == theirs.keys()
    for name, expected in theirs.items():
        error = np.abs(ours[name] - expected).max() / np.abs(expected).max()
        assert error < tolerance, f"{name}: {error}"


# Both round factors and products to f32: some units of 2^-24 of terms that may be larger than the
# sum. A cut spectrum turns a rounding into one divided by the gap between singular values, and
# PEFT's SVD is one in f32.
EXACT, CUT = 3e-6, 3e-4


@pytest.mark.parametrize("model_of", MODELS)
@pytest.mark.parametrize("method", ["linear", "cat", "svd"])
def test_weighted_sums(tmp_path, model_of, method):
    a, b = (lora_models.adapter(tmp_path / n, model_of, i) for i, n in enumerate("ab"))
    out = merge([a, b], tmp_path / "out", "--method", method)
    model = lora_models.load(model_of, a=a, b=b, ours=out)
    theirs = peft_merge(model, method)
    compare(lora_models.changes(model, "ours"), theirs, CUT if method == "svd" else EXACT)


@pytest.mark.parametrize("model_of", MODELS)
@pytest.mark.parametrize(
    "method, sign",
    [
        ("ties", "total"),
        ("ties", "frequency"),
        ("ties_svd", "total"),
        ("ties_svd", "frequency"),
        ("magnitude_prune", "total"),
        ("magnitude_prune_svd", "total"),
    ],
)
def test_pruned(tmp_path, model_of, method, sign):
    a, b = (lora_models.adapter(tmp_path / n, model_of, i) for i, n in enumerate("ab"))
    flags = ["--method", method, "--density", 0.6, "--majority-sign", sign]
    out = merge([a, b], tmp_path / "out", *flags)
    model = lora_models.load(model_of, a=a, b=b, ours=out)
    theirs = peft_merge(model, method, density=0.6, majority_sign_method=sign)
    compare(lora_models.changes(model, "ours"), theirs, CUT if "svd" in method else EXACT)


@pytest.mark.parametrize("method", ["dare_linear", "dare_ties", "dare_linear_svd", "dare_ties_svd"])
@pytest.mark.filterwarnings("ignore:The density")
def test_dare_keeps_all_at_density_1(tmp_path, method):
    a, b = (lora_models.adapter(tmp_path / n, lora_models.llama, i) for i, n in enumerate("ab"))
    out = merge([a, b], tmp_path / "out", "--method", method, "--density", 1)
    model = lora_models.load(lora_models.llama, a=a, b=b, ours=out)
    theirs = peft_merge(model, method, density=1.0)
    compare(lora_models.changes(model, "ours"), theirs, CUT if "svd" in method else EXACT)


def test_dare_drops_at_random_and_rescales(tmp_path):
    a = lora_models.adapter(tmp_path / "a", lora_models.llama, 0, lora_alpha=4)
    flags = ["--method", "dare_linear", "--density", 0.3, "--seed"]
    program.succeed("merge-lora", a, tmp_path / "out", *flags, 5)
    kept = total = 0
    before, after = tensors(a), tensors(tmp_path / "out")
    for name, array in before.items():
        stays = after[name] != 0
        np.testing.assert_allclose(after[name][stays], (array / np.float32(0.3))[stays], rtol=1e-6)
        kept, total = kept + stays.sum(), total + stays.size
    assert abs(kept / total - 0.3) < 5 * np.sqrt(0.3 * 0.7 / total)
    program.succeed("merge-lora", a, tmp_path / "again", *flags, 5)
    program.succeed("merge-lora", a, tmp_path / "other", *flags, 6)
    same, other = tensors(tmp_path / "again"), tensors(tmp_path / "other")
    assert all(np.array_equal(after[name], same[name]) for name in after)
    assert not all(np.array_equal(after[name], other[name]) for name in after)


def tensors(folder):
    from safetensors.numpy import load_file

    return load_file(folder / "adapter_model.safetensors")


def weighted_sum(model, names=("a", "b")):
    parts = [lora_models.changes(model, name) for name in names]
    modules = {name for part in parts for name in part}
    return {
        name: sum(w * part[name] for w, part in zip(WEIGHTS, parts) if name in part)
        for name in modules
    }


@pytest.mark.parametrize("model_of", MODELS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"r": 2},
        {"use_rslora": True},
        {"rank_pattern": {"0.self_attn.q_proj": 2, "v_proj": 3}, "alpha_pattern": {"v_proj": 20}},
    ],
    ids=["plain", "ranks", "rslora", "patterns"],
)
@pytest.mark.parametrize("method", ["exact", "cat"])
def test_exact_sums_of_unlike_adapters(tmp_path, model_of, options, method):
    a = lora_models.adapter(tmp_path / "a", model_of, 0)
    b = lora_models.adapter(tmp_path / "b", model_of, 1, **options)
    out = merge([a, b], tmp_path / "out", "--method", method)
    model = lora_models.load(model_of, a=a, b=b, ours=out)
    compare(lora_models.changes(model, "ours"), weighted_sum(model), EXACT)


def test_modules_of_one_adapter_only(tmp_path):
    a = lora_models.adapter(tmp_path / "a", lora_models.llama, 0, target_modules=["q_proj", "k_proj"])
    b = lora_models.adapter(tmp_path / "b", lora_models.llama, 1, target_modules=r".*\.1\..*(q|v)_proj")
    for method in ("exact", "cat"):
        out = merge([a, b], tmp_path / method, "--method", method)
        model = lora_models.load(lora_models.llama, a=a, b=b, ours=out)
        compare(lora_models.changes(model, "ours"), weighted_sum(model), EXACT)
        assert len(lora_models.changes(model, "ours")) == 5


def test_exact_finds_the_rank(tmp_path):
    """Two adapters that share A: the sum of their products has the rank of one."""
    from safetensors.numpy import load_file, save_file

    a = lora_models.adapter(tmp_path / "a", lora_models.llama, 0)
    b = lora_models.adapter(tmp_path / "b", lora_models.llama, 1)
    first, second = (load_file(folder / "adapter_model.safetensors") for folder in (a, b))
    for name in second:
        if "lora_A" in name:
            second[name] = first[name]
    save_file(second, b / "adapter_model.safetensors")
    out = merge([a, b], tmp_path / "out")
    assert json.loads((out / "adapter_config.json").read_text())["r"] == 4
    model = lora_models.load(lora_models.llama, a=a, b=b, ours=out)
    compare(lora_models.changes(model, "ours"), weighted_sum(model), EXACT)


def test_rank_and_energy_cut_the_spectrum(tmp_path):
    a, b = (lora_models.adapter(tmp_path / n, lora_models.llama, i) for i, n in enumerate("ab"))
    model = lora_models.load(lora_models.llama, a=a, b=b)
    exact = weighted_sum(model)
    for flags in (["--rank", 3], ["--energy", 0.9]):
        out = tmp_path / flags[0].strip("-")
        report = json.loads(
            program.succeed("merge-lora", a, b, out, "--weights=0.7,-0.4", "--json", *flags)
        )
        model.load_adapter(str(out), out.name)
        ours = lora_models.changes(model, out.name)
        for module in report["modules"]:
            name = module["name"]
            s = np.linalg.svd(exact[name], compute_uv=False)
            rank = 3
            if "--energy" in flags:
                rank = int(np.searchsorted(np.cumsum(s**2) / np.sum(s**2), 0.9) + 1)
            assert module["rank"] == rank
            left_out = np.sqrt(np.sum(s[rank:] ** 2) / np.sum(s**2))
            assert module["residual"] == pytest.approx(left_out, rel=1e-4)
            error = np.linalg.norm(ours[name] - exact[name]) / np.linalg.norm(exact[name])
            assert error == pytest.approx(left_out, rel=1e-4)


def test_what_is_kept_whole_becomes_its_mean(tmp_path):
    options = {"modules_to_save": ["classifier"], "bias": "all", "task_type": "SEQ_CLS"}
    a, b = (lora_models.adapter(tmp_path / n, lora_models.bert, i, **options) for i, n in enumerate("ab"))
    out = merge([a, b], tmp_path / "out")
    ours, one, two = tensors(out), tensors(a), tensors(b)
    whole = [name for name in ours if "lora_" not in name]
    assert any("classifier.weight" in name for name in whole)
    assert any("bias" in name for name in whole)
    for name in whole:
        expected = (0.7 * one[name].astype(np.float64) - 0.4 * two[name]) / 0.3
        np.testing.assert_allclose(ours[name], expected, rtol=2e-7, atol=1e-7)
    lora_models.load(lora_models.bert, ours=out)
    lone = lora_models.adapter(tmp_path / "lone", lora_models.bert, 2)
    error = program.fail("merge-lora", a, lone, tmp_path / "no")
    assert str(lone) in error and "modules_to_save" in error


def test_biases_of_b_are_summed(tmp_path):
    a, b = (
        lora_models.adapter(tmp_path / n, lora_models.gpt2, i, lora_bias=True) for i, n in enumerate("ab")
    )
    out = merge([a, b], tmp_path / "out")
    scales = [6 / 4 * 0.7, 7 / 4 * -0.4]
    ours, one, two = tensors(out), tensors(a), tensors(b)
    biases = [name for name in ours if name.endswith("lora_B.bias")]
    assert biases
    for name in biases:
        np.testing.assert_allclose(
            ours[name], scales[0] * one[name] + scales[1] * two[name], rtol=1e-6, atol=1e-7
        )


def test_16_bit_factors(tmp_path):
    a, b = (lora_models.adapter(tmp_path / n, lora_models.llama, i) for i, n in enumerate("ab"))
    out = merge([a, b], tmp_path / "out", "--dtype", "bfloat16")
    assert {str(array.dtype) for array in bf16(out).values()} == {"torch.bfloat16"}
    model = lora_models.load(lora_models.llama, a=a, b=b, ours=out)
    # Each factor's elements are off by 2^-9 of themselves at most.
    compare(lora_models.changes(model, "ours"), weighted_sum(model), 2e-2)


def bf16(folder):
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


def test_refusals(tmp_path):
    a = lora_models.adapter(tmp_path / "a", lora_models.llama, 0)
    small = lora_models.adapter(tmp_path / "small", lora_models.llama, 1, r=2)
    dora = lora_models.adapter(tmp_path / "dora", lora_models.llama, 1, use_dora=True)
    other = lora_models.adapter(tmp_path / "other", lora_models.gpt2, 1)
    out = tmp_path / "out"
    assert "rank is 2 here and 4" in program.fail("merge-lora", a, small, out, "--method", "linear")
    assert "DoRA" in program.fail("merge-lora", a, dora, out)
    assert "fan_in_fan_out" in program.fail("merge-lora", a, other, out)
    assert "--density" in program.fail("merge-lora", a, a, out, "--method", "ties")
    assert "no density" in program.fail("merge-lora", a, a, out, "--density", 0.5)
    assert "weights" in program.fail("merge-lora", a, a, out, "--weights", "1,2,3")
    assert "rank" in program.fail("merge-lora", a, a, out, "--method", "cat", "--rank", 3)
    assert "input" in program.fail("merge-lora", a, small, a, "--force")
    assert not out.exists() and not list(tmp_path.glob(".*"))


def test_equal_merges_give_equal_folders(tmp_path):
    a, b = (lora_models.adapter(tmp_path / n, lora_models.llama, i) for i, n in enumerate("ab"))
    flags = ["--method", "dare_ties_svd", "--density", 0.5, "--seed", 3]
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
    one, two = (merge([a, b], tmp_path / place / "out", *flags) for place in ("one", "two"))
    assert sorted(p.name for p in one.iterdir()) == sorted(p.name for p in two.iterdir())
    for path in one.iterdir():
        assert path.read_bytes() == (two / path.name).read_bytes(), path.name
