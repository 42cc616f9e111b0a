"""Fixtures of the end-to-end tests: bare tensor files and tiny checkpoints."""

import pytest

from support import checkpoint, safetensors_file
from support.recipe import models


@pytest.fixture
def files(tmp_path):
    """files(a, b, ...) writes each dict of arrays as one .safetensors file; returns the paths."""

    def write(*tensor_sets, stem="input"):
        return [
            safetensors_file.write(tmp_path / f"{stem}{i}.safetensors", tensors)
            for i, tensors in enumerate(tensor_sets)
        ]

    return write


@pytest.fixture
def merge_files(files, merged):
    """merge_files(method, [inputs], base=, per_input={}, parameters={}) over dicts of arrays."""

    def run(method, inputs, *flags, base=None, per_input=None, out="merged.safetensors", **keys):
        paths = files(*inputs)
        recipe = {"merge_method": method, "models": models(*paths, **(per_input or {})), **keys}
        if base is not None:
            recipe["base_model"] = str(files(base, stem="base")[0])
        return merged(recipe, *flags, out=out)

    return run


@pytest.fixture
def llamas(tmp_path):
    """A tiny base and two fine-tunes of it, as checkpoint folders."""

    def make(**options):
        base = checkpoint.llama(tmp_path / "base", 0, **options)
        tunes = [checkpoint.llama(tmp_path / f"tune{i}", i, base=base, **options) for i in (1, 2)]
        return (base, *tunes)

    return make
