"""What a merge leaves on disk beside the numbers."""

import json

import numpy as np
import pytest
import safetensors
import xxhash
import yaml

from support import safetensors_file
from support.checkpoint import BF16, llama_config, read_checkpoint
from support.numbers import same_bytes
from support.recipe import models

COMPANIONS = {
    "tokenizer.json": b'{"version": "1.0",\r\n  "odd  spacing": "\xc3\xa9"}',
    "tokenizer.model": bytes(range(256)),
    "vocab.json": b"{}",
    "merges.txt": b"#version: 0.2\na b\n",
    "chat_template.jinja": b"{{ messages }}\n",
    "modeling_custom.py": b"raise SystemExit('nobody runs this')\n",
    "1_Pooling/config.json": b'{"word_embedding_dimension": 8}',
    "deep/er/still.bin": b"\0\1\2",
    "empty.txt": b"",
}


def linear(*paths, **keys):
    return {
        "merge_method": "linear",
        "base_model": str(paths[0]),
        "models": models(*paths, weight=[1.0] * len(paths)),
        **keys,
    }


def read_json(path):
    return json.loads(path.read_text())


def test_folder(merge, llamas):
    out = merge(linear(*llamas()))
    names = sorted(path.name for path in out.iterdir())
    assert names == sorted(
        ["README.md", "config.json", "merganser_provenance.json", "merganser_recipe.yml",
         "model.safetensors"]
    )


def test_safetensors_own_reader_accepts_it(merge, llamas):
    out = merge(linear(*llamas(dtype=BF16)))
    with safetensors.safe_open(out / "model.safetensors", "numpy") as file:
        assert sorted(file.keys()) == sorted(read_checkpoint(out))
        assert file.metadata()["format"] == "pt"


def test_header_is_padded_to_eight(merge, llamas):
    _, start = safetensors_file.read_header(merge(linear(*llamas())) / "model.safetensors")
    assert start % 8 == 0


def test_companions_are_copied_byte_for_byte(merge, llamas):
    paths = llamas(companions=COMPANIONS)
    # Only the base's: another model's files do not get in.
    (paths[1] / "stray.txt").write_text("not mine")
    out = merge(linear(*paths))
    for name, content in COMPANIONS.items():
        assert (out / name).read_bytes() == content, name
    assert not (out / "stray.txt").exists()


def test_weights_of_other_formats_are_not_copied(merge, llamas):
    """A stale pytorch_model.bin beside the merged file would be loaded by somebody."""
    paths = llamas()
    (paths[0] / "pytorch_model.bin").write_bytes(b"PK\x03\x04")
    (paths[0] / "README.md").write_text("the base's card")
    out = merge(linear(*paths))
    assert not (out / "pytorch_model.bin").exists()
    assert "the base's card" not in (out / "README.md").read_text()


def test_sharded_base_leaves_no_stale_index(merge, llamas):
    out = merge(linear(*llamas(shards=3)))
    assert [p.name for p in out.glob("*.safetensors*")] == ["model.safetensors"]


def test_sharding(merge, llamas):
    paths = llamas(layers=3)
    whole = read_checkpoint(merge(linear(*paths)))
    out = merge(linear(*paths), "--max-shard-size", "2KB", out="sharded")
    files = sorted(path.name for path in out.glob("*.safetensors"))
    count = len(files)
    assert count > 3
    assert files == [f"model-{i:05}-of-{count:05}.safetensors" for i in range(1, count + 1)]
    assert not (out / "model.safetensors").exists()
    index = read_json(out / "model.safetensors.index.json")
    assert index["metadata"]["total_size"] == sum(array.nbytes for array in whole.values())
    held = {file: set(safetensors_file.read(out / file)) for file in files}
    assert {name: file for file in files for name in held[file]} == index["weight_map"]
    for file in files:
        size = sum(array.nbytes for array in safetensors_file.read(out / file).values())
        # A tensor larger than the limit stands alone.
        assert size <= 2000 or len(held[file]) == 1
    got = read_checkpoint(out)
    assert all(same_bytes(got[name], whole[name]) for name in whole) and len(got) == len(whole)


def test_config_keeps_its_keys_and_their_order(merge, llamas):
    paths = llamas()
    out = merge(linear(*paths))
    before, after = read_json(paths[0] / "config.json"), read_json(out / "config.json")
    assert list(before.items()) == list(after.items())


def test_config_of_a_frankenmerge(merge, llamas):
    base, *_ = llamas()
    part = lambda a, b: {"sources": [{"model": str(base), "layer_range": [a, b]}]}
    out = merge({"merge_method": "passthrough", "slices": [part(0, 2), part(1, 2), part(0, 2)]})
    before, after = read_json(base / "config.json"), read_json(out / "config.json")
    assert list(before.items()) == list({**after, "num_hidden_layers": 2}.items())
    assert after["num_hidden_layers"] == 5
    got, source = read_checkpoint(out), read_checkpoint(base)
    origins = [0, 1, 1, 0, 1]
    for layer, origin in enumerate(origins):
        name = f"model.layers.{layer}.mlp.up_proj.weight"
        assert same_bytes(got[name], source[name.replace(f".{layer}.", f".{origin}.")])
    assert f"model.layers.{len(origins)}.mlp.up_proj.weight" not in got


@pytest.mark.parametrize("key", ["torch_dtype", "dtype"])
@pytest.mark.parametrize("recipe_key", ["dtype", "out_dtype"])
def test_config_names_the_stored_dtype(merge, llamas, key, recipe_key):
    """Under the name that the base's config uses, the old one or the new."""
    paths = llamas()
    config = llama_config()
    config = {(key if k == "torch_dtype" else k): v for k, v in config.items()}
    (paths[0] / "config.json").write_text(json.dumps(config))
    out = merge(linear(*paths, **{recipe_key: "bfloat16"}))
    assert list(read_json(out / "config.json").items()) == list({**config, key: "bfloat16"}.items())
    assert all(array.dtype == BF16 for array in read_checkpoint(out).values())


def test_recipe_is_kept_word_for_word(merge, llamas, tmp_path):
    base, tune, _ = llamas()
    text = (
        "# a comment that stays\nmerge_method: linear\nmodels:\n"
        f"- model: {base}\n  parameters: {{weight: 0.5}}\n"
        f"- {{model: {tune}, parameters: {{weight: 1}}}}\n"
    )
    assert (merge(text) / "merganser_recipe.yml").read_text() == text


def test_model_card(merge, llamas):
    paths = llamas()
    text = (merge(linear(*paths)) / "README.md").read_text()
    _, front, body = text.split("---\n", 2)
    front = yaml.safe_load(front)
    assert {"mergekit", "merge"} & set(front["tags"]) and front["library_name"] == "transformers"
    named = front["base_model"]
    assert isinstance(named, list) and len(named) == len(paths)
    assert all(str(path.name) in " ".join(named) for path in paths)
    assert "merge_method: linear" in body


def digest(array):
    return xxhash.xxh3_128_hexdigest(np.ascontiguousarray(array).tobytes())


def values(tree):
    """All strings anywhere in a JSON value."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield key
            yield from values(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from values(value)
    elif isinstance(tree, str):
        yield tree


def provenance(out):
    return read_json(out / "merganser_provenance.json")


def test_provenance_holds_the_digest_of_every_tensor(merge, llamas):
    paths = llamas(dtype=BF16)
    out = merge(linear(*paths))
    text = (out / "merganser_provenance.json").read_text().lower()
    for folder in (*paths, out):
        for name, array in read_checkpoint(folder).items():
            assert name in text and digest(array) in text, (folder.name, name)


def test_provenance_says_how(merge, llamas):
    _, one, two = paths = llamas()
    out = merge(
        {
            "merge_method": "dare_ties",
            "base_model": str(paths[0]),
            "models": models(one, two, weight=[0.625, 0.375]),
            "parameters": {"density": 0.5},
            "seed": 4242,
        }
    )
    tree, text = provenance(out), (out / "merganser_provenance.json").read_text()
    assert "4242" in text and "dare_ties" in text and "0.625" in text and "0.375" in text
    assert {"0.1.0"} & set(values(tree)) or any("merganser" in value for value in values(tree))


def test_provenance_has_no_clock_host_or_user(merge, llamas):
    """Else two runs of one recipe would differ."""
    import getpass
    import socket

    paths = llamas()
    a = (merge(linear(*paths)) / "merganser_provenance.json").read_bytes()
    b = (merge(linear(*paths), "--force") / "merganser_provenance.json").read_bytes()
    assert a == b
    assert socket.gethostname().encode() not in a or len(socket.gethostname()) < 4
    assert f'"{getpass.getuser()}"'.encode() not in a


def test_provenance_of_a_parent_is_carried_on(merge, llamas):
    base, one, two = llamas()
    first = merge(linear(base, one), out="first")
    second = merge(linear(first, two), out="second")
    text = (second / "merganser_provenance.json").read_text().lower()
    # The grandparent's tensors are known although it was not an input.
    name = "model.norm.weight"
    assert digest(read_checkpoint(one)[name]) in text
    assert digest(read_checkpoint(first)[name]) in text


@pytest.mark.parametrize("kind", ["sha256", "none"])
def test_hash_kinds(merge, llamas, kind):
    import hashlib

    paths = llamas()
    out = merge(linear(*paths), "--hash", kind)
    text = (out / "merganser_provenance.json").read_text().lower()
    array = read_checkpoint(out)["model.norm.weight"]
    assert (hashlib.sha256(array.tobytes()).hexdigest() in text) == (kind == "sha256")
    assert digest(array) not in text


def test_only_a_part(merge, llamas):
    """--only GLOB: these output tensors and no others, with the same bytes as in the whole."""
    paths = llamas()
    whole = read_checkpoint(merge(linear(*paths)))
    part = read_checkpoint(merge(linear(*paths), "--only", "*.mlp.*", out="part"))
    assert sorted(part) == sorted(name for name in whole if ".mlp." in name)
    assert all(same_bytes(part[name], whole[name]) for name in part)


def test_single_file_in_single_file_out(merge_files, tmp_path):
    got = merge_files(
        "linear", [{"x": np.float32([1, 2])}, {"x": np.float32([3, 4])}],
        per_input={"weight": [1, 1]},
    )
    assert list(got["x"]) == [2, 3]
    assert (tmp_path / "merged.safetensors").is_file()


def test_inputs_are_untouched(merge, llamas):
    paths = llamas(companions=COMPANIONS)
    before = {p: p.read_bytes() for folder in paths for p in folder.rglob("*") if p.is_file()}
    merge(linear(*paths))
    after = {p: p.read_bytes() for folder in paths for p in folder.rglob("*") if p.is_file()}
    assert before == after


def test_files_have_ordinary_permissions(merge, llamas):
    """MergeKit's weights come out readable by their owner alone."""
    import os

    mask = os.umask(0)
    os.umask(mask)
    out = merge(linear(*llamas()))
    for path in out.iterdir():
        assert path.stat().st_mode & 0o777 == 0o666 & ~mask, path.name
    assert out.stat().st_mode & 0o777 == 0o777 & ~mask


def test_force_replaces_the_whole_target(merge, llamas):
    paths = llamas()
    out = merge(linear(*paths), "--max-shard-size", "2KB")
    (out / "stale.txt").write_text("old")
    out = merge(linear(*paths), "--force")
    assert not (out / "stale.txt").exists() and not list(out.glob("model-*"))
    assert (out / "model.safetensors").exists()


def test_nothing_is_left_beside_the_target(merge, llamas, tmp_path):
    merge(linear(*llamas()))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "base", "merged", "merged.yml", "tune1", "tune2",
    ]
