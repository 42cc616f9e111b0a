"""merganser barrier: numbers against NumPy, files, bad input; the small networks it runs."""

import json
import re
import signal
import time
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from support import networks, program, safetensors_file
from support.checkpoint import read_checkpoint
from support.runtime import need_runtime


@pytest.fixture(autouse=True)
def runtime(merganser):
    need_runtime(merganser)


@pytest.fixture
def pair(tmp_path):
    return networks.mlp(tmp_path / "a", 1), networks.mlp(tmp_path / "b", 2)


@pytest.fixture
def task(tmp_path):
    return networks.task(tmp_path)


def barrier(*arguments):
    return json.loads(program.succeed("barrier", *arguments, "--threads", 1, "--json"))


# --- numbers ------------------------------------------------------------------------------------


def test_losses_along_the_line(pair, task):
    file, splits = task
    report = barrier(*pair, "--task", file, "--points", 5)
    config = json.loads((pair[0] / "config.json").read_text())
    a, b = (safetensors_file.read(each / "model.safetensors") for each in pair)
    for panel in report["panels"]:
        values, labels = splits[panel["split"]]
        (curve,) = panel["curves"]
        for i, weight in enumerate(np.linspace(0, 1, 5)):
            mixed = {name: (1 - weight) * a[name].astype("f8") + weight * b[name] for name in a}
            logits = networks.forward_with(mixed, config, values)
            assert curve["loss"][i] == pytest.approx(networks.losses(logits, labels).mean(), abs=1e-5)
            assert curve["error"][i] == pytest.approx((logits.argmax(1) != labels).mean())
        loss = np.array(curve["loss"])
        assert curve["best"] == np.linspace(0, 1, 5)[loss.argmin()]
        middle = curve["loss_barrier"]["above_mean"]
        assert middle["unclipped"] == pytest.approx(loss[1:-1].max() - (loss[0] + loss[-1]) / 2)
        assert middle["barrier"] == max(0, middle["unclipped"])


def test_a_model_and_itself_have_no_barrier(pair, task):
    for path in ("line", "slerp"):
        report = barrier(pair[0], pair[0], "--task", task[0], "--points", 3, "--path", path)
        assert report["distance"] == 0 and report["angle"] < 1e-6
        for panel in report["panels"]:
            (curve,) = panel["curves"]
            np.testing.assert_allclose(curve["loss"], curve["loss"][0], atol=1e-6)


def test_several_tasks_splits_and_rows(pair, task, tmp_path):
    other, _ = networks.task(tmp_path, name="other", seed=4)
    report = barrier(*pair, "-t", task[0], "-t", other, "--points", 3, "--split", "test", "--rows", 6)
    assert [(p["task"], p["split"], p["rows"]) for p in report["panels"]] == [
        ("random", "test", 6),
        ("other", "test", 6),
    ]


def test_statistics(tmp_path, task):
    """Stored and recomputed curves; an end with its stored statistics is that model."""
    models = [networks.mlp(tmp_path / name, seed, norm="batch") for name, seed in (("a", 1), ("b", 2))]
    report = barrier(*models, "--task", task[0], "--points", 3)
    evaluated = json.loads(
        program.succeed("evaluate", *models, "--task", task[0], "--threads", 1, "--json")
    )
    test = report["panels"][1]
    assert [c["statistics"] for c in test["curves"]] == ["stored", "recomputed"]
    for row, error in zip(evaluated["rows"], (test["curves"][0]["error"][i] for i in (0, -1))):
        assert row["tasks"]["random"]["value"] == pytest.approx(1 - error)
    assert not np.allclose(test["curves"][0]["loss"], test["curves"][1]["loss"])
    plain = barrier(*models, "--task", task[0], "--points", 3, "--no-statistics")
    assert [c["statistics"] for c in plain["panels"][1]["curves"]] == ["stored"]
    assert plain["panels"][1]["curves"][0]["loss"] == test["curves"][0]["loss"]


def test_digits_from_idx_files(tmp_path):
    """Images as MNIST has them, packed and not."""
    random = np.random.default_rng(5)
    images, labels = random.integers(0, 256, (9, 2, 3)), random.integers(0, 3, 9)
    model = networks.mlp(tmp_path / "m", 1, inputs=(1, 2, 3))
    for packed in (False, True):
        networks.idx(tmp_path / "images", images, packed)
        networks.idx(tmp_path / "labels", labels, packed)
        (tmp_path / "digits.yml").write_text(
            "type: classification\nmetric: loss\noffset: 0.5\nscale: 0.25\n"
            "test: {file: images, labels: labels, rows: [2, 9]}\n"
        )
        report = json.loads(
            program.succeed("evaluate", model, "--task", tmp_path / "digits.yml", "--threads", 1, "--json")
        )
        logits = networks.forward(model, (images[2:] / 255 - 0.5) / 0.25)
        value = report["rows"][0]["tasks"]["digits"]["value"]
        assert value == pytest.approx(networks.losses(logits, labels[2:]).mean(), abs=1e-5)


def test_merges_keep_integer_tensors(tmp_path, merged):
    """The networks merge like any checkpoint; a merge runs."""
    a, b = (networks.mlp(tmp_path / n, 1, scale=s, norm="batch") for n, s in (("a", 1.0), ("b", 2.0)))
    recipe = {"merge_method": "linear", "dtype": "float32",
              "models": [{"model": str(m), "parameters": {"weight": 0.5}} for m in (a, b)]}
    tensors = merged(recipe)
    first, second = read_checkpoint(a), read_checkpoint(b)
    assert set(tensors) == set(first)
    assert tensors["layers.0.norm.num_batches_tracked"] == 8
    np.testing.assert_allclose(
        tensors["layers.0.linear.weight"], (first["layers.0.linear.weight"] + second["layers.0.linear.weight"]) / 2, atol=1e-6
    )
    file, _ = networks.task(tmp_path)
    program.succeed("evaluate", tmp_path / "merged", "--task", file, "--threads", 1)


# --- files --------------------------------------------------------------------------------------


def test_plot_and_table(pair, task, tmp_path):
    svg = tmp_path / "plot.svg"
    out = program.succeed("barrier", *pair, "-t", task[0], "--points", 9, "--svg", svg, "--threads", 1)
    assert "above mean" in out and re.search("[▁▂▃▄▅▆▇█]{9}", out) and str(svg) in out
    root = ElementTree.parse(svg).getroot()
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 8  # train and test, model and ensemble, loss and error
    assert all(len(line.get("points").split()) == 9 for line in lines)


def test_a_plane_of_three(pair, task, tmp_path):
    third = networks.mlp(tmp_path / "c", 3)
    svg, page = tmp_path / "plane.svg", tmp_path / "plane.html"
    out = program.succeed("barrier", *pair, third, "-t", task[0], "--points", 5, "--split", "test",
                          "--svg", svg, "--report", page, "--threads", 1)
    assert "5 x 5 points" in out
    squares = [r for r in ElementTree.parse(svg).getroot().iter("{http://www.w3.org/2000/svg}rect")
               if r.get("fill")]
    assert len(squares) == 2 * 25
    assert '"path": "plane"' in page.read_text()


def test_existing_files_are_kept(pair, task, tmp_path):
    for flag in ("--svg", "--report"):
        taken = tmp_path / "taken"
        taken.write_text("mine")
        line = program.fail("barrier", *pair, "-t", task[0], flag, taken)
        assert "exists already" in line and taken.read_text() == "mine"
        program.succeed("barrier", *pair, "-t", task[0], flag, taken, "--force", "--points", 3)
        assert taken.read_text() != "mine"
        assert "folder does not exist" in program.fail(
            "barrier", *pair, "-t", task[0], flag, tmp_path / "no/where"
        )


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flags, said",
    [
        (["--points", "2"], "--points is from 3 to 1001"),
        (["--points", "5000"], "--points is from 3 to 1001"),
        (["--path", "arc"], "--path"),
        (["--split", "validation"], "has no split 'validation'"),
        (["--margin", "-1"], "--margin"),
    ],
)
def test_flags_out_of_range(pair, task, flags, said):
    assert said in program.fail("barrier", *pair, "-t", task[0], *flags)


def test_wrong_numbers_of_models(pair, task):
    assert "two models" in program.fail("barrier", pair[0], "-t", task[0])
    assert "two models" in program.fail("barrier", *pair, *pair, "-t", task[0])
    assert "one line" in program.fail("barrier", *pair, pair[0], "-t", task[0])
    assert "leave --path out" in program.fail("barrier", *pair, pair[0], "-t", task[0], "--path", "slerp")


def test_models_that_do_not_fit(pair, task, tmp_path, stories):
    wide = networks.mlp(tmp_path / "wide", 3, sizes=(6, 4))
    line = program.fail("barrier", pair[0], wide, "-t", task[0])
    assert "layers.0.linear.bias" in line and str(wide) in line
    assert "normed: it lacks" not in line
    assert "is a llama model" in program.fail("barrier", pair[0], stories / "base", "-t", task[0])
    other = networks.mlp(tmp_path / "other", 3, inputs=(7,))
    assert "the model takes [7]" in program.fail("barrier", other, other, "-t", task[0])
    few = networks.mlp(tmp_path / "few", 3, classes=2)
    assert "the head of task 'random' has 2 classes" in program.fail("barrier", few, few, "-t", task[0])


def test_weights_that_do_not_fit_the_config(pair, task):
    config = json.loads((pair[0] / "config.json").read_text())
    for change, said in (
        ({"hidden_sizes": [5, 4, 4]}, "layers.2.linear.weight"),
        ({"hidden_sizes": [5]}, "by config.json it has to be [3, 5]"),
        ({"norm": "layer"}, "layers.0.norm.weight"),
        ({"norm": "group"}, "group normalisation"),
        ({"model_type": "mlp2"}, "can be merged, but not run"),
        ({"input_shape": [-1]}, "input_shape"),
    ):
        (pair[0] / "config.json").write_text(json.dumps({**config, **change}))
        assert said in program.fail("barrier", *pair, "-t", task[0])


def test_configs_that_differ_are_noted(pair, task):
    config = json.loads((pair[1] / "config.json").read_text())
    (pair[1] / "config.json").write_text(json.dumps({**config, "hidden_act": "gelu"}))
    (note,) = barrier(*pair, "-t", task[0], "--points", 3)["notes"]
    assert "hidden_act" in note


def test_statistics_need_a_train_split(tmp_path, task):
    models = [networks.mlp(tmp_path / name, 1, norm="batch") for name in "ab"]
    text = task[0].read_text().splitlines()
    task[0].write_text("\n".join(line for line in text if not line.startswith("train")))
    assert "no split 'train'" in program.fail("barrier", *models, "-t", task[0])
    barrier(*models, "-t", task[0], "--no-statistics", "--points", 3)


def test_losses_that_are_not_finite(pair, task):
    tensors = dict(safetensors_file.read(pair[1] / "model.safetensors"))
    tensors["classifier.bias"] = np.array([np.nan, 0, 0], "f4")
    safetensors_file.write(pair[1] / "model.safetensors", tensors)
    assert "is not finite" in program.fail("barrier", *pair, "-t", task[0], "--points", 3)


def test_broken_idx_files(tmp_path):
    model = networks.mlp(tmp_path / "m", 1, inputs=(1, 2, 3))
    images = networks.idx(tmp_path / "images", np.zeros((4, 2, 3)), packed=True)
    networks.idx(tmp_path / "labels", np.zeros(4), packed=False)
    task = tmp_path / "digits.yml"
    task.write_text("type: classification\ntest: {file: images, labels: labels}\n")
    program.succeed("evaluate", model, "-t", task, "--threads", 1)
    images.write_bytes(images.read_bytes()[:-12])
    assert "images" in program.fail("evaluate", model, "-t", task)
    networks.idx(images, np.zeros((3, 2, 3)))
    assert "3 images need as many labels" in program.fail("evaluate", model, "-t", task)
    images.write_bytes(bytes([0, 0, 8, 3]) + b"\xff" * 12)
    assert "2^32" in program.fail("evaluate", model, "-t", task)


def test_an_interrupted_run_writes_nothing(tmp_path):
    models = [networks.mlp(tmp_path / n, s, sizes=(400, 400), inputs=(64,)) for n, s in (("a", 1), ("b", 2))]
    file, _ = networks.task(tmp_path, inputs=(64,), rows=(20000, 20000))
    svg = tmp_path / "plot.svg"
    process = program.start("barrier", *models, "-t", file, "--points", 1001, "--svg", svg, "--threads", 1)
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    outcome = program.finish(process, timeout=60)
    assert outcome.code == 130 and "interrupted" in outcome.err
    assert not svg.exists()
