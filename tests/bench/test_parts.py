"""Sections and targets from figures."""

import pytest

from parts import analyze, memory, smile

SAMPLE = {"wall": 400.0, "user": 500.0, "system": 10.0, "peak_anon": 700 << 20, "peak_rss": 900 << 20,
          "other_cpu": 1.0}  # fmt: skip
LAYER = {"spectrum": "power", "samples": [SAMPLE], "bound": 1e-4}
LINEAR = {"rows": 8, "cols": 8, "rank": 2, "experts": 3, "about": {"PyTorch": "2"}, "seconds": 100.0,
          "ours": SAMPLE, "theirs": SAMPLE, "errors": {"ours": [0.1], "theirs": [0.1]}}  # fmt: skip


@pytest.mark.parametrize("layer, linear", [([LAYER], []), ([], [LINEAR]), ([LAYER], [LINEAR])])
def test_smile_has_one_heading(layer, linear):
    found = {"hidden": 8, "rank": 2, "layer": layer, "linear": linear}
    headings = [line for line in smile.markdown({"smile": found}) if line.startswith("#")]
    assert headings[0] == "## SMILE" and len(headings) == 1 + bool(layer) + bool(linear)


def analysis(minutes, mebibytes, layers=22):
    sample = dict(SAMPLE, wall=60.0 * minutes, peak_anon=mebibytes << 20)
    return {"analyze": {"layers": layers, "hidden": 2048,
                        "runs": [{"zones": zones, "sample": sample, "report": 1} for zones in (False, True)]}}


@pytest.mark.parametrize("minutes, mebibytes, verdicts", [
    (6, 900, ["met", "met"]), (11, 900, ["**missed**", "met"]), (6, 1100, ["met", "**missed**"])])  # fmt: skip
def test_targets_of_the_analysis(minutes, mebibytes, verdicts):
    assert [row[-1] for row in analyze.targets(analysis(minutes, mebibytes))] == verdicts
    assert analyze.targets(analysis(minutes, mebibytes, layers=1)) == [], "those are of all layers"
    assert "22 layers of hidden 2048" in "\n".join(analyze.markdown(analysis(minutes, mebibytes)))


def test_memory_is_judged_beside_the_smaller_model():
    twice = {"linear": dict(SAMPLE, peak_anon=100 << 20)}
    assert memory.targets({"twice": twice, "merges": {}}) == []
    merges = {"linear": {"R": [SAMPLE], "none": [dict(SAMPLE, peak_anon=98 << 20)]}}
    [row] = memory.targets({"twice": twice, "merges": merges})
    assert row[-1] == "met" and "1.02 times" in row[2]
