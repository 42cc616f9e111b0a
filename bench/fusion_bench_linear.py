"""FusionBench's upscale_to_smile_linear on one linear layer; a program of its own, for its time and
memory.

    python fusion_bench_linear.py PACKAGES MODULE RANK ROUTER_RANK OUT BASE TUNE...

PACKAGES is the folder of tests/setup_fusion_bench.sh; BASE, TUNE and OUT are safetensors files. Writes
what the function made, and prints a line of JSON: the function's seconds, and what it ran with.
"""

import json
import sys
import time
import types
from pathlib import Path


def main():
    packages, module, rank, router, out, *files = sys.argv[1:]
    sys.path.insert(0, packages)
    # Only these files are wanted: the packages' own __init__ would bring in training frameworks.
    for name in ("fusion_bench", "fusion_bench.models", "fusion_bench.models.smile_moe",
                 "fusion_bench.utils"):
        package = types.ModuleType(name)
        package.__path__ = [str(Path(packages, *name.split(".")))]
        sys.modules[name] = package
    import torch
    from fusion_bench.models.smile_moe.linear_from_hf_config import (
        SmileLinear, upscale_to_smile_linear)
    from safetensors import safe_open
    from safetensors.torch import save_file

    def linear(file):
        with safe_open(file, "pt") as tensors:
            weight = tensors.get_tensor(f"{module}.weight")
        layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=weight.dtype)
        layer.weight.data = weight
        return layer

    base, *tunes = map(linear, files)
    config = types.SimpleNamespace(num_local_experts=len(tunes), num_experts_per_tok=1,
                                   rank_of_expert=int(rank), rank_of_router=int(router))
    target = SmileLinear(config, base.in_features, base.out_features, bias=False,
                         dtype=base.weight.dtype)
    begin = time.perf_counter()
    upscale_to_smile_linear(base, tunes, target)
    seconds = time.perf_counter() - begin
    save_file({name: tensor.contiguous() for name, tensor in target.state_dict().items()}, out)
    print(json.dumps({"seconds": seconds, "PyTorch": torch.__version__,
                      "kernels": torch.backends.cpu.get_cpu_capability(),
                      "threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main()
