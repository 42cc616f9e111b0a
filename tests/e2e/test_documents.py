"""Several documents in one recipe: the result is that of running them one by one."""

import json

import pytest
import yaml

from support import checkpoint, program
from support.recipe import models

METHODS = ["ties", "dare_ties", "linear", "slerp", "passthrough"]


@pytest.fixture(scope="module")
def trio(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trio")
    options = {"layers": 2, "hidden": 64, "vocab": 3000, "dtype": checkpoint.BF16}
    base = checkpoint.llama(folder / "base", 0, **options)
    return [
        base,
        *(checkpoint.llama(folder / f"tune{i}", i, base=base, **options) for i in (1, 2)),
    ]


def document(method, base, *inputs, name=None, **more):
    recipe = {"name": name} if name else {}
    recipe |= {"merge_method": method, **more}
    weighted = method not in ("slerp", "passthrough")
    weight = [0.3 + 0.4 * i for i in range(len(inputs))] if weighted else None
    recipe["models"] = models(*inputs, **({"weight": weight} if weight else {}))
    if method not in ("linear", "passthrough"):
        recipe["base_model"] = str(base)
    if "ties" in method:
        recipe["parameters"] = {"density": 0.4}
    if method == "slerp":
        recipe["parameters"] = {"t": 0.3}
    return recipe


def run(folder, documents, *arguments):
    """One by one into folders of the documents' names, and all in one."""
    folder.mkdir(exist_ok=True)
    for one in documents:
        path = folder / f"{one.get('name', 'last')}.yml"
        path.write_text(yaml.safe_dump(one))
        program.succeed("merge", path, folder / one.get("name", "last"), cwd=folder)
    together = folder / "together.yml"
    together.write_text(yaml.safe_dump_all(documents))
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    program.succeed("merge", together, folder / "together", *arguments, cwd=elsewhere)
    return folder / "last", folder / "together"


def weights(folder):
    return {p.name: p.read_bytes() for p in folder.glob("*.safetensors")}


@pytest.mark.parametrize("first", METHODS)
@pytest.mark.parametrize("second", METHODS)
def test_two_documents(tmp_path, trio, first, second):
    base, a, b = trio
    one = document(first, base, *([a] if first in ("slerp", "passthrough") else [a, b]),
                   name="one", seed=5)
    inputs = ["one"] if second in ("slerp", "passthrough") else ["one", str(b)]
    alone, together = run(tmp_path / "run", [one, document(second, base, *inputs)])
    assert weights(alone) == weights(together)
    assert (alone / "config.json").read_bytes() == (together / "config.json").read_bytes()


@pytest.mark.parametrize("arguments", [["--memory", "12MiB"], ["--threads", "5"],
                                       ["--max-shard-size", "200kB"]])
def test_memory_threads_and_shards(tmp_path, trio, arguments):
    base, a, b = trio
    documents = [
        document("ties", base, a, b, name="x", out_dtype="float16"),
        document("dare_linear", "x", "x2", str(b), dtype="float32"),
        document("linear", base, "x", str(a), name="x2", out_dtype="bfloat16"),
    ]
    documents = [documents[0], documents[2], documents[1]]
    alone, together = run(tmp_path / "run", documents, *arguments)
    together_tensors = checkpoint.read_checkpoint(together)
    for name, tensor in checkpoint.read_checkpoint(alone).items():
        assert tensor.tobytes() == together_tensors[name].tobytes(), name


def test_whole_model_statistics_span_the_document(tmp_path, trio):
    base, a, b = trio
    one = document("ties", base, a, b, name="one")
    one["parameters"] = {"density": 0.3, "trim_scope": "model"}
    last = document("slerp", "one", str(b))
    last["parameters"] = {"t": 0.3, "scope": "model"}
    alone, together = run(tmp_path / "run", [one, last])
    assert weights(alone) == weights(together)


def test_provenance_names_what_each_document_read(tmp_path, trio):
    base, a, b = trio
    documents = [document("ties", base, a, b, name="one"), document("linear", base, "one", str(a))]
    alone, together = run(tmp_path / "run", documents)
    told = json.loads((together / "merganser_provenance.json").read_text())
    (one,) = told["documents"]
    assert (one["name"], one["method"]) == ("one", "ties")
    parent = json.loads((tmp_path / "run/one/merganser_provenance.json").read_text())
    hashes = lambda tensors: {(t["name"], i["tensor"], i["model"]): i["hash"]
                              for t in tensors for i in [*t["inputs"], t["base"]]}
    assert hashes(one["tensors"]) == hashes(parent["tensors"])
    assert told["models"][0]["document"] == "one"


def test_plan_says_what_is_computed_on_the_way(tmp_path, trio):
    base, a, b = trio
    path = tmp_path / "r.yml"
    path.write_text(yaml.safe_dump_all(
        [document("ties", base, a, b, name="one"), document("linear", base, "one", str(a))]))
    told = json.loads(program.succeed("plan", path, "--json"))
    assert told["documents"] == [{"name": "one", "method": "ties"}]
    size = sum(t.nbytes for t in checkpoint.read_checkpoint(a).values())
    # TIES reads three models twice, linear one; hashing what the document takes reads it once more.
    assert told["bytes_read"] == 3 * 2 * size + size + 3 * size
