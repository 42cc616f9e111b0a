"""A run goes on behind a part that breaks off, and every part's results stay."""

import json
from types import SimpleNamespace

import pytest

import options
import report
import run
from parts import PARTS
from session import Session


@pytest.fixture
def session(tmp_path):
    return Session(options.parse(["--work", str(tmp_path / "work"), "--part", "start-up", "--part", "svd"]))


def saved(session):
    return json.loads((session.work / "results.json").read_text())


def part(act, needs_inputs=False):
    return SimpleNamespace(ABOUT="", NEEDS_INPUTS=needs_inputs, run=act, markdown=lambda results: [])


@pytest.mark.parametrize("error", [KeyError("peak"), SystemExit("no disk space"), MemoryError()])
def test_a_part_that_raises(session, monkeypatch, error):
    def breaks_off(session):
        session.results["first"] = 1
        raise error

    def works(session):
        assert saved(session)["first"] == 1, "what was measured before is not lost if this one is killed"
        session.results["second"] = 2

    parts = {"start-up": part(breaks_off), "merges": part(None), "svd": part(works)}
    monkeypatch.setattr(run, "PARTS", parts)
    run.measure_parts(session)
    results = saved(session)
    assert (results["first"], results["second"]) == (1, 2)
    [failure] = results["failures"]
    assert failure.startswith(f"start-up: {type(error).__name__}")
    monkeypatch.setattr(report, "PARTS", parts)
    session.results["program"] = "merganser"
    assert run.conclude(session) == 1
    assert "## Failures" in (session.work / "RESULTS.md").read_text()


def test_parts_that_need_inputs_fail_without_them(session, monkeypatch):
    monkeypatch.setattr(session, "make_inputs", lambda: 1 / 0)
    monkeypatch.setattr(run, "PARTS", {"start-up": part(None, needs_inputs=True),
                                       "svd": part(lambda session: None)})  # fmt: skip
    run.measure_parts(session)
    assert [text.split(":")[0] for text in saved(session)["failures"]] == ["start-up"]


def test_an_interrupt_ends_the_run(session, monkeypatch):
    def interrupted(session):
        session.results["first"] = 1
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "PARTS", {"start-up": part(interrupted)})
    with pytest.raises(KeyboardInterrupt):
        run.measure_parts(session)
    assert saved(session)["first"] == 1


@pytest.mark.parametrize("name", PARTS)
def test_every_part_is_whole(name, session):
    each = PARTS[name]
    assert each.ABOUT and isinstance(each.NEEDS_INPUTS, bool) and callable(each.run)
    assert each.markdown(session.results) == [], "without figures there is no section"
    assert not hasattr(each, "targets") or each.targets(session.results) == []
