"""Interrupted mixtures: a resumed run takes over the layers that are decomposed, and ends in the
bytes of an uninterrupted one."""

import json
import os
import random
import shutil
import signal
import subprocess
import time

import pytest

from e2e.test_adapters import factors, write_adapter
from support import checkpoint, program
from support.recipe import models, write_recipe
from support.unfinished import (
    FACTORS,
    FACTORS_JOURNAL,
    JOURNAL,
    decomposed,
    hidden,
    kill_after,
    snapshot,
    unfinished_folder,
    wait_for,
)

pytestmark = pytest.mark.usefixtures("merganser")

LAYERS = 14  # of the Llamas below: seven linear ones in each of two blocks
LINEAR = ("_proj.weight",)


class Mixture:
    """A recipe, and what an uninterrupted run makes of it."""

    def __init__(self, folder, base, tunes, **parameters):
        self.folder, self.out = folder, folder / "out"
        recipe = {"merge_method": "smile", "base_model": str(base), "models": models(*tunes),
                  "parameters": {"rank_of_router": 2, **parameters}}  # fmt: skip
        self.recipe = write_recipe(folder / "recipe.yml", recipe)
        self.whole = json.loads(program.succeed(*self.command("--json")))
        self.wanted = snapshot(self.out)
        shutil.rmtree(self.out)

    def command(self, *flags):
        return ["merge", self.recipe, self.out, *flags]

    def kill(self, env, count, what=decomposed):
        process = program.start(*self.command("--resume"), env=env)
        names = kill_after(process, self.folder, count, what)
        assert not self.out.exists() and len(names) >= count
        return names

    def resume(self, *flags):
        report = json.loads(program.succeed(*self.command("--resume", "--json", *flags)))
        assert snapshot(self.out) == self.wanted and not hidden(self.folder)
        return report


@pytest.fixture
def three(llamas):
    return llamas(hidden=16, layers=2)


@pytest.fixture
def mixture(tmp_path, three):
    return Mixture(tmp_path, three[0], three[1:], rank_of_expert=4)


@pytest.fixture
def slow(troubled_io):
    return troubled_io(sleep_us=2000)


@pytest.fixture
def unfinished(mixture, slow):
    """A run that was killed with some layers decomposed, and their number."""
    count = len(mixture.kill(slow, 6))
    assert count < LAYERS
    return mixture, count


def bytes_of_layers(base, names):
    """Of these layers' weights, and of all tensors without experts."""
    tensors = checkpoint.read_checkpoint(base)
    layers = sum(tensors[name + ".weight"].nbytes for name in names)
    rest = sum(array.nbytes for name, array in tensors.items() if not name.endswith(LINEAR))
    return layers, rest


@pytest.mark.parametrize("count", [1, 5, 11])
@pytest.mark.parametrize(
    "parameters",
    [
        {"rank_of_expert": 4},
        {"rank_of_expert": -1},
        {"parameter_budget": 1.7},
        {"energy": 0.8},
        {"routing": "weight", "rank_of_expert": 3},
        {"layout": "fusion_bench", "rank_of_expert": 4},
    ],
    ids=lambda parameters: "-".join(parameters),
)  # fmt: skip
def test_killed_while_decomposing(tmp_path, three, slow, parameters, count):
    """What is decomposed is not read again: neither those layers, nor what was measured before."""
    mixture = Mixture(tmp_path, three[0], three[1:], **parameters)
    names = mixture.kill(slow, count)
    assert len(names) < LAYERS
    report = mixture.resume()
    assert report["resumed_layers"] == len(names) and report["resumed_tensors"] == 0
    layers, rest = bytes_of_layers(three[0], names)
    assert report["bytes_read"] == mixture.whole["bytes_read"] - 3 * (layers + rest)
    assert f"the experts of {len(names)} of {LAYERS} layers are from the unfinished run" in report["notes"]


@pytest.mark.parametrize("parameters", [{"rank_of_expert": 4}, {"parameter_budget": 1.7}],
                         ids=["ranks", "budget"])  # fmt: skip
def test_killed_while_writing(tmp_path, three, slow, parameters):
    """Then nothing is decomposed any more: what is read is the rest of the base's tensors."""
    mixture = Mixture(tmp_path, three[0], three[1:], **parameters)
    process = program.start(*mixture.command("--resume"), env=slow)
    names = kill_after(process, tmp_path, 30)
    assert not mixture.out.exists() and len(names) >= 30
    report = mixture.resume()
    assert report["resumed_layers"] == LAYERS and report["resumed_tensors"] == len(names)
    base = checkpoint.read_checkpoint(three[0])
    left = sum(array.nbytes for name, array in base.items() if name not in names)
    # A tensor of the journal may not have been counted when it was killed.
    assert report["bytes_read"] <= left + max(array.nbytes for array in base.values())


@pytest.fixture
def written(mixture, slow):
    """A run that was killed with all layers decomposed and some tensors written; its folder."""
    process = program.start(*mixture.command("--resume"), env=slow)
    assert kill_after(process, mixture.folder, 5) and not mixture.out.exists()
    return mixture, unfinished_folder(mixture.folder)


@pytest.mark.parametrize("size", [0, 20])
def test_a_journal_of_tensors_without_a_line(written, size):
    """A run that was killed as it began that journal: the experts are good all the same."""
    mixture, folder = written
    os.truncate(folder / JOURNAL, size)
    report = mixture.resume()
    assert report["resumed_layers"] == LAYERS and report["resumed_tensors"] == 0


def test_no_room_for_the_first_line(written, troubled_io):
    """Of the journal of tensors, on a disk with room for the factors and the outputs' header."""
    mixture, folder = written
    aside = sum((folder / name).stat().st_size for name in (FACTORS, FACTORS_JOURNAL))
    with open(folder / "model.safetensors", "rb") as file:
        header = 8 + int.from_bytes(file.read(8), "little")
    first = (folder / JOURNAL).read_bytes().index(b"\n") + 1
    shutil.rmtree(folder)
    for room in (header, header + first - 1):
        line = program.fail(*mixture.command("--resume"), env=troubled_io(full_after=aside + room))
        assert "space" in line and f"the experts of {LAYERS} of {LAYERS} layers are kept" in line
        assert not (unfinished_folder(mixture.folder) / JOURNAL).exists()
        assert mixture.resume()["resumed_layers"] == LAYERS
        shutil.rmtree(mixture.out)


def test_without_resume_nothing_has_a_name(mixture, slow):
    """Then the factors are gone with the process, and a resumed run decomposes again."""
    process = program.start(*mixture.command(), env=slow)
    names = kill_after(process, mixture.folder, 20)
    assert not mixture.out.exists() and len(names) >= 20
    assert not [p.name for p in unfinished_folder(mixture.folder).iterdir() if FACTORS in p.name]
    report = mixture.resume()
    assert report["resumed_layers"] == 0 and report["resumed_tensors"] == len(names)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_stopped_while_decomposing_without_resume(mixture, slow, how):
    process = program.start(*mixture.command(), env=slow)
    deadline = time.monotonic() + 60
    while not [p for p in hidden(mixture.folder) if p.is_dir()] and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(0.1)
    process.send_signal(how)
    outcome = program.finish(process)
    assert outcome.code != 0 and not mixture.out.exists()
    if how == signal.SIGINT:
        assert outcome.err.startswith("interrupted: nothing was written") and not hidden(mixture.folder)
    assert mixture.resume()["resumed_layers"] == 0


@pytest.mark.parametrize("counts", [(1, 2), (8, 10)])
def test_interrupted(mixture, slow, counts):
    """Ctrl-C keeps what is decomposed, and says so; twice, too."""
    for count in counts:
        process = program.start(*mixture.command("--resume"), env=slow)
        wait_for(process, mixture.folder, count, decomposed)
        process.send_signal(signal.SIGINT)
        outcome = program.finish(process)
        assert outcome.code == 130 and not mixture.out.exists()
        kept = len(decomposed(mixture.folder))
        assert count <= kept < LAYERS
        assert f"interrupted; the experts of {kept} of {LAYERS} layers are kept; " in outcome.err
        assert "--resume" in outcome.err
    assert mixture.resume()["resumed_layers"] == kept


def test_interrupted_before_the_first_layer(mixture, troubled_io):
    """There is nothing to keep."""
    # What is measured first, the tensors without experts, is read for some seconds.
    process = program.start(*mixture.command("--resume"), env=troubled_io(sleep_us=50_000))
    deadline = time.monotonic() + 60
    while not [p for p in hidden(mixture.folder) if p.is_dir()] and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    outcome = program.finish(process)
    assert outcome.code == 130
    assert outcome.err.startswith("interrupted: nothing was written") and not hidden(mixture.folder)


def test_adapters(tmp_path, slow):
    """Factors of base+adapter; layers that no adapter touches are taken over, too."""
    base = checkpoint.llama(tmp_path / "base")
    adapters = [write_adapter(tmp_path / f"a{seed}", factors(seed)) for seed in (1, 2)]
    tunes = [f"{base}+{folder}" for folder in adapters]
    mixture = Mixture(tmp_path, base, tunes, rank_of_expert=2)
    names = mixture.kill(slow, 5)
    assert mixture.resume()["resumed_layers"] == len(names)
    shutil.rmtree(mixture.out)
    mixture.kill(slow, 5)
    os.utime(adapters[1] / "adapter_model.safetensors")
    error = program.fail(*mixture.command("--resume"))
    assert "a2" in error and "changed" in error and hidden(tmp_path)
    config = adapters[0] / "adapter_config.json"
    config.write_text(config.read_text().replace('"lora_alpha": 3', '"lora_alpha": 4'))
    assert "another merge" in program.fail(*mixture.command("--resume"))


@pytest.mark.parametrize("rank", [2, -1])
def test_biases_and_weights_that_lie_the_other_way_round(tmp_path, slow, rank):
    """GPT-2: whole differences are put aside turned; changes of biases are measured first."""
    shapes = {"wte.weight": (20, 8), "wpe.weight": (16, 8), "ln_f.weight": (8,), "ln_f.bias": (8,)}
    for layer in range(2):
        for name, shape in {"attn.c_attn": (8, 24), "attn.c_proj": (8, 8),
                            "mlp.c_fc": (8, 32), "mlp.c_proj": (32, 8)}.items():  # fmt: skip
            shapes[f"h.{layer}.{name}.weight"] = shape
            shapes[f"h.{layer}.{name}.bias"] = shape[1:]
    config = {"model_type": "gpt2", "architectures": ["GPT2Model"], "n_layer": 2, "n_embd": 8,
              "n_head": 2, "vocab_size": 20, "n_positions": 16}  # fmt: skip
    tensors = checkpoint.random_tensors(shapes, 0)
    base = checkpoint.write_checkpoint(tmp_path / "base", config, tensors)
    tunes = [checkpoint.write_checkpoint(tmp_path / f"t{i}", config, checkpoint.near(tensors, i))
             for i in (1, 2)]  # fmt: skip
    mixture = Mixture(tmp_path, base, tunes, rank_of_expert=rank)
    names = mixture.kill(slow, 4)
    assert mixture.resume()["resumed_layers"] == len(names)


def test_layers_of_zeros(tmp_path, three, slow):
    """FusionBench's classes have experts in every linear layer; those that are not chosen read nothing."""
    upscale = [{"filter": "q_proj", "value": True}, {"filter": "up_proj", "value": True}, {"value": False}]
    mixture = Mixture(tmp_path, three[0], three[1:], layout="fusion_bench", rank_of_expert=4,
                      upscale=upscale, unchanged="unit_vectors")  # fmt: skip
    names = mixture.kill(slow, 3)
    report = mixture.resume()
    assert report["resumed_layers"] == len(names) and report["bytes_read"] < mixture.whole["bytes_read"]


def test_kills_at_random(tmp_path, three, troubled_io):
    """kill -9 at random moments, until it is done."""
    mixture = Mixture(tmp_path, three[0], three[1:], parameter_budget=1.6)
    generator = random.Random(7)
    kills = partly = 0
    while kills < 25:
        shutil.rmtree(mixture.out, ignore_errors=True)
        while not mixture.out.exists():
            process = program.start(*mixture.command("--resume"),
                                    env=troubled_io(sleep_us=generator.choice([0, 500, 1500])))  # fmt: skip
            try:
                process.wait(timeout=generator.uniform(0.01, 0.6))
            except subprocess.TimeoutExpired:
                process.kill()
                kills += 1
            code = program.finish(process).code
            assert code in (0, -signal.SIGKILL)
            assert (code == 0) <= mixture.out.exists()
            partly += 0 < len(decomposed(tmp_path)) < LAYERS
        assert snapshot(mixture.out) == mixture.wanted
    assert partly >= 3, "the kills came too early or too late to show anything"
    mixture.resume("--force")  # clears up what a late kill may have left


def test_changed_inputs_are_refused(unfinished, three):
    mixture, count = unfinished
    path = three[2] / "model.safetensors"
    content, times = path.read_bytes(), (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    with open(path, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(bytes([content[-1] ^ 1]))
    error = program.fail(*mixture.command("--resume"))
    assert str(path) in error and "changed" in error and "--resume" in error
    assert len(decomposed(mixture.folder)) == count, "refusing must not throw the work away"
    with open(path, "r+b") as file:
        file.write(content)
    os.utime(path, ns=times)
    assert mixture.resume()["resumed_layers"] == count


@pytest.mark.parametrize(
    "parameters",
    [
        {"rank_of_expert": 5},
        {"rank_of_expert": 4, "svd_tolerance": 0},
        {"rank_of_expert": 4, "svd_certify": True},
        {"rank_of_expert": 4, "rest": "average"},
    ],
    ids=lambda parameters: "-".join(parameters),
)
def test_other_parameters_are_refused(unfinished, three, parameters):
    mixture, count = unfinished
    recipe = {"merge_method": "smile", "base_model": str(three[0]), "models": models(*three[1:]),
              "parameters": {"rank_of_router": 2, **parameters}}  # fmt: skip
    write_recipe(mixture.recipe, recipe)
    assert "another merge" in program.fail(*mixture.command("--resume"))
    assert len(decomposed(mixture.folder)) == count


@pytest.mark.parametrize("option", ["--seed=3", "--hash=sha256", "--max-shard-size=4KB", "--only=*mlp*"])
def test_other_options_are_refused(unfinished, option):
    mixture, count = unfinished
    assert "another merge" in program.fail(*mixture.command("--resume", option))
    assert len(decomposed(mixture.folder)) == count


def test_another_method_is_refused(unfinished, three):
    mixture, count = unfinished
    recipe = {"merge_method": "linear", "models": models(*three[1:], weight=[1, 1])}
    write_recipe(mixture.recipe, recipe)
    assert "another merge" in program.fail(*mixture.command("--resume"))
    assert len(decomposed(mixture.folder)) == count


@pytest.mark.parametrize("parameters", [{"rank_of_expert": 4}, {"parameter_budget": 1.7}],
                         ids=["ranks", "budget"])  # fmt: skip
def test_tensors_of_another_merge_are_refused(tmp_path, three, slow, parameters):
    """Those of a run without --resume: there are no factors that would tell. Known ranks tell before
    anything is decomposed."""
    mixture = Mixture(tmp_path, three[0], three[1:], **parameters)
    names = kill_after(program.start(*mixture.command(), env=slow), tmp_path, 10)
    assert not mixture.out.exists() and names
    error = program.fail(*mixture.command("--resume", "--seed", 3))
    assert "another merge" in error and "leave out --resume" in error and "are kept" not in error
    if "rank_of_expert" in parameters:
        assert not decomposed(tmp_path)
    path = unfinished_folder(tmp_path) / "model.safetensors"
    os.truncate(path, path.stat().st_size - 8)
    for journal in unfinished_folder(tmp_path).glob(FACTORS + "*"):
        journal.unlink()
    error = program.fail(*mixture.command("--resume"))
    assert "model.safetensors" in error and "are kept" not in error


def test_memory_may_change(unfinished):
    mixture, count = unfinished
    assert mixture.resume("--memory", "64MiB")["resumed_layers"] == count


def scratch(change):
    return lambda folder: (folder / FACTORS).write_bytes(change((folder / FACTORS).read_bytes()))


def journal(change):
    def edit(folder):
        path = folder / FACTORS_JOURNAL
        path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))

    return edit


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


def replaced(name, make):
    def replace(folder):
        (folder / name).unlink()
        make(folder / name)

    return replace


# Name: the change, and how many layers are good all the same (None: all).
DAMAGE = {
    "factors flipped at the front": (scratch(lambda data: flipped(data, 5)), 0),
    "factors cut by a byte": (scratch(lambda data: data[:-1]), None),
    "factors empty": (scratch(lambda data: b""), 0),
    "factors longer": (scratch(lambda data: data + bytes(100_000)), None),
    "factors zeros": (scratch(lambda data: bytes(len(data))), 0),
    "factors gone": (lambda folder: (folder / FACTORS).unlink(), 0),
    "factors a folder": (replaced(FACTORS, os.mkdir), 0),
    "factors a pipe": (replaced(FACTORS, os.mkfifo), 0),
    "journal flipped in the second layer": (
        journal(lambda lines: [*lines[:3], flipped(lines[3], 30), *lines[4:]]), 1),
    "journal cut in the third layer": (journal(lambda lines: [*lines[:4], lines[4][:40]]), 2),
    "journal with a layer left out": (journal(lambda lines: [*lines[:4], *lines[5:]]), 2),
    "journal with layers exchanged": (
        journal(lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]]), 1),
    "journal of the identity alone": (journal(lambda lines: lines[:1]), 0),
    "journal empty": (journal(lambda lines: []), 0),
    "journal without a whole line": (journal(lambda lines: [lines[0][:-1]]), 0),
    "journal with garbage behind": (journal(lambda lines: [*lines, b"\0" * 1000, b"\n" * 1000]), None),
    "journal a folder": (replaced(FACTORS_JOURNAL, os.mkdir), 0),
    "journal gone": (lambda folder: (folder / FACTORS_JOURNAL).unlink(), 0),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged(unfinished, damage):
    """Decomposed again from the first layer that is not as it was left."""
    mixture, count = unfinished
    change, good = DAMAGE[damage]
    change(unfinished_folder(mixture.folder))
    layers = mixture.resume()["resumed_layers"]
    if damage == "factors cut by a byte":  # maybe of a layer that is not in the journal yet
        assert layers in (count - 1, count)
    else:
        assert layers == (count if good is None else good)


@pytest.mark.parametrize("text", [b"garbage\n", bytes(range(256)) * 10])
def test_no_journal_at_all(unfinished, text):
    mixture, _ = unfinished
    (unfinished_folder(mixture.folder) / FACTORS_JOURNAL).write_bytes(text)
    error = program.fail(*mixture.command("--resume"))
    assert FACTORS_JOURNAL in error and "journal" in error
    program.succeed(*mixture.command())
    assert snapshot(mixture.out) == mixture.wanted and not hidden(mixture.folder)


@pytest.mark.parametrize("name", [FACTORS, FACTORS_JOURNAL])
def test_links_lead_nowhere(unfinished, name):
    mixture, _ = unfinished
    path = unfinished_folder(mixture.folder) / name
    elsewhere = mixture.folder / "elsewhere"
    shutil.move(path, elsewhere)
    path.symlink_to(elsewhere)
    before = elsewhere.read_bytes()
    assert mixture.resume()["resumed_layers"] == 0
    assert elsewhere.read_bytes() == before


@pytest.mark.parametrize("full_after", [6000, 20_000, 40_000])
def test_a_full_disk(mixture, troubled_io, full_after):
    """What is decomposed stays, and is not lost by a second failure either."""
    for _ in range(2):
        line = program.fail(*mixture.command("--resume"), env=troubled_io(full_after=full_after))
        assert "space" in line and not mixture.out.exists()
    kept = len(decomposed(mixture.folder))
    if kept > 0:
        assert f"of {LAYERS} layers" in line and "--resume" in line
    assert mixture.resume()["resumed_layers"] == kept


def test_nothing_to_resume(mixture):
    report = mixture.resume()
    assert report["resumed_layers"] == 0
    assert any("no unfinished run" in note for note in report["notes"])
