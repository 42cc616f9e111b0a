"""Wrong recipes: one line, with the place in the text, before any work, and nothing left."""

import re

import pytest

from support import checkpoint
from support.program import fail
from support.recipe import models, write_recipe

pytestmark = pytest.mark.usefixtures("merganser")


@pytest.fixture
def refuse(llamas, tmp_path):
    """refuse(text) runs a recipe that must fail and returns the error line.

    BASE, ONE and TWO in the text stand for the paths of tiny checkpoints.
    """
    paths = dict(zip(("BASE", "ONE", "TWO"), llamas()))

    def run(text, *flags):
        for name, path in paths.items():
            text = text.replace(name, str(path))
        before = sorted(tmp_path.iterdir())
        recipe = write_recipe(tmp_path / "wrong.yml", text)
        line = fail("merge", recipe, tmp_path / "out", *flags)
        recipe.unlink()
        assert sorted(tmp_path.iterdir()) == before, "something was left behind"
        return line

    return run


GOOD = """merge_method: ties
base_model: BASE
models:
  - model: ONE
    parameters:
      weight: 0.5
      density: 0.5
  - model: TWO
    parameters:
      weight: 0.5
parameters:
  normalize: true
"""


def place(line):
    found = re.search(r"wrong\.yml:(\d+):(\d+)", line)
    assert found, f"no line and column in: {line}"
    return int(found[1]), int(found[2])


@pytest.mark.parametrize(
    "old, new, nearest, row",
    [
        ("base_model:", "base_modle:", "base_model", 2),
        ("models:", "model:", "models", 3),
        ("    parameters:\n      weight: 0.5\n      den", "    paramters:\n      weight: 0.5\n      den",
         "parameters", 5),
        ("density", "densty", "density", 7),
        ("normalize: true", "normalise: true", "normalize", 12),
        ("merge_method: ties", "merge_method: tiess", "ties", 1),
    ],
    ids=["base_model", "models", "parameters", "density", "normalize", "method"],
)
def test_unknown_names(refuse, old, new, nearest, row):
    assert old in GOOD
    line = refuse(GOOD.replace(old, new, 1))
    assert f"{nearest}" in line.split("wrong.yml")[-1]
    assert place(line)[0] == row


@pytest.mark.parametrize(
    "old, new, row",
    [
        ("density: 0.5", "density: 1.5", 7),
        ("density: 0.5", "density: -0.1", 7),
        ("density: 0.5", "density: [0.5, 1.5]", 7),
        ("density: 0.5", "density: [{filter: mlp, value: 0.5}, {value: 2}]", 7),
        ("density: 0.5", "density: nan", 7),
        ("density: 0.5", "density: lots", 7),
        ("weight: 0.5\n      density", "weight: .inf\n      density", 6),
        ("weight: 0.5\n      density", "weight: {a: 1}\n      density", 6),
        ("normalize: true", "normalize: 3.5", 12),
        ("normalize: true", "vote: loud", 12),
        ("merge_method: ties", "merge_method: [ties]", 1),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_values(refuse, old, new, row):
    assert old in GOOD
    assert place(refuse(GOOD.replace(old, new, 1)))[0] == row


@pytest.mark.parametrize(
    "text, word",
    [
        ("", ""),
        ("[]", ""),
        ("just words", ""),
        ("merge_method: linear", "models"),
        ("models: [{model: ONE}]", "merge_method"),
        ("merge_method: linear\nmodels: []", "models"),
        ("merge_method: linear\nmodels:\n- {parameters: {weight: 1}}", "model"),
        ("merge_method: linear\nmodels:\n- model: ONE\n- model: TWO", "weight"),
        ("merge_method: slerp\nbase_model: ONE\nmodels: [{model: ONE}, {model: TWO}]", "t"),
        ("merge_method: ties\nmodels: [{model: ONE, parameters: {weight: 1}}]", "base_model"),
        ("merge_method: slerp\nmodels: [{model: ONE}, {model: TWO}]\nparameters: {t: 0.5}",
         "base_model"),
        ("merge_method: slerp\nbase_model: BASE\nmodels: [{model: BASE}, {model: ONE}, {model: TWO}]"
         "\nparameters: {t: 0.5}", ""),
        ("merge_method: passthrough\nmodels: [{model: ONE}, {model: TWO}]", "passthrough"),
        ("merge_method: linear\nmodels: [{model: ONE}]\nslices: []\nparameters: {weight: 1}", "slices"),
        ("merge_method: linear\nmodels: [{model: ONE}, {model: ONE}]\nparameters: {weight: 1}", ""),
        ("merge_method: linear\nmerge_method: ties\nmodels: [{model: ONE}]", "merge_method"),
        ("merge_method: linear\nmodels: [{model: ONE}]\nparameters: {weight: 1}\ndtype: float31",
         "dtype"),
        ("merge_method: linear\nmodels: [{model: ONE}]\nparameters: {weight: 1}\nintegers: maybe",
         "integers"),
        ("merge_method: linear\nmodels: [{model: ONE}]\nparameters: {weight: 1}\nheads: maybe",
         "heads"),
        ("merge_method: linear\nmodels: [{model: ONE}]\nparameters: {weight: 1}\nseed: -4", "seed"),
        ("merge_method: linear\nmodels: [{model: ONE}]\nparameters: {weight: 1}\n"
         "tokenizer_source: union", "tokenizer"),
        ("merge_method: linear\n\tmodels: 3", ""),
        ("merge_method: linear\nmodels: [{model: ONE", ""),
        ("a: &a [*a]\nmerge_method: linear", ""),
        ("merge_method: linear\nmodels:\n- model: ONE\n  parameters:\n    weight:\n"
         "    - {filter: {regex: '('}, value: 1}", "regular expression"),
        ("merge_method: linear\nmodels:\n- model: ONE\n  parameters:\n"
         "    weight: {blocks: {3-1: 1}}", "3-1"),
        ("merge_method: linear\nmodels:\n- model: ONE\n  parameters:\n"
         "    weight: {blocks: {0-1: 1, 1: 2}}", "1"),
    ],
)
def test_incomplete_or_contradictory(refuse, text, word):
    assert word in refuse(text)


def slices(*ranges, method="passthrough"):
    rows = "".join(f"- sources: [{{model: ONE, layer_range: {r}}}]\n" for r in ranges)
    return f"merge_method: {method}\nslices:\n{rows}"


@pytest.mark.parametrize(
    "ranges", [["[0, 3]"], ["[2, 2]"], ["[1, 0]"], ["[-1, 1]"], ["[0]"], ["[0, 1, 2]"], ["[0, x]"]],
    ids=str,
)
def test_wrong_layer_ranges(refuse, ranges):
    """The models have 2 layers."""
    refuse(slices(*ranges))


def test_sources_of_different_length(refuse):
    refuse(
        "merge_method: linear\nslices:\n- sources:\n  - {model: ONE, layer_range: [0, 1]}\n"
        "  - {model: TWO, layer_range: [0, 2]}\nparameters: {weight: 1}"
    )


def test_models_of_different_depth(llamas, tmp_path):
    base, *_ = llamas()
    deep = checkpoint.llama(tmp_path / "deep", 3, layers=3)
    recipe = {"merge_method": "linear", "models": models(base, deep, weight=[1, 1])}
    line = fail("merge", write_recipe(tmp_path / "r.yml", recipe), tmp_path / "out")
    assert "2" in line and "3" in line and not (tmp_path / "out").exists()


def test_absent_recipe(tmp_path):
    assert "absent.yml" in fail("merge", tmp_path / "absent.yml", tmp_path / "out")


def test_recipe_that_is_no_text(tmp_path):
    path = tmp_path / "r.yml"
    path.write_bytes(bytes(range(256)) * 8)
    fail("merge", path, tmp_path / "out")


def test_endless_nesting(tmp_path):
    path = write_recipe(tmp_path / "r.yml", "merge_method: " + "[" * 100_000)
    fail("merge", path, tmp_path / "out")


def test_multiplying_aliases(tmp_path):
    """The billion laughs: refused or harmless, not a full memory."""
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    path = write_recipe(tmp_path / "r.yml", "\n".join(rows) + "\nmerge_method: linear\n")
    fail("merge", path, tmp_path / "out", timeout=20)


def test_one_liner_with_unknown_parameter(llamas, tmp_path):
    _, one, two = llamas()
    line = fail("merge", "--method", "slerp", one, two, "-p", "tt=0.5", "-o", tmp_path / "out")
    assert "tt" in line and not (tmp_path / "out").exists()
