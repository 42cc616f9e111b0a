"""`merganser train` and `merganser fit-head`: what they write, what they refuse, that the same seed gives
the same bytes, that an interrupted run leaves nothing, and that they learn."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from support import checkpoint, safetensors_file
from support.program import fail, finish, program, run, start, succeed
from support.runtime import need_runtime

DATA = Path(os.environ.get("MERGANSER_DATA", Path(__file__).resolve().parents[3] / "shared/data"))


@pytest.fixture(autouse=True)
def _runtime():
    need_runtime(program())


def train(base, tasks, out, *options, command=succeed, **more):
    chosen = {"steps": 5, "batch": 4, "lr": 1e-2, "threads": 1, **more}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in chosen.items()]
    tasks = tasks if isinstance(tasks, list) else [tasks]
    return command("train", base, *[part for task in tasks for part in ("-t", task)], "-o", out, *flags,
                   *options)


def text_task(folder, name="text", pattern=(1, 2, 3, 4), tokens=400, **changes):
    """A text that repeats a pattern: there is something to learn in a few steps."""
    ids = np.resize(np.array(pattern, np.int32), tokens)
    safetensors_file.write(folder / f"{name}.safetensors", {"ids": ids})
    keys = {"task": name, "type": "language_modelling", "length": 8,
            **{split: f"{{file: {name}.safetensors}}" for split in ("train", "validation", "test")},
            **changes}
    file = folder / f"{name}.yml"
    file.write_text("".join(f"{key}: {value}\n" for key, value in keys.items() if value is not None))
    return file


def labelled_task(folder, name="first", rows=64, **changes):
    """Is the first token below 8? Read off the first token's vector."""
    random = np.random.default_rng(1)
    ids = random.integers(0, 16, (rows, 5)).astype(np.int32)
    labels = (ids[:, 0] < 8).astype(np.int32)
    safetensors_file.write(folder / f"{name}.safetensors", {"ids": ids, "labels": labels})
    keys = {"task": name, "type": "classification", "head": f"{name}-head.safetensors",
            "pooling": "first",
            **{split: f"{{file: {name}.safetensors}}" for split in ("train", "validation", "test")},
            **changes}
    file = folder / f"{name}.yml"
    file.write_text("".join(f"{key}: {value}\n" for key, value in keys.items()))
    return file


def loss(model, task):
    report = json.loads(succeed("evaluate", model, "-t", task, "--threads", 1, "--json"))
    return next(iter(report["rows"][0]["tasks"].values()))["value"]


@pytest.fixture
def base(tmp_path):
    return checkpoint.llama(tmp_path / "base", companions={"tokenizer.json": b"{}", "README.md": b"base"})


def test_a_checkpoint_as_the_base_is(tmp_path, base):
    task = text_task(tmp_path)
    train(base, task, tmp_path / "out")
    before, after = checkpoint.read_checkpoint(base), checkpoint.read_checkpoint(tmp_path / "out")
    assert {n: (t.shape, t.dtype) for n, t in before.items()} == {
        n: (t.shape, t.dtype) for n, t in after.items()}
    assert all((before[name] != after[name]).any() for name in before)
    assert (tmp_path / "out/config.json").read_bytes() == (base / "config.json").read_bytes()
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"config.json", "tokenizer.json", "model.safetensors", "train.json"}
    record = json.loads((tmp_path / "out/train.json").read_text())
    assert record["options"]["steps"] == 5 and len(record["losses"]) == 5
    assert record["tasks"][0]["files"].keys() == {"text.safetensors"}
    assert loss(tmp_path / "out", task) < loss(base, task)


def test_types_and_what_is_not_trained_stay(tmp_path):
    base = checkpoint.llama(tmp_path / "base", dtype=checkpoint.BF16)
    train(base, text_task(tmp_path), tmp_path / "out", "--freeze", "*.mlp.*", "--freeze", "*norm*")
    before, after = checkpoint.read_checkpoint(base), checkpoint.read_checkpoint(tmp_path / "out")
    for name, values in after.items():
        assert values.dtype == before[name].dtype
        same = values.tobytes() == before[name].tobytes()
        assert same == (".mlp." in name or "norm" in name), name


def test_a_second_copy_of_a_tied_tensor_is_trained_along(tmp_path):
    """Some checkpoints store lm_head.weight beside the embedding that it is tied to."""
    base = checkpoint.llama(tmp_path / "base", tied=True)
    tensors = checkpoint.read_checkpoint(base)
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].copy()
    base = checkpoint.write_checkpoint(
        tmp_path / "doubled", json.loads((base / "config.json").read_text()), tensors)
    train(base, text_task(tmp_path), tmp_path / "out")
    after = checkpoint.read_checkpoint(tmp_path / "out")
    assert (after["lm_head.weight"] == after["model.embed_tokens.weight"]).all()
    assert (after["lm_head.weight"] != tensors["lm_head.weight"]).any()


def test_the_same_seed_writes_the_same_bytes(tmp_path, base):
    task = text_task(tmp_path, pattern=np.random.default_rng(1).integers(0, 16, 400))
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(base, task, tmp_path / out, seed=seed, batch=3)

    def files(out):
        return {path.name: path.read_bytes() for path in (tmp_path / out).iterdir()}

    assert files("a") == files("b")
    assert files("a")["model.safetensors"] != files("c")["model.safetensors"]


def test_the_best_step_is_kept(tmp_path, base):
    task = text_task(tmp_path)
    # A rate far too high after the first steps: later steps are worse than earlier ones.
    report = json.loads(train(base, task, tmp_path / "out", "--json", steps=30, lr=0.3, clip=0,
                              schedule="constant", validate_every=1))
    losses = [each["loss"] for each in report["validations"]]
    assert len(losses) == 31 and report["kept_step"] == int(np.argmin(losses))
    assert loss(tmp_path / "out", task) == pytest.approx(min(losses), abs=1e-5)
    last = json.loads(train(base, task, tmp_path / "last", "--json", "--keep=last", steps=30, lr=0.3,
                            clip=0, schedule="constant", validate_every=10))
    assert last["kept_step"] == 30
    assert loss(tmp_path / "last", task) == pytest.approx(losses[-1], abs=1e-5)


def test_an_adapter_is_read_as_one(tmp_path, base):
    task = text_task(tmp_path)
    train(base, task, tmp_path / "adapter", steps=20, lora_rank=2, lora_targets="*.self_attn.*")
    config = json.loads((tmp_path / "adapter/adapter_config.json").read_text())
    assert config["r"] == 2 and config["lora_alpha"] == 4
    assert config["target_modules"] == ["k_proj", "o_proj", "q_proj", "v_proj"]
    both = f"{base}+{tmp_path / 'adapter'}"
    assert loss(both, task) < loss(base, task)
    succeed("merge", "--method", "passthrough", both, "-o", tmp_path / "merged")
    assert loss(tmp_path / "merged", task) == pytest.approx(loss(both, task), abs=1e-6)


def test_several_tasks_improve_both(tmp_path, base):
    tasks = [text_task(tmp_path, "up", (1, 2, 3, 4)), text_task(tmp_path, "down", (9, 8, 7, 6))]
    before = [loss(base, task) for task in tasks]
    for mix in ("together", "alternate"):
        train(base, tasks, tmp_path / mix, steps=40, mix=mix)
        after = [loss(tmp_path / mix, task) for task in tasks]
        assert all(new < 0.7 * old for new, old in zip(after, before, strict=True)), (mix, after)
    train(base, tasks[0], tmp_path / "one", steps=40)
    assert loss(tmp_path / "one", tasks[1]) > before[1]


def test_heads_are_fitted_fixed_and_trained(tmp_path, base):
    task = labelled_task(tmp_path)
    report = json.loads(succeed("fit-head", base, "-t", task, "--penalties", "1e-2,1e-4", "--json"))
    assert report["classes"] == 2 and [fit["converged"] for fit in report["fits"]] == [True, True]
    head = tmp_path / "first-head.safetensors"
    fitted = safetensors_file.read(head)
    assert "--force" in fail("fit-head", base, "-t", task)
    train(base, task, tmp_path / "fixed", steps=20)
    assert not list((tmp_path / "fixed").glob("head*"))
    train(base, task, tmp_path / "along", "--train-head", steps=20)
    written = safetensors_file.read(tmp_path / "along/head-first.safetensors")
    assert written.keys() == fitted.keys()
    assert all((written[name] != fitted[name]).any() for name in fitted)
    assert loss(tmp_path / "fixed", task) >= loss(base, task)  # accuracies


def test_weights_are_drawn_from_the_seed(tmp_path, base):
    (tmp_path / "empty").mkdir()
    config = tmp_path / "empty/config.json"
    config.write_bytes((base / "config.json").read_bytes())
    task = text_task(tmp_path)
    for out, seed in (("a", 3), ("b", 3), ("c", 4)):
        train(tmp_path / "empty", task, tmp_path / out, "--init", seed=seed, steps=30)
    a, b, c = (checkpoint.read_checkpoint(tmp_path / out) for out in "abc")
    assert a.keys() == checkpoint.read_checkpoint(base).keys()
    assert all((a[name] == b[name]).all() for name in a)
    assert any((a[name] != c[name]).any() for name in a)
    assert loss(tmp_path / "a", task) < 2.0 < np.log(16)  # as all tokens alike


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_narrow_arithmetic_learns_as_f32_does(tmp_path, base, dtype):
    """The optimiser keeps f32 copies: steps far below bf16's spacing add up, and are written."""
    task = text_task(tmp_path)
    train(base, task, tmp_path / "wide", steps=40, lr=2e-4)
    train(base, task, tmp_path / "narrow", f"--compute-dtype={dtype}", steps=40, lr=2e-4)
    start, wide, narrow = (
        checkpoint.read_checkpoint(path) for path in (base, tmp_path / "wide", tmp_path / "narrow"))
    for name, values in narrow.items():
        assert values.dtype == wide[name].dtype == np.float32
        # AdamW's steps are of about the rate, whatever the gradients; 1.5 for those that are larger.
        assert np.abs(values - start[name]).max() < 1.5 * 40 * 2e-4, name
    found = {name: loss(path, task) for name, path in
             (("base", base), ("wide", tmp_path / "wide"), ("narrow", tmp_path / "narrow"))}
    gained = (found["base"] - found["narrow"]) / (found["base"] - found["wide"])
    assert 0.8 < gained < 1.2, found


def test_narrow_arithmetic_keeps_the_digits_of_the_base(tmp_path, base):
    """Of f32 weights that hardly move: they are not rounded to what they are computed with."""
    train(base, text_task(tmp_path), tmp_path / "out", "--compute-dtype=bfloat16", steps=1, lr=1e-8)
    start, after = (checkpoint.read_checkpoint(path) for path in (base, tmp_path / "out"))
    for name, values in after.items():
        assert np.abs(values - start[name]).max() < 2e-7, name


def test_an_interrupted_run_leaves_nothing(tmp_path, base):
    task = text_task(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    process = start("train", base, "-t", task, "-o", tmp_path / "out", "--steps", 10**6, "--threads", 1)
    time.sleep(2)
    os.killpg(process.pid, signal.SIGINT)
    outcome = finish(process, timeout=30)
    assert outcome.code == 130 and "nothing was written" in outcome.err
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"lr": "1e30", "clip": 0}, "step"),
        ({"lr": 0}, "--lr"),
        ({"smoothing": 1}, "--smoothing"),
        ({"keep": "best"}, "--validate-every"),
        ({"task_weights": "1,2"}, "2 weights for 1 task"),
        ({"freeze": "*nothing*"}, "*nothing*"),
        ({"freeze": "*"}, "nothing to train"),
        ({"lora_alpha": 4}, "--lora-rank"),
        ({"lora_rank": 2, "lora_targets": "*nothing*"}, "*nothing*"),
        ({"lora_rank": 2, "freeze": "*"}, "--lora-targets"),
        ({"schedule": "sometimes"}, "schedule"),
    ],
)
def test_bad_options(tmp_path, base, options, says):
    said = train(base, text_task(tmp_path), tmp_path / "out", command=fail, **options)
    assert says in said
    assert not list(tmp_path.glob("*out*"))


def test_bad_tasks(tmp_path, base):
    (tmp_path / "out").mkdir()
    assert "--force" in train(base, text_task(tmp_path), tmp_path / "out", command=fail)
    (tmp_path / "out").rmdir()
    cases = {
        "no validation": (text_task(tmp_path, "a", validation=None), {"validate_every": 1}),
        "no window": (text_task(tmp_path, "b", tokens=5), {}),
        "outside the vocabulary": (text_task(tmp_path, "c", (1, 99)), {}),
        "no head file": (labelled_task(tmp_path, "d"), {}),
    }
    for name, (task, options) in cases.items():
        said = train(base, task, tmp_path / "out", command=fail, **options)
        assert task.stem in said or "head" in said, (name, said)
        assert not (tmp_path / "out").exists()
    said = train(base, [text_task(tmp_path)] * 2, tmp_path / "out", command=fail)
    assert "two tasks are named 'text'" in said


def test_a_base_that_is_not_finite(tmp_path, base):
    tensors = checkpoint.read_checkpoint(base)
    tensors["model.norm.weight"] = np.full(8, np.nan, np.float32)
    broken = checkpoint.write_checkpoint(
        tmp_path / "broken", json.loads((base / "config.json").read_text()), tensors)
    said = train(broken, text_task(tmp_path), tmp_path / "out", command=fail)
    assert "not finite in step 1" in said and not (tmp_path / "out").exists()


def test_a_label_without_a_class(tmp_path, base):
    task = labelled_task(tmp_path)
    safetensors_file.write(tmp_path / "first-head.safetensors",
                           {"weight": np.zeros((1, 8), np.float32), "bias": np.zeros(1, np.float32)})
    said = train(base, task, tmp_path / "out", command=fail)
    assert "a label is 1" in said and "1 classes" in said


@pytest.mark.slow
def test_the_recipe_of_the_shared_fine_tune(tmp_path):
    """400 steps of AdamW make of stories260k's base about what its README has: 2.7897 over the whole
    held-out text, from 4.5892."""
    if not (DATA / "stories260k").exists():
        pytest.skip(f"no shared data at {DATA}")
    task = tmp_path / "shakespeare.yml"
    tokens = DATA / "tokens/shakespeare.safetensors"
    task.write_text(
        "task: shakespeare\ntype: language_modelling\nlength: 128\n"
        f"train: {{file: {tokens}, inputs: train}}\ntest: {{file: {tokens}, inputs: heldout}}\n")
    outcome = run("train", DATA / "stories260k/base", "-t", task, "-o", tmp_path / "out", "--steps", 400,
                  "--batch", 16, "--lr", 2e-3, "--quiet", timeout=1200)
    assert outcome.code == 0, outcome.err
    assert loss(tmp_path / "out", task) == pytest.approx(2.79, abs=0.05)
