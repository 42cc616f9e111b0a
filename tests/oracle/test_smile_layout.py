"""SMILE checkpoints in transformers: the code that is written into them, against the formula in f64."""

import json

import numpy as np
import pytest

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
