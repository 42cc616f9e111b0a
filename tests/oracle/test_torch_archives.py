"""What torch.save writes, read without PyTorch: the same values as the same tensors in safetensors."""

import collections
import datetime
import json
import os
import shutil

import numpy as np
import pytest

from support.program import fail, run, succeed
from support.recipe import write_recipe

torch = pytest.importorskip("torch")
safetensors_torch = pytest.importorskip("safetensors.torch")

pytestmark = pytest.mark.usefixtures("merganser")

FORMS = {"zip": {}, "legacy": {"_use_new_zipfile_serialization": False}}
DTYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.float8_e4m3fn,
    torch.float8_e5m2,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint64,
    torch.uint32,
    torch.uint16,
    torch.uint8,
    torch.bool,
]


@pytest.fixture(params=FORMS)
def form(request):
    return FORMS[request.param]


def numbers(*shape, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float32).to(dtype)


def save_safetensors(tensors, path):
    """Contiguous copies, so that shared and strided tensors can be written."""
    plain = {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}
    safetensors_torch.save_file(plain, path)
    return path


def same(archive, tensors, tmp_path):
    """The archive's tensors are these: names, types, shapes and every byte (diff ends with 0)."""
    expected = save_safetensors(tensors, tmp_path / "expected.safetensors")
    succeed("diff", archive, expected)
    shown, wanted = (
        [{**row, "file": ""} for row in json.loads(succeed("inspect", "--json", path))["tensors"]]
        for path in (archive, expected)
    )
    assert shown == wanted


def test_every_dtype(form, tmp_path):
    raw = np.random.default_rng(1).integers(0, 2, 48, dtype=np.uint8)  # 0 and 1: bools too
    tensors = {}
    for dtype in DTYPES:
        size = torch.empty((), dtype=dtype).element_size()
        tensors[str(dtype)] = torch.from_numpy(raw.copy()).view(dtype).reshape(-1, 48 // size // 2)
    torch.save(tensors, tmp_path / "m.pt", **form)
    same(tmp_path / "m.pt", tensors, tmp_path)


def test_views(form, tmp_path):
    base = numbers(300, 200)
    wide = numbers(5, 20_000, seed=1)
    tensors = {
        "whole": base,
        "transposed": base.t(),
        "rows": base[10:20],
        "columns": base[:, 3:60],
        "every other": base[::2, 1::3],
        "permuted": numbers(6, 7, 8).permute(2, 0, 1),
        "expanded": numbers(1, 200).expand(50, 200),
        "expanded after": numbers(50, 1).expand(50, 200),
        "scalar": torch.tensor(2.5),
        "scalar expanded": torch.tensor(2.5).expand(3, 4),
        "element": base[7, 7],
        "empty": torch.empty(0, 3),
        "empty slice": base[5:5].t(),
        "wide": wide.t(),
        "half of it": wide.half()[:, 777:],
        "overlapping": torch.as_strided(base, (10, 10), (1, 1), 5),
        "one axis of one": base[:, :1].t(),
        "channels last": numbers(2, 3, 4, 5).to(memory_format=torch.channels_last),
    }
    torch.save(tensors, tmp_path / "m.pt", **form)
    same(tmp_path / "m.pt", tensors, tmp_path)


def test_a_large_transposed_matrix(form, tmp_path):
    tensors = {"w": numbers(1500, 2500).t(), "v": numbers(2500, 1500, seed=2)}
    torch.save(tensors, tmp_path / "m.pt", **form)
    same(tmp_path / "m.pt", tensors, tmp_path)


def test_shared_storages(form, tmp_path):
    table = numbers(8, 4)
    tensors = {"embed": table, "head": table, "part": table[2:4], "turned": table.t()}
    torch.save(tensors, tmp_path / "m.pt", **form)
    same(tmp_path / "m.pt", tensors, tmp_path)


def test_parameters_and_state_dicts(form, tmp_path):
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    state = net.state_dict()
    assert state._metadata  # an OrderedDict with an attribute: BUILD in the pickle
    torch.save(state, tmp_path / "state.pt", **form)
    same(tmp_path / "state.pt", state, tmp_path)

    named = torch.nn.Parameter(numbers(2, 3))
    named.note = "an attribute"
    tensors = {
        "parameter": torch.nn.Parameter(numbers(2, 3)),
        "frozen": torch.nn.Parameter(numbers(2, 3), requires_grad=False),
        "with an attribute": named,
        "grad": numbers(2).requires_grad_(),
        "buffer": torch.nn.Buffer(numbers(2)),
        "turned": torch.nn.Parameter(numbers(2, 3).t()),
    }
    torch.save(tensors, tmp_path / "m.pt", **form)
    same(tmp_path / "m.pt", tensors, tmp_path)


@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
def test_protocols(form, tmp_path, protocol):
    tensors = {"a": numbers(2, 3), "ä…": numbers(3).to(torch.bfloat16)}
    torch.save(tensors, tmp_path / "m.pt", pickle_protocol=protocol, **form)
    same(tmp_path / "m.pt", tensors, tmp_path)


class Callback:
    """A class that no reader has."""

    def __init__(self):
        self.best, self.when = numbers(2), datetime.datetime(2024, 1, 1)


class Bag(dict):
    pass


def test_a_training_checkpoint(form, tmp_path):
    """As Lightning writes it: the weights in one dict, everything else beside them."""
    net = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(net.parameters())
    net(numbers(4, 3)).sum().backward()
    optimizer.step()
    checkpoint = {
        "epoch": 3,
        "best": numbers(()),  # a tensor beside the weights is none of them
        "version": "2.0",
        "state_dict": net.state_dict(),
        "optimizer_states": [optimizer.state_dict()],
        "callbacks": {"x": Callback(), "bag": Bag(a=1)},
        "hyper_parameters": {"lr": np.float64(1e-3), "when": datetime.datetime(2024, 1, 1)},
        "counter": collections.Counter("abc"),
        "random": np.random.default_rng(0).bytes(3),
        "array": np.arange(3),
    }
    torch.save(checkpoint, tmp_path / "m.ckpt", **form)
    same(tmp_path / "m.ckpt", net.state_dict(), tmp_path)
    out = succeed("inspect", tmp_path / "m.ckpt")
    assert "the weights are those under 'state_dict'" in out and "epoch (a number)" in out


def test_entries_that_are_no_tensors(form, tmp_path):
    state = {"w": numbers(2), "_extra_state": Callback(), "n": 3, "when": datetime.datetime.now()}
    torch.save(state, tmp_path / "m.pt", **form)
    same(tmp_path / "m.pt", {"w": state["w"]}, tmp_path)
    assert "3 entries are no tensors, left out: _extra_state" in succeed(
        "inspect", tmp_path / "m.pt"
    )


REFUSED = {
    "complex": ({"w": torch.zeros(2, dtype=torch.complex64)}, "complex64"),
    "conjugate": ({"w": torch.zeros(2, dtype=torch.complex64).conj()}, "conjugate"),
    "sparse": ({"w": torch.eye(3).to_sparse()}, "a sparse tensor"),
    "sparse rows": ({"w": torch.eye(3).to_sparse_csr()}, "a sparse tensor"),
    "quantised": (
        {"w": torch.quantize_per_tensor(numbers(3), 0.1, 0, torch.qint8)},
        "a quantised tensor",
    ),
    "meta": ({"w": torch.empty(3, device="meta")}, "a meta tensor"),
    "f8 of another kind": ({"w": torch.zeros(3).to(torch.float8_e4m3fnuz)}, "float8_e4m3fnuz"),
    "a bare tensor": (numbers(3), "one tensor without a name"),
    "a list": ([numbers(3)], "a list"),
    "a module": (torch.nn.Linear(2, 2), "torch.nn.modules.linear.Linear"),
    "no tensors": ({"epoch": 3}, "no dict of the archive holds tensors"),
    "two state dicts": ({"a": {"w": numbers(1)}, "b": {"w": numbers(1)}}, "several dicts"),
    "numbers as names": ({1: numbers(1)}, "not under a name"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(form, tmp_path, name):
    value, why = REFUSED[name]
    torch.save(value, tmp_path / "m.pt", **form)
    line = fail("inspect", tmp_path / "m.pt")
    assert why in line and "m.pt" in line, line
    assert not isinstance(value, dict) or "w" not in value or "'w'" in line, line


def test_torchscript(tmp_path):
    torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "m.pt")
    assert "TorchScript" in fail("inspect", tmp_path / "m.pt")


class Malice:
    def __init__(self, trace):
        self.command = f"touch {trace}"

    def __reduce__(self):
        return os.system, (self.command,)


def test_nothing_of_a_pickle_is_run(form, tmp_path):
    trace = tmp_path / "trace"
    torch.save({"w": numbers(2), "x": Malice(trace)}, tmp_path / "m.pt", **form)
    assert "system" in succeed("inspect", tmp_path / "m.pt")
    succeed("diff", tmp_path / "m.pt", tmp_path / "m.pt")
    torch.save({"w": Malice(trace)}, tmp_path / "n.pt", **form)
    fail("inspect", tmp_path / "n.pt")
    assert not trace.exists()
    torch.load(tmp_path / "m.pt", weights_only=False)  # what they would have done
    assert trace.exists()


def test_damaged_archives_never_crash(form, tmp_path):
    path = tmp_path / "m.pt"
    torch.save({"a": numbers(3, 4).t(), "b": numbers(5)}, path, **form)
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    generator = np.random.default_rng(0)
    verdicts = set()
    for _ in range(60):
        damaged = whole.copy()
        places = generator.integers(0, len(whole), generator.integers(1, 5))
        damaged[places] = generator.integers(0, 256, len(places))
        path.write_bytes(damaged.tobytes())
        verdicts.add(run("diff", path, path, timeout=20).code)
    assert verdicts <= {0, 2} and 2 in verdicts


# Folders.


def tensors_of(folder):
    return safetensors_torch.load_file(folder / "model.safetensors")


def as_archive(folder, out, form, shards=1):
    """The checkpoint folder with its weights as pytorch_model.bin, or as that in shards."""
    shutil.copytree(folder, out, ignore=shutil.ignore_patterns("*.safetensors*"))
    tensors = tensors_of(folder)
    if shards == 1:
        torch.save(tensors, out / "pytorch_model.bin", **form)
        return out
    names = sorted(tensors)
    files = [f"pytorch_model-{i + 1:05}-of-{shards:05}.bin" for i in range(shards)]
    weight_map = {name: files[i % shards] for i, name in enumerate(names)}
    for file in files:
        part = {name: tensors[name] for name in names if weight_map[name] == file}
        torch.save(collections.OrderedDict(part), out / file, **form)
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (out / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    return out


def ties(tmp_path, name, models):
    base, *tuned = map(str, models)
    recipe = {
        "merge_method": "ties",
        "base_model": base,
        "models": [{"model": path, "parameters": {"weight": 0.5}} for path in tuned],
        "parameters": {"density": 0.4},
    }
    path = write_recipe(tmp_path / f"{name}.yml", recipe)
    succeed("merge", path, tmp_path / name)
    return tmp_path / name


def test_merges_of_archives_are_those_of_safetensors(form, stories, tmp_path):
    names = ["base", "shakespeare", "inaugural"]
    folders = [stories / name for name in names]
    expected = ties(tmp_path, "expected", folders)
    for shards in (1, 3):
        made = [as_archive(f, tmp_path / f"{f.name}-{shards}", form, shards) for f in folders]
        got = ties(tmp_path, f"got-{shards}", made)
        assert (got / "model.safetensors").read_bytes() == (
            expected / "model.safetensors"
        ).read_bytes()
        # Everything but the archive and its index is the reference's.
        files = {path.name for path in expected.iterdir()}
        assert {path.name for path in got.iterdir()} == files
        assert not list(got.glob("*.bin*"))
        succeed("replay", got)


def test_mixed_inputs(form, stories, tmp_path):
    """One model as an archive, the other as safetensors."""
    expected = ties(tmp_path, "expected", [stories / "base", stories / "shakespeare"])
    archive = as_archive(stories / "shakespeare", tmp_path / "archive", form)
    got = ties(tmp_path, "got", [stories / "base", archive])
    first, second = (path / "model.safetensors" for path in (got, expected))
    assert first.read_bytes() == second.read_bytes()


def test_single_files(form, tmp_path):
    one, two = {"w": numbers(4, 5).t(), "v": numbers(3)}, {"w": numbers(5, 4), "v": numbers(3)}
    torch.save(one, tmp_path / "a.pt", **form)
    torch.save({"state_dict": two}, tmp_path / "b.ckpt", **form)
    save_safetensors(one, tmp_path / "a.safetensors")
    save_safetensors(two, tmp_path / "b.safetensors")
    merge = ("merge", "--method", "linear")
    succeed(*merge, tmp_path / "a.pt", tmp_path / "b.ckpt", "-o", tmp_path / "got.safetensors")
    succeed(
        *merge,
        tmp_path / "a.safetensors",
        tmp_path / "b.safetensors",
        "-o",
        tmp_path / "expected.safetensors",
    )
    got, expected = tmp_path / "got.safetensors", tmp_path / "expected.safetensors"
    assert got.read_bytes() == expected.read_bytes()
    assert (tmp_path / "got.merganser.json").exists()
    # What is written is safetensors: another name would say otherwise.
    line = fail(*merge, tmp_path / "a.pt", tmp_path / "b.ckpt", "-o", tmp_path / "out.pt")
    assert ".safetensors" in line


def test_transformers_own_shards(stories, tmp_path):
    """pytorch_model.bin as transformers and huggingface_hub cut it, tied head included."""
    transformers = pytest.importorskip("transformers")
    model = transformers.AutoModelForCausalLM.from_pretrained(stories / "base")
    folder = tmp_path / "model"
    folder.mkdir()
    from huggingface_hub import save_torch_state_dict

    save_torch_state_dict(
        model.state_dict(),
        folder,
        filename_pattern="pytorch_model{suffix}.bin",
        max_shard_size="300KB",
        safe_serialization=False,
    )
    assert (folder / "pytorch_model.bin.index.json").exists()
    shown = json.loads(succeed("inspect", "--json", folder))
    assert len(shown["tensors"]) >= len(tensors_of(stories / "base"))
    recipe = {"merge_method": "passthrough", "models": [{"model": str(folder)}]}
    succeed("merge", write_recipe(tmp_path / "r.yml", recipe), tmp_path / "out")
    got = tensors_of(tmp_path / "out")
    for name, tensor in tensors_of(stories / "base").items():
        assert torch.equal(got[name], tensor), name
