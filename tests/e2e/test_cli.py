"""The commands themselves: flags, one-liners, machine-readable output, exit codes."""

import json
import resource

import numpy as np
import pytest

from support import safetensors_file
from support.checkpoint import read_checkpoint
from support.numbers import same_bytes
from support.program import fail, run, succeed
from support.recipe import models, write_recipe

METHODS = ["linear", "slerp", "task_arithmetic", "ties", "dare_linear", "dare_ties", "passthrough"]

pytestmark = pytest.mark.usefixtures("merganser")


@pytest.fixture
def recipe(llamas, tmp_path):
    """A recipe file for an average of two fine-tunes."""
    base, one, two = llamas()
    return write_recipe(
        tmp_path / "recipe.yml",
        {"merge_method": "linear", "base_model": str(base),
         "models": models(base, one, two, weight=[0, 0.5, 0.5])},
    )


def same_weights(a, b):
    a, b = read_checkpoint(a), read_checkpoint(b)
    return a.keys() == b.keys() and all(same_bytes(a[name], b[name]) for name in a)


def test_version():
    assert "merganser" in succeed("--version") and "0.1" in succeed("--version")


def test_version_starts_fast():
    """Fifty milliseconds is the aim, which `make bench` measures. Here only the processor's time
    counts, which other work on the machine does not add to, and with a wide margin."""

    def processor_time():
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    times = []
    for _ in range(5):
        begin = processor_time()
        succeed("--version")
        times.append(processor_time() - begin)
    assert min(times) < 0.5


@pytest.mark.parametrize("command", [[], ["merge"], ["plan"], ["methods"], ["inspect"], ["diff"]])
def test_help(command):
    assert "--help" in succeed(*command, "--help")


@pytest.mark.parametrize(
    "arguments",
    [["frobnicate"], ["--frobnicate"], ["merge"], ["merge", "--frobnicate", "a", "b"], ["diff", "a"]],
    ids=str,
)
def test_wrong_usage(arguments):
    outcome = run(*arguments)
    assert outcome.code == 2 and "error: " in outcome.err and not outcome.out


@pytest.mark.parametrize(
    "flags",
    [
        ["--memory", "lots"],
        ["--memory", "-1"],
        ["--threads", "-3"],
        ["--threads", "two"],
        ["--max-shard-size", "big"],
        ["--hash", "md5"],
        ["--nan", "maybe"],
        ["--seed", "-1"],
        ["--seed", "x"],
    ],
    ids=" ".join,
)
def test_wrong_flag_values(recipe, tmp_path, flags):
    assert run("merge", recipe, tmp_path / "out", *flags).code == 2
    assert not (tmp_path / "out").exists()


def test_methods_lists_all():
    out = succeed("methods")
    assert all(name in out for name in METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_methods_of_one(name):
    out = succeed("methods", name)
    words = {"linear": "normalize", "slerp": "t", "passthrough": "scale"}
    assert name in out and words.get(name, "weight") in out


def test_methods_json():
    tree = json.loads(succeed("methods", "--json"))
    found = {method["name"]: method for method in (tree if isinstance(tree, list) else tree["methods"])}
    assert set(METHODS) <= set(found)
    density = [p for p in found["ties"]["parameters"] if p["name"] == "density"]
    assert len(density) == 1 and density[0]["default"] in (1, 1.0, "1")


def test_methods_markdown():
    out = succeed("methods", "--markdown")
    assert out.lstrip().startswith("#") and all(name in out for name in METHODS)


def test_unknown_method_names_the_nearest():
    assert "slerp" in fail("methods", "slrep")


def test_quiet_merge_says_nothing(recipe, tmp_path):
    outcome = run("merge", recipe, tmp_path / "out", "--quiet")
    assert outcome == (0, "", "")


def test_no_progress_bar_without_a_terminal(recipe, tmp_path):
    outcome = run("merge", recipe, tmp_path / "out")
    assert outcome.code == 0 and "\r" not in outcome.err + outcome.out and "\x1b" not in outcome.err


def test_merge_json(recipe, tmp_path):
    out = succeed("merge", recipe, tmp_path / "out", "--json")
    assert isinstance(json.loads(out), dict)


def test_plan_needs_no_target_and_writes_nothing(recipe, tmp_path):
    before = sorted(tmp_path.iterdir())
    out = succeed("plan", recipe)
    assert "model.layers.{}.mlp.up_proj.weight" in out  # layers are folded into one row
    assert "model.layers.1.mlp.up_proj.weight" in succeed("plan", recipe, "--all")
    assert "linear" in out and sorted(tmp_path.iterdir()) == before


def test_plan_json(recipe, tmp_path, llamas):
    tree = json.loads(succeed("plan", recipe, tmp_path / "out", "--json"))
    text = json.dumps(tree)
    tensors = read_checkpoint(tmp_path / "base")
    assert all(name in text for name in tensors)
    # From headers alone: how much will be written is known.
    assert str(sum(array.nbytes for array in tensors.values())) in text
    assert not (tmp_path / "out").exists()


def test_plan_finds_errors(tmp_path, llamas):
    base, *_ = llamas()
    bad = {"merge_method": "linear", "models": models(base, tmp_path / "absent", weight=[1, 1])}
    assert "absent" in fail("plan", write_recipe(tmp_path / "bad.yml", bad))


def test_inspect(llamas):
    base, *_ = llamas()
    out = succeed("inspect", base)
    assert "llama" in out.lower() and "2" in out
    text = succeed("inspect", base, "--json")
    json.loads(text)
    assert all(name in text for name in read_checkpoint(base))


def test_inspect_of_a_file(files):
    (path,) = files({"x": np.zeros((3, 4), np.float32)})
    text = json.dumps(json.loads(succeed("inspect", path, "--json")))
    assert '"x"' in text and "3" in text and "4" in text


def test_diff(llamas, tmp_path):
    base, one, _ = llamas()
    same = run("diff", base, base)
    assert same.code == 0
    other = run("diff", base, one)
    assert other.code == 1 and "model." in other.out
    assert run("diff", base, tmp_path / "absent").code == 2


def test_diff_names_the_changed_tensor(files):
    x = {"a": np.float32([1, 2]), "b": np.float32([3, 4])}
    one, two = files(x, {**x, "b": np.float32([3, 4.5])})
    outcome = run("diff", one, two, "--json")
    tree = json.loads(outcome.out)
    assert outcome.code == 1
    rows = tree["tensors"] if isinstance(tree, dict) else tree
    worst = rows[0]
    assert worst["name"] == "b" and 0.5 in worst.values()


def test_diff_of_missing_tensors_and_other_shapes(files):
    x = {"a": np.float32([1, 2])}
    for other in ({}, {**x, "b": np.float32([1])}, {"a": np.float32([[1, 2]])}):
        one, two = files(x, other)
        assert run("diff", one, two).code == 1


def test_diff_against_a_base(files):
    x = np.float32([1, 2])
    base, one, two = files({"x": x}, {"x": x + 1}, {"x": x - 1})
    outcome = run("diff", one, two, "--base", base, "--json")
    # The deltas are antiparallel though the weights are not.
    assert outcome.code == 1 and "-1" in outcome.out


def test_one_line_slerp(llamas, tmp_path):
    _, one, two = llamas()
    succeed("merge", "--method", "slerp", one, two, "-p", "t=0.25", "-o", tmp_path / "a")
    recipe = {
        "merge_method": "slerp", "base_model": str(one), "models": models(one, two),
        "parameters": {"t": 0.25},
    }
    succeed("merge", write_recipe(tmp_path / "r.yml", recipe), tmp_path / "b")
    assert same_weights(tmp_path / "a", tmp_path / "b")


def test_one_line_ties(llamas, tmp_path):
    base, one, two = llamas()
    succeed(
        "merge", "--method", "ties", one, two, "--base-model", base, "-p", "weight=0.5", "-p",
        "density=0.4", "--dtype", "bfloat16", "-o", tmp_path / "a",
    )
    recipe = {
        "merge_method": "ties", "base_model": str(base), "models": models(one, two),
        "parameters": {"weight": 0.5, "density": 0.4}, "dtype": "bfloat16",
    }
    succeed("merge", write_recipe(tmp_path / "r.yml", recipe), tmp_path / "b")
    assert same_weights(tmp_path / "a", tmp_path / "b")


def test_one_line_average_needs_no_weights(llamas, tmp_path):
    """A uniform soup."""
    _, one, two = llamas()
    succeed("merge", "--method", "linear", one, two, "-o", tmp_path / "a")
    a, b = read_checkpoint(one), read_checkpoint(two)
    got = read_checkpoint(tmp_path / "a")
    assert all(np.allclose(got[n], (a[n] + b[n]) / 2, rtol=1e-6, atol=1e-7) for n in a)


def test_a_one_liner_keeps_a_recipe_that_repeats_it(llamas, tmp_path):
    _, one, two = llamas()
    succeed("merge", "--method", "slerp", one, two, "-p", "t=0.25", "-o", tmp_path / "a")
    succeed("merge", tmp_path / "a" / "merganser_recipe.yml", tmp_path / "b")
    assert same_weights(tmp_path / "a", tmp_path / "b")


def test_paths_of_a_recipe_are_relative_to_the_working_folder(llamas, tmp_path):
    """As in MergeKit: a recipe in another folder does not move them."""
    base, one, _ = llamas()
    recipe = {"merge_method": "linear", "models": models(base.name, one.name, weight=[1, 1])}
    path = write_recipe(tmp_path / "elsewhere" / "r.yml", recipe)
    succeed("merge", path, "out", cwd=tmp_path)
    assert (tmp_path / "out" / "model.safetensors").exists()


def test_odd_paths(llamas, tmp_path):
    """Spaces and letters of other scripts."""
    base, one, _ = llamas()
    folder = base.rename(tmp_path / "base mit Käse 模型")
    recipe = {"merge_method": "linear", "models": models(folder, one, weight=[1, 1])}
    out = tmp_path / "out put"
    succeed("merge", write_recipe(tmp_path / "r e.yml", recipe), out)
    safetensors_file.read_header(out / "model.safetensors")
