"""Loads a SMILE checkpoint with FusionBench's own class and writes its logits; a program of its own,
since FusionBench needs an older transformers than the rest of the tests.

    python fusion_bench_logits.py PACKAGES CHECKPOINT FAMILY IDS.json OUT.npy
"""

import importlib
import json
import sys
import types
from pathlib import Path


def main():
    packages, checkpoint, family, ids, out = sys.argv[1:]
    sys.path.insert(0, packages)
    # Only these files are wanted: the packages' own __init__ would bring in training frameworks.
    for name in ("fusion_bench", "fusion_bench.models", "fusion_bench.models.smile_moe",
                 "fusion_bench.utils"):  # fmt: skip
        module = types.ModuleType(name)
        module.__path__ = [str(Path(packages, *name.split(".")))]
        sys.modules[name] = module
    import numpy as np
    import torch

    torch.set_num_threads(1)
    name = f"fusion_bench.models.modeling_smile_{family}.modeling_smile_{family}"
    classes = importlib.import_module(name)
    kind = {"llama": "SmileLlamaForCausalLM", "qwen2": "SmileQwen2ForCausalLM"}[family]
    model, info = getattr(classes, kind).from_pretrained(
        checkpoint, output_loading_info=True, torch_dtype=torch.float32
    )
    assert not any(info.values()), info
    with torch.no_grad():
        logits = model.eval()(torch.tensor(json.loads(Path(ids).read_text())), use_cache=False).logits
    np.save(out, logits.numpy())


if __name__ == "__main__":
    main()
