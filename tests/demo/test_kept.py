"""The demo measures again what has changed, and nothing else."""

import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "demo"))
from kept import Notes  # noqa: E402
from program import Program  # noqa: E402

COUNTS = """#!/bin/sh
echo run >> "$(dirname "$0")/calls"
echo '{"rows": [], "tasks": [{"name": "t", "rows": 7}]}'
"""


@pytest.fixture
def work(tmp_path):
    """A folder as the demo's, with a base, a specialist, a task; and a program that counts its calls."""
    for folder in ("base", "specialist", "tokens", "tasks", "heads", "recipes"):
        (tmp_path / folder).mkdir()
    for model in ("base", "specialist"):
        (tmp_path / model / "model.safetensors").write_text(model)
        (tmp_path / model / "config.json").write_text("{}")
    (tmp_path / "recipes/a.yml").write_text("merge_method: linear")
    (tmp_path / "tasks/t.yml").write_text("task: t")
    (tmp_path / "tokens/t-test.safetensors").write_text("tokens")
    (tmp_path / "heads/t.safetensors").write_text("head")
    (tmp_path / "merganser").write_text(COUNTS)
    (tmp_path / "merganser").chmod(0o755)
    return tmp_path


def measure(work, said=None, split="test", model="recipes/a.yml"):
    """A run of its own; the number of times that the program was called so far."""
    program = Program(work / "merganser", Notes(work / "kept.json"),
                      said.append if said is not None else lambda _: None)
    rows, sizes = program.evaluate([work / model], [work / "tasks/t.yml"], split, work / "base",
                                   [work / "specialist"])
    assert (rows, sizes) == ([], {"t": 7})
    program.forget_the_rest()
    return (work / "calls").read_text().count("run")


def test_a_second_run_takes_the_first_ones_figures(work):
    said = []
    assert measure(work, said) == 1 and said == []
    assert measure(work, said) == 1 and len(said) == 1


@pytest.mark.parametrize("file", ["base/model.safetensors", "specialist/config.json", "recipes/a.yml",
                                  "tasks/t.yml", "tokens/t-test.safetensors", "heads/t.safetensors"])
def test_what_changed_is_measured_again(work, file):
    measure(work)
    (work / file).write_text("something else")
    assert measure(work) == 2


def test_by_another_program(work):
    measure(work)
    (work / "merganser").write_text(COUNTS + "# newer")
    assert measure(work) == 2


def test_another_split_or_model(work):
    measure(work)
    assert measure(work, split="validation") == 2
    assert measure(work, model="specialist") == 3


def test_model_cards_do_not_count(work):
    measure(work, model="specialist")
    (work / "specialist/README.md").write_text("made on another day")
    assert measure(work, model="specialist") == 1


def test_a_plus_sign_in_the_name_of_a_folder(work):
    (work / "specialist").rename(work / "one+two")
    (work / "specialist").symlink_to("one+two")
    assert measure(work, model="one+two") == 1
    (work / "one+two/config.json").write_text("something else")
    assert measure(work, model="one+two") == 2


def test_what_no_run_asks_for_is_forgotten(work):
    measure(work)
    measure(work, split="validation")
    assert len(json.loads((work / "kept.json").read_text())) == 1
