"""The spectral methods and the analysis's zones against FusionBench's own functions, on random and on real differences.

FusionBench is not required: importing it whole wants many packages, so its functions are loaded from
their files, and what they import of it is replaced. `pip install --no-deps fusion-bench==0.2.33`.
"""

import contextlib
import importlib.util
import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from support import program, safetensors_file
from support.checkpoint import read_checkpoint
from support.recipe import models

# Both decompose in their own way, FusionBench in f32.
TOLERANCE = 1e-4

spec = importlib.util.find_spec("fusion_bench")
pytestmark = pytest.mark.skipif(
    spec is None,
    reason="needs fusion-bench (pip install --no-deps fusion-bench==0.2.33)",
)


def stub(name, **members):
    module = types.ModuleType(name)
    module.__path__ = []
    vars(module).update(members)
    return module


@pytest.fixture(scope="module")
def bench():
    """bench(path) loads one file of fusion_bench/method."""
    timed = lambda *_, **__: contextlib.nullcontext()
    plain = type("Plain", (), {})
    stubs = [
        stub("fusion_bench", BaseAlgorithm=plain, BaseModelPool=plain,
             auto_register_config=lambda c: c),
        stub("fusion_bench.utils", timeit_context=timed),
        stub("fusion_bench.utils.type", StateDictType=dict),
        stub("fusion_bench.utils.state_dict_arithmetic", state_dict_add=None, state_dict_sub=None),
        stub("fusion_bench.mixins", LightningFabricMixin=type("Fabric", (), {}),
             SimpleProfilerMixin=type("Timed", (), {})),
        stub("fusion_bench.modelpool", BaseModelPool=plain),
        stub("fusion_bench.mixins.simple_profiler", SimpleProfilerMixin=type("Profiler", (), {})),
        stub("fusion_bench.compat"),
        stub("fusion_bench.compat.method", ModelFusionAlgorithm=plain),
        stub("fusion_bench.compat.modelpool", ModelPool=plain, to_modelpool=None),
        stub("fusion_bench.models"),
        stub("fusion_bench.models.utils", get_attr=None, set_attr=None),
    ]
    before = {module.__name__: sys.modules.get(module.__name__) for module in stubs}
    sys.modules.update({module.__name__: module for module in stubs})

    def load(path):
        file = Path(spec.submodule_search_locations[0]) / "method" / path
        loaded = importlib.util.spec_from_file_location(file.stem, file)
        module = importlib.util.module_from_spec(loaded)
        loaded.loader.exec_module(module)
        return module

    yield load
    for name, module in before.items():
        if module is None:
            del sys.modules[name]
        else:
            sys.modules[name] = module


def theirs(bench, method, base, deltas):
    import torch

    vectors = [{"w": torch.from_numpy(delta)} for delta in deltas]
    if method == "isotropic":
        return bench("isotropic_merging/iso_utils.py").iso_c(vectors, "cpu")["w"]
    if method == "isotropic CTS":
        return bench("isotropic_merging/iso_utils.py").iso_cts(vectors, 0.8, "cpu")["w"]
    if method == "tsv":
        utils = bench("task_singular_vector/utils/TSVM_utils.py")
        return utils.compute_and_sum_svd_mem_reduction(vectors, accelerator="cpu")["w"]
    if method == "wudi":
        return bench("wudi/wudi.py").wudi_merging(vectors, "cpu", 50)["w"].detach()
    merged = torch.from_numpy(base + np.float32(0.3) * sum(deltas))
    weight = torch.from_numpy(base)
    tasks = [torch.from_numpy(base + delta) for delta in deltas]
    calibrated = bench("singular_value_calibration/utils.py")
    return calibrated.subspace_consistency_spectral_calibration(
        weight, tasks, merged, alpha=0.1) - weight


PARAMETERS = {
    "isotropic": {},
    "isotropic CTS": {"mode": "common_task"},
    "tsv": {},
    "wudi": {"iterations": 50},
    "svc": {},
}


def compare(bench, ours, method, base, tunes):
    deltas = [tune - base for tune in tunes]
    wanted = base.astype(np.float64) + theirs(bench, method, base, deltas).numpy()
    scale = max(np.abs(delta).max() for delta in deltas)
    # Relative to the change: against whole weights anything small would pass.
    assert np.abs(ours - wanted).max() <= TOLERANCE * max(scale, np.abs(wanted - base).max()) + 2e-7


@pytest.mark.parametrize("method", PARAMETERS)
@pytest.mark.parametrize("shape", [(24, 24), (40, 16), (16, 40), (130, 96)])
def test_random(bench, merged, tmp_path, method, shape):
    random = np.random.default_rng(sum(shape))
    base = random.standard_normal(shape).astype(np.float32) * np.float32(0.05)
    tunes = [base + random.standard_normal(shape).astype(np.float32) * np.float32(0.01)
             for _ in range(3)]
    paths = [safetensors_file.write(tmp_path / f"{i}.safetensors", {"w": array})
             for i, array in enumerate([base, *tunes])]
    recipe = {"merge_method": method.split()[0], "base_model": str(paths[0]),
              "models": models(*paths[1:]), "parameters": PARAMETERS[method]}
    ours = merged(recipe, out="merged.safetensors")["w"]
    compare(bench, ours, method, base, tunes)


@pytest.mark.parametrize("method", PARAMETERS)
def test_real(bench, merged, stories, method):
    base, shakespeare, inaugural = (stories / n for n in ("base", "shakespeare", "inaugural"))
    recipe = {"merge_method": method.split()[0], "base_model": str(base),
              "models": models(shakespeare, inaugural), "parameters": PARAMETERS[method]}
    ours = merged(recipe)
    tensors = [read_checkpoint(folder) for folder in (base, shakespeare, inaugural)]
    for name in ours:
        if "layers.0" not in name or tensors[0][name].ndim != 2:
            continue
        compare(bench, ours[name], method, tensors[0][name], [t[name] for t in tensors[1:]])


@pytest.mark.parametrize("zone, how", [
    ("I", {"rank": "low", "full_matrices": False}),
    ("II", {"rank": "high", "full_matrices": False}),
    ("II+III", {"rank": "high", "full_matrices": True}),
])
@pytest.mark.parametrize("k", [6, -1])
@pytest.mark.parametrize("shape", [(24, 24), (40, 16), (16, 40), (280, 300)])
def test_singular_projection(bench, merged, tmp_path, zone, how, k, shape):
    import torch

    random = np.random.default_rng(sum(shape))
    base = {"l.weight": random.standard_normal(shape) * 0.05, "l.bias": random.standard_normal(shape[0])}
    tuned = {name: array + random.standard_normal(array.shape) * 0.01 for name, array in base.items()}
    layers = []
    for tensors in (base, tuned):
        layer = torch.nn.Linear(shape[1], shape[0], dtype=torch.float64)
        layer.load_state_dict({name[2:]: torch.from_numpy(x) for name, x in tensors.items()})
        layers.append(layer.requires_grad_(False))
    algorithm = bench("smile_upscaling/singular_projection_merging.py").SingularProjectionMergingAlgorithm()
    algorithm.config = types.SimpleNamespace(**how)
    wanted = algorithm.projection_merge_linear(*layers, k)
    paths = [safetensors_file.write(tmp_path / f"{i}.safetensors", tensors)
             for i, tensors in enumerate([base, tuned])]
    recipe = {"merge_method": "singular_projection", "base_model": str(paths[0]),
              "models": models(paths[1]), "parameters": {"zone": zone, "rank": k}}
    ours = merged(recipe, out="merged.safetensors")
    assert np.array_equal(ours["l.bias"], wanted.bias.numpy())
    assert np.abs(ours["l.weight"] - wanted.weight.numpy()).max() <= 1e-12


def test_zones_are_its_projected_energies(bench, stories):
    import torch

    base, tune = (read_checkpoint(stories / name) for name in ("base", "shakespeare"))
    document = json.loads(
        program.succeed("analyze", stories / "base", stories / "shakespeare", "--json")
    )
    pytest.importorskip("pandas")
    theirs = bench("smile_upscaling/projected_energy.py").ProjectedEnergyAnalysis()
    theirs.device = "cpu"
    zones = {t["name"]: t["changes"][0]["zones"] for t in document["tensors"] if t["part"] == "linear"}
    assert len(zones) == 35
    for name, found in zones.items():
        with torch.no_grad():
            energy = theirs.analyze_weight(*(torch.from_numpy(m[name].copy()) for m in (base, tune)))
        for zone in ("I", "II", "II_III"):
            assert found[zone] == pytest.approx(energy[f"projected_energy_{zone}"], abs=1e-4), name
