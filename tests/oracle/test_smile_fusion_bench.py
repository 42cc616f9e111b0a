"""The layout fusion_bench, loaded by the classes of the released FusionBench 0.2.33.

Those need transformers 4.51.3: `tests/setup_fusion_bench.sh` puts both aside. The release's *upscaler*
stores an expert's whole bias where the difference belongs (`state_dict["bias"] =
experts[expert_idx].bias.data`), so that the base's counts twice; its classes add what is stored, and
the program stores the difference, as later versions do.
"""

import json
import subprocess
import sys

import numpy as np
import pytest

from oracle import smile_models
from oracle.test_smile_layout import load
from support.program import REPOSITORY
from support.recipe import models

torch = pytest.importorskip("torch")

PACKAGES = REPOSITORY / "build/fusion_bench"

pytestmark = [
    pytest.mark.usefixtures("remote_code"),
    pytest.mark.skipif(
        not (PACKAGES / "stamp").exists(), reason="no FusionBench: run tests/setup_fusion_bench.sh"
    ),
]


def logits_of(checkpoint, family, ids, folder):
    (folder / "ids.json").write_text(json.dumps(ids.tolist()))
    script = REPOSITORY / "tests/oracle/fusion_bench_logits.py"
    command = [sys.executable, script, PACKAGES, checkpoint, family, folder / "ids.json",
               folder / "logits.npy"]  # fmt: skip
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return np.load(folder / "logits.npy")


def both_layouts(merge, base, tunes, top):
    outs = []
    for layout in ("fusion_bench", "transformers"):
        parameters = {"rank_of_expert": 4, "rank_of_router": 2, "num_experts_per_tok": top,
                      "svd_tolerance": 0, "layout": layout}  # fmt: skip
        recipe = {"merge_method": "smile", "base_model": str(base), "models": models(*tunes),
                  "parameters": parameters}  # fmt: skip
        outs.append(merge(recipe, out=layout))
    return outs


def expect_same(merge, tmp_path, base, tunes, family, ids, top, golden=None):
    theirs, ours = both_layouts(merge, base, tunes, top)
    config = json.loads((theirs / "config.json").read_text())
    if config["model_type"] == "smile_mistral":
        # No version of transformers runs all of FusionBench's classes; a Mistral without a sliding
        # window is a Llama.
        config.update(model_type="smile_llama", architectures=["SmileLlamaForCausalLM"])
        (theirs / "config.json").write_text(json.dumps(config))
    found = logits_of(theirs, family, ids, tmp_path)
    with torch.no_grad():
        expected = load(ours)(ids, use_cache=False).logits.numpy()
    # Sums of f32 in different orders, the same routes.
    assert np.abs(found - expected).max() <= 3e-5 * max(1, np.abs(expected).max())
    if golden is not None:
        assert np.abs(found - golden).max() <= 3e-5


@pytest.mark.parametrize("top", [1, 2])
def test_golden_llama(merge, data, tmp_path, top):
    folder = data / f"smile_golden/llama/llama_float32_k4_g2_t{top}"
    if not folder.is_dir():
        pytest.skip(f"no golden SMILE data at {folder}")
    numbers = json.loads((folder / "golden.json").read_text())
    tunes = [folder / f"ft{i}" for i in range(3)]
    golden = np.array(numbers["smile_logits"])
    ids = torch.tensor(numbers["input_ids"])
    expect_same(merge, tmp_path, folder / "base", tunes, "llama", ids, top, golden)


@pytest.mark.parametrize("top", [1, 2])
@pytest.mark.parametrize("kind, family", [("mistral", "llama"), ("qwen2", "qwen2")])
def test_other_families(merge, tmp_path, kind, family, top):
    settings = {"sliding_window": None} if kind == "mistral" else {}
    members = smile_models.family(kind, tmp_path, tunes=3, **settings)
    base, *tunes = (path for _, path in members)
    ids = smile_models.inputs(kind)["input_ids"]
    expect_same(merge, tmp_path, base, tunes, family, ids, top)
