"""MLP, VGG and ResNet against the same networks in PyTorch: logits, recomputed statistics of
BatchNorm, and the barrier."""

import copy
import json

import numpy as np
import pytest

from support import program
from support.runtime import need_runtime

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.numpy")
from oracle import networks  # noqa: E402  (needs torch)

IMAGES = {"input_shape": [3, 32, 32], "num_labels": 10}
RESNET20 = {"model_type": "resnet", **IMAGES, "depths": [3, 3, 3]}
CASES = {
    "mlp": {"model_type": "mlp", "input_shape": [1, 4, 5], "hidden_sizes": [7, 9, 4], "num_labels": 3,
            "norm": "none"},
    "mlp-batch": {"model_type": "mlp", "input_shape": [20], "hidden_sizes": [16, 8], "num_labels": 4,
                  "norm": "batch", "hidden_act": "gelu"},
    "mlp-layer": {"model_type": "mlp", "input_shape": [20], "hidden_sizes": [16], "num_labels": 4,
                  "norm": "layer", "hidden_act": "tanh"},
    "mlp-linear": {"model_type": "mlp", "input_shape": [20], "hidden_sizes": [], "num_labels": 4,
                   "norm": "none"},
    # 13 convolutions, a quarter as wide as VGG16, as git-re-basin: two hidden layers at the end.
    "vgg16-layer": {"model_type": "vgg", **IMAGES, "hidden_sizes": [16, 32, 64, 128, 128],
                    "depths": [2, 2, 3, 3, 3], "norm": "layer", "classifier_sizes": [128, 128]},
    "vgg11-batch": {"model_type": "vgg", **IMAGES, "hidden_sizes": [16, 32, 64, 64, 64],
                    "depths": [1, 1, 2, 2, 2], "norm": "batch"},
    "vgg-pooled": {"model_type": "vgg", "input_shape": [1, 20, 17], "hidden_sizes": [4, 6],
                   "depths": [1, 2], "norm": "none", "pooled_size": 3, "conv_bias": False,
                   "num_labels": 5},
    "resnet20-batch": {**RESNET20, "hidden_sizes": [16, 32, 64], "norm": "batch"},
    "resnet20-layer": {**RESNET20, "hidden_sizes": [32, 64, 128], "norm": "layer"},
    "resnet-plain": {"model_type": "resnet", "input_shape": [1, 9, 7], "hidden_sizes": [6, 10],
                     "depths": [1, 2], "norm": "none", "num_labels": 3},
    "resnet18": {"model_type": "resnet", "input_shape": [3, 64, 64], "hidden_sizes": [16, 32, 64, 128],
                 "depths": [2, 2, 2, 2], "norm": "batch", "stem": "imagenet", "num_labels": 11},
    "resnet50": {"model_type": "resnet", "input_shape": [3, 64, 64],
                 "hidden_sizes": [64, 128, 256, 512], "depths": [3, 4, 6, 3], "norm": "batch",
                 "layer_type": "bottleneck", "stem": "imagenet", "num_labels": 11},
}


@pytest.fixture(autouse=True)
def runtime(merganser):
    need_runtime(merganser)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("name", CASES)
def test_logits(name, tmp_path):
    config = CASES[name]
    model = networks.build(config, 1)
    folder = networks.save(model, config, tmp_path / "model")
    values = torch.randn(5, *config["input_shape"])
    given, made = tmp_path / "in.safetensors", tmp_path / "out.safetensors"
    safetensors.save_file({"values": values.numpy()}, given)
    program.succeed("logits", folder, "--input", given, "-o", made, "--quiet", "--threads", 1)
    with torch.no_grad():
        expected = model(values).numpy()
    assert np.abs(expected).max() > 0.05
    np.testing.assert_allclose(safetensors.load_file(made)["logits"], expected, rtol=0, atol=1e-4)


def interpolated(a, b, weight):
    """(1 - weight) a + weight b, running statistics included."""
    model = copy.deepcopy(a)
    state = {
        name: (1 - weight) * tensor + weight * b.state_dict()[name]
        if tensor.is_floating_point()
        else tensor
        for name, tensor in a.state_dict().items()
    }
    model.load_state_dict(state)
    return model


def slerped(a, b, weight):
    names = [name for name, _ in a.named_parameters()]
    x, y = (torch.cat([m.state_dict()[name].double().flatten() for name in names]) for m in (a, b))
    angle = torch.acos((x @ y) / (x.norm() * y.norm()))
    first = (torch.sin((1 - weight) * angle) / torch.sin(angle)).item()
    second = (torch.sin(weight * angle) / torch.sin(angle)).item()
    model = interpolated(a, b, weight)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(first * a.state_dict()[name] + second * b.state_dict()[name])
    return model


def recompute(model, values, size):
    """BatchNorm's statistics by PyTorch's cumulative average, over interleaved batches."""
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
            module.momentum = None
    model.train()
    count = -(-len(values) // size)
    with torch.no_grad():
        for batch in range(count):
            model(values[batch::count])
    return model.eval()


def measure(model, values, labels):
    with torch.no_grad():
        logits = model(values)
    loss = torch.nn.functional.cross_entropy(logits.double(), labels).item()
    return loss, (logits.argmax(1) != labels).double().mean().item()


@pytest.fixture
def pair(tmp_path):
    """pair(config): two networks, where they lie, a task and its data by split."""

    def make(config):
        models = [networks.build(config, seed) for seed in (1, 2)]
        folders = [networks.save(m, config, tmp_path / name) for m, name in zip(models, "ab")]
        torch.manual_seed(3)
        splits, text = {}, "type: classification\ntask: random\n"
        for split, rows in (("train", 50), ("test", 23)):
            values = torch.randn(rows, *config["input_shape"])
            labels = torch.randint(config["num_labels"], (rows,))
            splits[split] = values, labels
            safetensors.save_file(
                {"values": values.numpy(), "labels": labels.numpy()}, tmp_path / f"{split}.safetensors"
            )
            text += f"{split}: {{file: {split}.safetensors, inputs: values, labels: labels}}\n"
        task = tmp_path / "task.yml"
        task.write_text(text)
        return models, folders, task, splits

    return make


@pytest.mark.parametrize("path", ["line", "slerp"])
@pytest.mark.parametrize("name", ["mlp", "mlp-batch", "vgg11-batch", "resnet-plain"])
def test_barrier(name, path, pair):
    models, folders, task, splits = pair(CASES[name])
    report = json.loads(
        program.succeed("barrier", *folders, "--task", task, "--points", 7, "--path", path,
                        "--batch", 16, "--threads", 1, "--json")
    )
    between = slerped if path == "slerp" else interpolated
    lambdas = np.linspace(0, 1, 7)
    np.testing.assert_allclose(report["lambdas"], lambdas, atol=1e-12)
    norms = CASES[name]["norm"] == "batch"
    expected = {}
    for weight in lambdas:
        model = between(*models, float(weight))
        for kind in ("stored", "recomputed") if norms else (None,):
            if kind == "recomputed":
                recompute(model, splits["train"][0], 16)
            for split, (values, labels) in splits.items():
                expected.setdefault((split, kind), []).append(measure(model, values, labels))
    assert sum(len(panel["curves"]) for panel in report["panels"]) == len(expected)
    for panel in report["panels"]:
        for curve in panel["curves"]:
            loss, error = np.array(expected[panel["split"], curve.get("statistics")]).T
            np.testing.assert_allclose(curve["loss"], loss, atol=2e-5)
            np.testing.assert_allclose(curve["error"], error, atol=1e-9)
            ends = (loss[0] + loss[-1]) / 2
            line = (1 - lambdas) * loss[0] + lambdas * loss[-1]
            barrier = curve["loss_barrier"]
            assert barrier["above_mean"]["unclipped"] == pytest.approx((loss - ends)[1:-1].max(), abs=5e-5)
            assert barrier["above_line"]["unclipped"] == pytest.approx((loss - line)[1:-1].max(), abs=5e-5)
            assert barrier["above_line"]["barrier"] == max(0, barrier["above_line"]["unclipped"])


def test_ensemble(pair):
    models, folders, task, splits = pair(CASES["mlp"])
    report = json.loads(
        program.succeed("barrier", *folders, "--task", task, "--points", 5, "--threads", 1, "--json")
    )
    for panel in report["panels"]:
        values, labels = splits[panel["split"]]
        with torch.no_grad():
            a, b = (model(values).double().softmax(1) for model in models)
        for i, weight in enumerate(np.linspace(0, 1, 5)):
            mean = (1 - weight) * a + weight * b
            loss = -mean.gather(1, labels[:, None]).log().mean().item()
            assert panel["ensemble"]["loss"][i] == pytest.approx(loss, abs=1e-5)
            error = (mean.argmax(1) != labels).double().mean().item()
            assert panel["ensemble"]["error"][i] == pytest.approx(error)


def test_plane(pair, tmp_path):
    config = CASES["mlp"]
    models, folders, task, splits = pair(config)
    third = networks.build(config, 9)
    networks.save(third, config, tmp_path / "c")
    report = json.loads(
        program.succeed("barrier", *folders, tmp_path / "c", "--task", task, "--points", 4, "--split",
                        "test", "--threads", 1, "--json")
    )

    def flat(model):
        return torch.cat([p.detach().double().flatten() for p in model.parameters()])

    origin, u, v = flat(models[0]), flat(models[1]) - flat(models[0]), flat(third) - flat(models[0])
    u = u / u.norm()
    v = v - (v @ u) * u
    v = v / v.norm()
    for place, model in zip(report["places"], [*models, third]):
        change = flat(model) - origin
        np.testing.assert_allclose(place, [change @ u, change @ v], atol=1e-9)
    (panel,) = report["panels"]
    (curve,) = panel["curves"]
    for i, model in enumerate([*models, third]):
        loss, error = measure(model, *splits["test"])
        assert curve["model_loss"][i] == pytest.approx(loss, abs=2e-5)
        assert curve["model_error"][i] == pytest.approx(error)
    found = iter(curve["loss"])
    for y in report["y"]:
        for x in report["x"]:
            model = copy.deepcopy(models[0])
            torch.nn.utils.vector_to_parameters((origin + x * u + y * v).float(), model.parameters())
            assert next(found) == pytest.approx(measure(model, *splits["test"])[0], abs=5e-5)
