"""Tuning, soups and recipes that are evaluated in memory, on tiny models and the shared stories."""

import json
import signal
import time

import numpy as np
import pytest
import yaml

from support import checkpoint, program, safetensors_file
from support.recipe import models, write_recipe
from support.runtime import need_runtime


@pytest.fixture(autouse=True)
def runtime(merganser):
    need_runtime(merganser)


@pytest.fixture
def tasks(tmp_path):
    """Two tasks of random text, validation and test apart."""

    def make(name, seed):
        generator = np.random.default_rng(seed)
        text = {split: generator.integers(0, 16, 130, dtype=np.int32) for split in ("v", "t")}
        safetensors_file.write(tmp_path / f"{name}.safetensors", text)
        path = tmp_path / f"{name}.yml"
        path.write_text(f"type: language_modelling\nlength: 8\n"
                        f"validation: {{file: {name}.safetensors, inputs: v}}\n"
                        f"test: {{file: {name}.safetensors, inputs: t}}\n")
        return path

    return make("one", 1), make("two", 2)


@pytest.fixture
def recipe(llamas, tmp_path):
    base, a, b = llamas()
    return write_recipe(tmp_path / "recipe.yml", {
        "merge_method": "task_arithmetic", "base_model": str(base),
        "models": models(a, b, weight=[0.5, 0.5]), "parameters": {"lambda": 1.0}})


def of_tasks(tasks):
    return [word for task in tasks for word in ("--task", task)]


def run(*arguments):
    return json.loads(program.succeed(*arguments, "--json", "--threads", "1"))


def evaluate(tasks, *names, split="validation"):
    """{name: [metric of each task]}"""
    found = run("evaluate", *names, *of_tasks(tasks), "--split", split)
    return {row["name"]: [row["tasks"][task.stem]["value"] for task in tasks] for row in found["rows"]}


# --- recipes in memory ---------------------------------------------------------------------------


def test_a_recipe_is_worth_what_its_output_is(recipe, tasks, tmp_path):
    program.succeed("merge", recipe, tmp_path / "merged")
    found = evaluate(tasks, recipe, tmp_path / "merged")
    assert found[str(recipe)] == found[str(tmp_path / "merged")]


def test_recipes_may_be_inputs_and_have_documents(llamas, recipe, tasks, tmp_path):
    text = recipe.read_text()
    chain = tmp_path / "chain.yaml"
    chain.write_text(f"name: first\n{text}---\nmerge_method: slerp\nbase_model: first\n"
                     f"models: [{{model: first}}, {{model: {tmp_path / 'base'}}}]\nparameters: {{t: 0.5}}\n")
    found = run("evaluate", chain, "--inputs", recipe, tmp_path / "base", *of_tasks(tasks))
    assert [row["kind"] for row in found["rows"]] == ["input", "input", "ensemble", "model"]
    assert sum("merged in memory" in note for note in found["notes"]) == 2


def test_of_several_models_the_one_that_cannot_be_measured_is_named(llamas, tasks, tmp_path):
    base, _, _ = llamas()
    sick = {name: np.full_like(tensor, np.nan) if name == "model.norm.weight" else tensor
            for name, tensor in checkpoint.read_checkpoint(base).items()}
    checkpoint.write_checkpoint(tmp_path / "sick", {}, sick)
    (tmp_path / "sick/config.json").write_bytes((base / "config.json").read_bytes())
    run = program.run("evaluate", base, tmp_path / "sick", *of_tasks(tasks), "--split", "validation")
    assert run.code == 2 and "not finite in row 0" in run.err and f"model {tmp_path / 'sick'};" in run.err


def test_a_mixture_is_evaluated_too(llamas, tasks, tmp_path):
    base, a, b = llamas(hidden=16)
    path = write_recipe(tmp_path / "smile.yml", {
        "merge_method": "smile", "base_model": str(base), "models": models(a, b),
        "parameters": {"rank": 2, "gate_rank": 2}})
    outcome = program.run("merge", path, tmp_path / "mixture")
    if outcome.code != 0:
        path.write_text(yaml.safe_dump({"merge_method": "smile", "base_model": str(base),
                                        "models": models(a, b)}))
        program.succeed("merge", path, tmp_path / "mixture")
    found = evaluate(tasks, path, tmp_path / "mixture")
    assert found[str(path)] == pytest.approx(found[str(tmp_path / "mixture")], rel=1e-6)


# --- tune ----------------------------------------------------------------------------------------


def test_grid_finds_the_best_of_its_values(recipe, tasks, tmp_path):
    found = run("tune", recipe, *of_tasks(tasks), "--vary", "parameters.lambda=0.2:1:0.4",
                "--vary", "models[*].parameters.weight=0.5,1", "--objective", "mean_metric", "-o",
                tmp_path / "best.yml")
    tried = [tuple(each["values"]) for each in found["candidates"]]
    assert tried == [(l, w) for l in ("0.2", "0.6", "1") for w in ("0.5", "1")]
    for candidate in found["candidates"]:
        one = yaml.safe_load(recipe.read_text())
        one["parameters"]["lambda"] = float(candidate["values"][0])
        for model in one["models"]:
            model["parameters"]["weight"] = float(candidate["values"][1])
        own = write_recipe(tmp_path / "own.yml", one)
        assert evaluate(tasks, own)[str(own)] == candidate["metrics"]
    best = max(range(6), key=lambda i: found["candidates"][i]["objective"])
    assert found["best"] == best


def test_gains_and_objectives_are_those_of_the_definition(llamas, recipe, tasks, tmp_path):
    base, a, b = tmp_path / "base", tmp_path / "tune1", tmp_path / "tune2"
    figures = evaluate(tasks, base, a, b)
    zero = figures[str(base)]
    top = [min(figures[str(a)][t], figures[str(b)][t]) for t in (0, 1)]
    for objective in ("least_gain", "mean_gain", "mean_metric"):
        flags = ["--objective", objective]
        outcome = program.run("tune", recipe, *of_tasks(tasks), "--vary", "parameters.lambda=0.5,1",
                              "-o", tmp_path / f"{objective}.yml", "--json", *flags)
        if any(top[t] >= zero[t] for t in (0, 1)) and objective != "mean_metric":
            assert outcome.code == 2 and "no input is better than the base" in outcome.err
            continue
        assert outcome.code == 0, outcome.err
        for candidate in json.loads(outcome.out)["candidates"]:
            metrics = candidate["metrics"]
            gains = [(metrics[t] - zero[t]) / (top[t] - zero[t]) for t in (0, 1)]
            assert candidate["gains"] == pytest.approx(gains)
            expected = {"least_gain": min(gains), "mean_gain": np.mean(gains),
                        "mean_metric": -np.mean(metrics)}[objective]
            assert candidate["objective"] == pytest.approx(expected)


def test_the_best_is_an_ordinary_recipe(recipe, tasks, tmp_path):
    (tmp_path / "out").mkdir()
    best = tmp_path / "out/best.yml"
    found = run("tune", recipe, *of_tasks(tasks), "--vary", "parameters.lambda=0.3,0.9",
                "--objective", "mean_metric", "-o", best)
    text = best.read_text()
    assert text == found["recipe"] and "# Command: merganser tune" in text and "one.yml" in text
    program.succeed("merge", best, tmp_path / "merged")
    metrics = found["candidates"][found["best"]]["metrics"]
    assert evaluate(tasks, tmp_path / "merged")[str(tmp_path / "merged")] == metrics
    tested = found["tested"]["rows"][-1]["tasks"]
    on_test = evaluate(tasks, best, split="test")[str(best)]
    assert [tested[task.stem]["value"] for task in tasks] == on_test


def test_models_beside_the_recipe_are_found_from_another_folder(llamas, tasks, tmp_path):
    llamas()
    recipe = write_recipe(tmp_path / "r.yml", {"merge_method": "slerp", "base_model": "base",
                                               "models": models("base", "tune1"),
                                               "parameters": {"t": 0.5}})
    (tmp_path / "elsewhere").mkdir()
    best = tmp_path / "elsewhere/best.yml"
    run("tune", recipe, *of_tasks(tasks), "--vary", "parameters.t=0.2,0.8", "--objective",
        "mean_metric", "-o", best)
    assert yaml.safe_load(best.read_text())["base_model"] == "../base"
    program.succeed("plan", best)


def test_golden_section_ends_on_a_hill(recipe, tasks, tmp_path):
    """On one of them, where there are several: nothing near its best is better."""
    options = [*of_tasks(tasks), "--objective", "mean_metric"]
    found = run("tune", recipe, *options, "--vary", "parameters.lambda=[0, 2]", "--strategy", "golden",
                "-o", tmp_path / "golden.yml")
    best = found["candidates"][found["best"]]
    assert len(found["candidates"]) < 15
    top = float(best["values"][0])
    near = run("tune", recipe, *options, "--vary",
               f"parameters.lambda={max(0, top - 0.15):.3f}:{min(2, top + 0.15):.3f}:0.03", "-o",
               tmp_path / "near.yml")
    assert best["objective"] > near["candidates"][near["best"]]["objective"] - 0.005


def test_the_test_split_never_chooses(recipe, tasks, tmp_path):
    """With other test data the same is chosen."""
    options = [*of_tasks(tasks), "--objective", "mean_metric", "--vary", "parameters.lambda=0.2:1:0.2"]
    first = run("tune", recipe, *options, "-o", tmp_path / "a.yml")
    for task in tasks:
        file = task.with_suffix(".safetensors")
        tensors = safetensors_file.read(file)
        tensors["t"] = np.zeros(130, np.int32)
        safetensors_file.write(file, tensors)
    second = run("tune", recipe, *options, "-o", tmp_path / "b.yml")
    assert first["candidates"] == second["candidates"] and first["best"] == second["best"]
    assert first["tested"]["rows"] != second["tested"]["rows"]


def test_evaluations_limit_a_grid_and_the_seed_says_which(recipe, tasks, tmp_path):
    def tried(seed):
        found = run("tune", recipe, *of_tasks(tasks), "--objective", "mean_metric", "--vary",
                    "parameters.lambda=0.1:2:0.1", "--evaluations", "4", "--seed", seed, "-o",
                    tmp_path / "best.yml", "--force")
        return [each["values"][0] for each in found["candidates"]]

    assert len(tried(1)) == 4 and tried(1) == tried(1) and tried(1) != tried(2)


def test_a_candidate_that_fails_is_not_the_best(recipe, tasks, tmp_path):
    found = run("tune", recipe, *of_tasks(tasks), "--objective", "mean_metric", "--vary",
                "parameters.lambda=0.5,1e39", "-o", tmp_path / "best.yml")
    assert found["best"] == 0 and found["candidates"][1]["failure"]


@pytest.mark.parametrize("arguments, words", [
    (["--vary", "parameters.lambada=1"], "has no parameter 'lambada'"),
    (["--vary", "models[2].parameters.weight=1"], "'models' has 2 entries"),
    (["--vary", "parameters.lambda=x"], "with parameters.lambda = x"),
    (["--vary", "parameters.lambda=1:0:0.1"], "holds no value"),
    (["--vary", "parameters.lambda=[0,1]", "--strategy", "grid"], "a grid has no intervals"),
    (["--vary", "parameters.lambda=1,2", "--strategy", "golden"], "takes intervals"),
    (["--vary", "parameters.lambda=1,2", "--vary", "parameters.lambda=3"], "varied twice"),
    (["--vary", "parameters.lambda=1,2", "--test-split", "validation"], "cannot be one split"),
    (["--vary", "parameters.lambda=1,2", "--split", "train"], "has no split 'train'"),
])
def test_mistakes_are_told_before_the_work(recipe, tasks, tmp_path, arguments, words):
    outcome = program.run("tune", recipe, *of_tasks(tasks), *arguments, "-o", tmp_path / "best.yml")
    assert outcome.code == 2 and words in outcome.err and outcome.err.count("\n") == 1
    assert not (tmp_path / "best.yml").exists()


def test_an_existing_output_is_kept(recipe, tasks, tmp_path):
    (tmp_path / "best.yml").write_text("mine")
    outcome = program.run("tune", recipe, *of_tasks(tasks), "--vary", "parameters.lambda=1,2", "-o",
                          tmp_path / "best.yml")
    assert outcome.code == 2 and "it exists already" in outcome.err
    assert (tmp_path / "best.yml").read_text() == "mine"


def test_an_interruption_keeps_the_best_so_far(recipe, tasks, tmp_path):
    process = program.start("tune", recipe, *of_tasks(tasks), "--objective", "mean_metric", "--vary",
                            "parameters.lambda=0:9:0.001", "-o", tmp_path / "best.yml", "--json",
                            "--threads", "1")
    time.sleep(4)
    process.send_signal(signal.SIGINT)
    outcome = program.finish(process)
    assert outcome.code == 130
    if not outcome.out:
        pytest.skip("interrupted before the first candidate, on so busy a machine")
    found = json.loads(outcome.out)
    assert found["interrupted"] and 0 < len(found["candidates"]) < 9001
    assert "interrupted" in (tmp_path / "best.yml").read_text()
    program.succeed("plan", tmp_path / "best.yml")


# --- soups ---------------------------------------------------------------------------------------


@pytest.fixture
def ingredients(tmp_path):
    config = checkpoint.llama_config()
    base = checkpoint.random_tensors(checkpoint.llama_shapes(config), 0)
    return [checkpoint.write_checkpoint(tmp_path / f"run{i}", config, checkpoint.near(base, i, 0.3))
            for i in range(4)]


def test_greedy_soup_follows_its_definition(ingredients, tasks, tmp_path):
    found = run("soup", *ingredients, *of_tasks(tasks), "-o", tmp_path / "soup.yml")

    def objective(members):
        path = write_recipe(tmp_path / "one.recipe.yml", {
            "merge_method": "linear", "models": models(*(ingredients[i] for i in members),
                                                       weight=[1] * len(members))})
        return -np.mean(evaluate(tasks, path)[str(path)])

    alone = [objective([i]) for i in range(4)]
    order = sorted(range(4), key=lambda i: -alone[i])
    soup, best = [order[0]], alone[order[0]]
    for i in order[1:]:
        value = objective(soup + [i])
        if value > best:
            soup, best = soup + [i], value
    chosen = found["candidates"][found["best"]]
    assert [int(i) for i in chosen["values"]] == soup
    assert chosen["objective"] == pytest.approx(best, abs=1e-6)
    recipe = yaml.safe_load((tmp_path / "soup.yml").read_text())
    assert recipe["merge_method"] == "linear"
    assert [m["model"] for m in recipe["models"]] == [str(ingredients[i]) for i in soup]


def test_uniform_soup_is_the_mean(ingredients, tasks, tmp_path):
    run("soup", *ingredients, *of_tasks(tasks), "--uniform", "-o", tmp_path / "soup.yml", "--merge",
        tmp_path / "soup")
    merged = checkpoint.read_checkpoint(tmp_path / "soup")
    parts = [checkpoint.read_checkpoint(folder) for folder in ingredients]
    for name, array in merged.items():
        mean = np.mean([part[name].astype(np.float64) for part in parts], axis=0)
        np.testing.assert_allclose(array, mean, rtol=1e-6, atol=1e-7)


def test_a_soup_has_two_models_that_fit(ingredients, llamas, tasks, tmp_path):
    flags = [*of_tasks(tasks), "-o", tmp_path / "soup.yml"]
    assert "two models or more" in program.run("soup", ingredients[0], *flags).err
    assert "there twice" in program.run("soup", ingredients[0], ingredients[0], *flags).err
    other = llamas(hidden=16)[0]
    assert program.run("soup", ingredients[0], other, *flags).code == 2
