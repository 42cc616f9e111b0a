"""`merganser train` on the small networks: steps and running statistics of BatchNorm as PyTorch's, and
weights drawn anew."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from support import row_order, runtime
from support.program import program, succeed

torch = pytest.importorskip("torch")
from oracle import networks  # noqa: E402  (needs torch)

STEPS, BATCH, RATE, ROWS = 5, 6, 1e-2, 20
IMAGES = {"input_shape": [2, 8, 9], "num_labels": 4}
CASES = {
    "mlp": {"model_type": "mlp", **IMAGES, "hidden_sizes": [9, 7], "norm": "batch"},
    "vgg": {"model_type": "vgg", **IMAGES, "hidden_sizes": [5, 6], "depths": [1, 2], "norm": "batch"},
    "resnet": {"model_type": "resnet", **IMAGES, "hidden_sizes": [6, 8], "depths": [1, 2],
               "norm": "batch"},
    "resnet-layer": {"model_type": "resnet", **IMAGES, "hidden_sizes": [6, 8], "depths": [1, 1],
                     "norm": "layer"},
}


@pytest.fixture(autouse=True)
def _runtime():
    runtime.need_runtime(program())


def images(folder):
    random = np.random.default_rng(5)
    values = random.normal(size=(ROWS, *IMAGES["input_shape"])).astype(np.float32)
    labels = random.integers(0, IMAGES["num_labels"], ROWS)
    save_file({"values": values, "labels": labels}, folder / "images.safetensors")
    split = "{file: images.safetensors, inputs: values}"
    (folder / "task.yml").write_text(
        f"task: images\ntype: classification\nmetric: loss\ntrain: {split}\ntest: {split}\n")
    return folder / "task.yml", torch.tensor(values, dtype=torch.float64), torch.tensor(labels)


@pytest.mark.parametrize("name", CASES)
def test_steps_are_pytorchs(name, tmp_path):
    model = networks.build(CASES[name], 1)
    networks.save(model, CASES[name], tmp_path / "base")
    task, values, labels = images(tmp_path)
    succeed("train", tmp_path / "base", "-t", task, "-o", tmp_path / "out", "--steps", STEPS, "--batch",
            BATCH, "--lr", RATE, "--schedule", "constant", "--optimizer", "sgd", "--clip", 0, "--seed", 2,
            "--compute-dtype", "float64", "--threads", 1, "--quiet")
    model.double().train()
    optimiser = torch.optim.SGD(model.parameters(), RATE, momentum=0.9)
    order = row_order.batches("images", ROWS, BATCH, 2)
    for _ in range(STEPS):
        rows = next(order)
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model(values[rows]), labels[rows]).backward()
        optimiser.step()
    before, written = (load_file(tmp_path / part / "model.safetensors") for part in ("base", "out"))
    assert written.keys() == before.keys()
    for key, tensor in model.state_dict().items():
        if key.endswith("num_batches_tracked"):  # kept as it was; nothing uses it
            continue
        # Rounded once to f32: 6e-8 of numbers about 1.
        np.testing.assert_allclose(written[key], tensor.numpy(), rtol=1e-6, atol=1e-6, err_msg=key)
        # A bias before BatchNorm has no gradient: the mean takes it out again.
        assert key.endswith("bias") or (written[key] != before[key]).any(), key


@pytest.mark.parametrize("name", CASES)
def test_weights_are_drawn(name, tmp_path):
    """By the documented rule, and the network learns from there."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/config.json").write_text(
        json.dumps({**CASES[name], "hidden_sizes": [64, 64]}))
    task, _, _ = images(tmp_path)
    losses = {}
    for out, steps, rate in (("drawn", 1, 1e-30), ("trained", 40, 1e-3)):
        succeed("train", tmp_path / "empty", "-t", task, "-o", tmp_path / out, "--init", "--seed", 1,
                "--steps", steps, "--batch", 10, "--lr", rate, "--threads", 1, "--quiet")
        found = json.loads(succeed("evaluate", tmp_path / out, "-t", task, "--threads", 1, "--json"))
        losses[out] = found["rows"][0]["tasks"]["images"]["value"]
    assert losses["trained"] < losses["drawn"] - 0.3, losses
    drawn = load_file(tmp_path / "drawn/model.safetensors")
    for key, tensor in drawn.items():
        if tensor.ndim < 2 or tensor.size < 2000:
            continue
        inputs = tensor[0].size
        deviation = np.sqrt((1 if key.startswith(("fc", "classifier")) else 2) / inputs)
        # 2000 draws give the deviation to 1.6 % (one sigma).
        assert abs(tensor.std() / deviation - 1) < 0.08, key
