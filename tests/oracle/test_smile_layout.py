"""SMILE checkpoints in transformers: the code that is written into them, against the formula in f64."""

import json

import numpy as np
import pytest

from oracle import smile_models as models
from support import smile
from support.checkpoint import read_checkpoint

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module", autouse=True)
def quiet(tmp_path_factory):
    """One thread, no progress bars, and the copies that transformers makes of the code in a folder of ours."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    modules = str(tmp_path_factory.mktemp("modules"))
    patch = pytest.MonkeyPatch()
    patch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", modules)
    patch.syspath_prepend(modules)
    yield
    patch.undo()
    torch.set_num_threads(threads)


def load(folder, auto="AutoModelForCausalLM", **options):
    """The model, if every tensor of the checkpoint went where it belongs."""
    model, info = getattr(transformers, auto).from_pretrained(
        folder,
        trust_remote_code=True,
        local_files_only=True,
        output_loading_info=True,
        **options,
    )
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
    return model.eval()


# The golden case: FusionBench's own numbers.


@pytest.fixture(params=[1, 2], ids=["top1", "top2"])
def golden(request, data, tmp_path):
    """The golden folder, its numbers, and the same checkpoint in our layout."""
    folder = data / f"smile_golden/llama/llama_float32_k4_g2_t{request.param}"
    if not folder.is_dir():
        pytest.skip(f"no golden SMILE data at {folder}")
    numbers = json.loads((folder / "golden.json").read_text())
    base = read_checkpoint(folder / "base")
    tunes = [read_checkpoint(folder / f"ft{i}") for i in range(3)]
    modules = [name for name in base if "_proj" in name]
    made = smile.upscale(base, tunes, [n.removesuffix(".weight") for n in modules], 4, 2)
    out = smile.write_layout(
        tmp_path / "smile", folder / "base", made, ["a", "b", "c"], request.param
    )
    return folder, numbers, out


def test_golden_logits_and_routes(golden):
    _, numbers, out = golden
    model = load(out)
    with torch.no_grad():
        logits = model(torch.tensor(numbers["input_ids"]), use_cache=False).logits.numpy()
        assert np.abs(logits - np.array(numbers["smile_logits"])).max() <= 3e-5
        layer = model.smile_layers[numbers["layer"]]
        x = torch.tensor(numbers["x"])
        assert np.abs(layer.router_logits(x).numpy() - numbers["router_logits"]).max() <= 3e-5
        assert layer.route(x)[0].tolist() == numbers["routes"]
        assert np.abs(layer(x).numpy() - numbers["y"]).max() <= 3e-5


def test_golden_base_and_experts(golden):
    """Zero weights are the base. A forced expert is FusionBench's low-rank one, not the fine-tune."""
    _, numbers, out = golden
    model = load(out)
    ids = torch.tensor(numbers["input_ids"])
    with torch.no_grad(), model.use_weights([0.0, 0.0, 0.0]):
        logits = model(ids).logits.numpy()
    assert np.abs(logits - np.array(numbers["base_logits"])).max() <= 3e-5


# Every architecture, against the formula in f64.


NAMES = ["red", "green", "blue"]
F32 = 1e-4  # of the largest output: two layers, everything summed in f32


def near(got, expected, tolerance=F32):
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() <= tolerance * max(1.0, np.abs(expected).max())


def build(kind, folder, rank=3, router_rank=2, top=1, tunes=3, dense=(), skip=(), **options):
    """A family of this kind and its SMILE checkpoint: members, what was made, its folder."""
    from transformers.pytorch_utils import Conv1D

    given = {key: options.pop(key) for key in ("per_token",) if key in options}
    members = models.family(kind, folder, tunes=tunes, **options)
    base, tuned = models.tensors(members)
    layers = smile.linear_modules(members[0][0], base)
    names = [name for name in layers if name not in skip]
    turned = [name for name in names if isinstance(layers[name], Conv1D)]
    if callable(dense):
        dense = [name for name in names if dense(name)]
    if callable(rank):
        rank = {name: rank(name) for name in names}
    made = smile.upscale(
        base, tuned, names, rank, router_rank, dense=dense, transposed=turned, **given
    )
    out = smile.write_layout(folder / "smile", members[0][1], made, NAMES[:tunes], top)
    return members, made, out


@pytest.mark.parametrize("top", [1, 2])
@pytest.mark.parametrize("kind", models.KINDS)
def test_architecture(kind, top, tmp_path):
    members, made, out = build(kind, tmp_path, top=top)
    model = load(out, models.KINDS[kind][3])
    assert type(model).__name__ == "Smile" + models.KINDS[kind][0]
    assert model.smile_experts == NAMES and set(model.smile_layers) == set(made.modules)
    batch = models.inputs(kind)
    with model.count_routes() as routes:
        said = models.output(model, batch)
    plain, expected_routes = smile.reference(members[0][0], made, top)
    near(said, models.output(plain, batch))
    assert {name: counts.tolist() for name, counts in routes.items()} == {
        name: counts.tolist() for name, counts in expected_routes.items()
    }
    # All experts are in use, or the comparison shows little.
    assert (routes.total() > 0).all()
    assert sum(routes.total()).item() % top == 0
