"""Which parts run, and which RESULTS.md they may write."""

import pytest

import options
import record
from parts import PARTS

CLEAN = {"failures": [], "skipped": []}


def place(*arguments, **results):
    path, why = record.place(options.parse([*arguments, "--work", "work"]), dict(CLEAN, **results))
    assert bool(why) == (path.parent != record.HERE)
    return path.parent == record.HERE


def test_everything_by_default():
    parsed = options.parse([])
    assert parsed.whole and parsed.parts == list(PARTS) and parsed.runs == 5 and parsed.sync


def test_quick_and_only():
    quick = options.parse(["--quick"])
    assert not quick.whole and "memory" not in quick.parts and quick.runs == 3 and not quick.sync
    assert options.parse(["--only", "ties"]).parts == ["merges"]
    assert options.parse(["--only", "ties", "--part", "memory"]).parts == ["memory"]


@pytest.mark.parametrize(
    "arguments",
    [["--quick"], ["--only", "ties"], ["--part", "svd"], ["--runs", "3"], ["--hash", "none"], ["--threads", "1"],
     ["--memory", "1GiB"], ["--layers", "2"], ["--touch", "6"], ["--no-large-gesdd"]],
    ids=lambda arguments: arguments[0],
)  # fmt: skip
def test_only_complete_runs_are_recorded(arguments):
    assert not place(*arguments)
    assert place(*arguments, "--record")


def test_a_complete_run_is_recorded_unless_something_fails():
    assert place() and place("--large-linear") and place(skipped=["MergeKit"])
    assert not place(failures=["ties"])
    assert place("--record", failures=["ties"])


def test_sections_are_added_only_whole():
    assert place("--part", "svd", "--add")
    assert not place("--part", "svd", "--add", skipped=["gesdd of 14336 x 4096"])
    assert not place("--part", "svd", "--add", failures=["svd"])


@pytest.mark.parametrize(
    "arguments",
    [["--quick"], ["--layers", "2"], ["--only", "ties"], ["--hash", "none"], ["--threads", "1"],
     ["--memory", "1GiB"], ["--record"]],
    ids=lambda arguments: arguments[0],
)  # fmt: skip
def test_results_of_other_settings_are_not_added(arguments, capsys):
    with pytest.raises(SystemExit):
        options.parse(["--add", *arguments])
    assert "--add: not with" in capsys.readouterr().err


@pytest.mark.parametrize("runs", ["0", "-1"])
def test_no_runs(runs):
    with pytest.raises(SystemExit):
        options.parse(["--runs", runs])
