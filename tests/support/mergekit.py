"""MergeKit 0.1.5 in this process, on the CPU and without a network.

Imported before torch and transformers by whoever needs them: they read their environment once.
"""

import importlib.metadata
import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["OMP_NUM_THREADS"] = "1"  # the tensors are small: threads would only wait for each other

import pytest
import yaml

from support.checkpoint import read_checkpoint

WANTED = "0.1.5"


def installed():
    try:
        return importlib.metadata.version("mergekit")
    except importlib.metadata.PackageNotFoundError:
        return None


def skip_without(items, folder):
    """Skips the tests of this folder where MergeKit is missing; in CI, where it was asked for,
    that would hide them."""
    if installed() == WANTED:
        return
    if os.environ.get("MERGANSER_REQUIRE_ORACLE"):
        pytest.exit(f"mergekit {WANTED} is required and {installed()} installed", returncode=1)
    reason = f"needs mergekit {WANTED} (found {installed()}): tests/setup_venv.sh --oracle"
    for item in items:
        if folder in item.path.parts:
            item.add_marker(pytest.mark.skip(reason=reason))


def options():
    from mergekit.options import MergeOptions

    # No model card: for local models it asks the hub whether such a repository exists.
    return MergeOptions(write_model_card=False, copy_tokenizer=False, quiet=True)


def merge(recipe, out):
    """mergekit-yaml: merges folders into the folder `out`; returns the tensors that it wrote."""
    from mergekit.architecture.auto import infer_architecture_info
    from mergekit.config import MergeConfiguration
    from mergekit.io.tasks import LoaderCache
    from mergekit.merge import run_merge

    text = recipe if isinstance(recipe, str) else yaml.safe_dump(recipe)
    try:
        configuration = MergeConfiguration.model_validate(yaml.safe_load(text))
        run_merge(configuration, str(out), options(), config_source=text)
        return read_checkpoint(out)
    finally:
        # Both go by path: another model at the same path would be taken for this one.
        LoaderCache.loaders.clear()
        infer_architecture_info.cache_clear()


def merge_files(recipe, out):
    """mergekit-pytorch: merges single files by name, without an architecture."""
    from mergekit.graph import Executor
    from mergekit.scripts.merge_raw_pytorch import (
        RawPyTorchMergeConfig,
        SimpleLoaderCache,
        plan_flat_merge,
    )

    try:
        configuration = RawPyTorchMergeConfig.model_validate(recipe)
        Executor(plan_flat_merge(configuration, str(out), False, False, options())).execute()
        return read_checkpoint(out)
    finally:
        SimpleLoaderCache().loaders.clear()


def merge_tensors(method, arrays, base_index=None, **parameters):
    """The method on bare arrays in f64."""
    import torch
    from mergekit.merge_methods.api import merge_tensors as merge_these

    tensors = [torch.tensor(array, dtype=torch.float64) for array in arrays]
    return merge_these(tensors, method, parameters=parameters, base_index=base_index).numpy()
