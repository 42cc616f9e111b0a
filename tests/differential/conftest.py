"""Generated recipes against MergeKit 0.1.5."""

from support import mergekit


def pytest_collection_modifyitems(items):
    mergekit.skip_without(items, "differential")
