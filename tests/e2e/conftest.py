"""Fixtures of the end-to-end tests: bare tensor files and tiny checkpoints."""

import shutil
import subprocess
from pathlib import Path

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


@pytest.fixture(scope="session")
def two(tmp_path_factory):
    """A base and a fine-tune of it in three shards, not to be changed."""
    folder = tmp_path_factory.mktemp("two")
    config = checkpoint.llama_config(layers=6, hidden=32, vocab=64)
    tensors = checkpoint.random_tensors(checkpoint.llama_shapes(config), 0)
    base = checkpoint.write_checkpoint(folder / "base", config, tensors)
    tune = checkpoint.write_checkpoint(folder / "tune", config, checkpoint.near(tensors, 1), shards=3)
    return base, tune


@pytest.fixture(scope="session")
def troubled_io(tmp_path_factory):
    """trouble(sleep_us=…, full_after=…, no_exchange=…): an environment with a bad disk."""
    library = tmp_path_factory.mktemp("preload") / "troubled_io.so"
    source = Path(__file__).parent.parent / "support/troubled_io.c"
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler for the library that slows the disk down")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)

    def environment(**settings):
        # The address sanitizer insists on being the first library unless told otherwise.
        return {
            "LD_PRELOAD": str(library),
            "ASAN_OPTIONS": "verify_asan_link_order=0",
            **{f"TROUBLED_{name.upper()}": str(value) for name, value in settings.items()},
        }

    return environment
