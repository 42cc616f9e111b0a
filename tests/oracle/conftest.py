"""MergeKit 0.1.5 as the oracle, in this process, on the CPU and without a network."""

import os

# Before any import of the libraries that read them.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["OMP_NUM_THREADS"] = "1"  # the tensors are small: threads would only wait for each other

import importlib.metadata

import pytest
import yaml

from support.checkpoint import read_checkpoint

WANTED = "0.1.5"


def installed():
    try:
        return importlib.metadata.version("mergekit")
    except importlib.metadata.PackageNotFoundError:
        return None


def pytest_collection_modifyitems(items):
    """Without the oracle its tests skip; in CI, where it was asked for, that would hide them."""
    if installed() == WANTED:
        return
    if os.environ.get("MERGANSER_REQUIRE_ORACLE"):
        pytest.exit(f"mergekit {WANTED} is required and {installed()} installed", returncode=1)
    reason = f"needs mergekit {WANTED} (found {installed()}): tests/setup_venv.sh --oracle"
    for item in items:
        if "oracle" in item.path.parts:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def mergekit_merge(tmp_path_factory):
    """mergekit_merge(recipe) runs MergeKit and returns the tensors that it wrote."""
    from mergekit.config import MergeConfiguration
    from mergekit.merge import run_merge
    from mergekit.options import MergeOptions

    # No model card: for local models it asks the hub whether such a repository exists.
    options = MergeOptions(write_model_card=False, copy_tokenizer=False, quiet=True)

    def run(recipe):
        text = recipe if isinstance(recipe, str) else yaml.safe_dump(recipe)
        out = tmp_path_factory.mktemp("mergekit")
        configuration = MergeConfiguration.model_validate(yaml.safe_load(text))
        run_merge(configuration, str(out), options, config_source=text)
        return read_checkpoint(out)

    return run


@pytest.fixture(scope="session")
def mergekit_tensors():
    """MergeKit's method on bare arrays in f64: mergekit_tensors(method, arrays, base_index, ...)."""
    import torch
    from mergekit.merge_methods.api import merge_tensors

    def run(method, arrays, base_index=None, **parameters):
        tensors = [torch.tensor(array, dtype=torch.float64) for array in arrays]
        merged = merge_tensors(tensors, method, parameters=parameters, base_index=base_index)
        return merged.numpy()

    return run
