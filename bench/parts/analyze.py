"""`merganser analyze` beside torch's decompositions of the same matrices."""

import analyze
import make_inputs
import peers
from figures import MIB, verdict
from sections import table

ABOUT = "the analysis of 1.1 billion parameters and three fine-tunes, 15 minutes"
NEEDS_INPUTS = True
MINUTES, RSS_ANON = 10, 1 << 30  # of the inputs of all layers, at most


def run(session):
    work = session.work / "analysis"
    work.mkdir(exist_ok=True)
    found = session.results["analyze"] = {"runs": [], "layers": session.shape["layers"],
                                          "hidden": session.shape["hidden"]}
    session.say("analysis of the base and three fine-tunes")
    analysis = analyze.Analysis(session.options.program, session.inputs, work, session.environment,
                                session.options.touch)
    for zones in (False,) if session.options.quick else (False, True):
        found["runs"].append(analysis.ours(zones))
        session.say(f"  {'with' if zones else 'without'} zones: "
                    f"{found['runs'][-1]['sample']['wall']:.0f} s")
    lacks = peers.lacks(session.python, "torch")
    if lacks:
        session.skip(f"LAPACK's decompositions beside the analysis: {lacks}")
    else:
        found["lapack"] = analysis.lapack(session.python, session.shape)


def targets(results):
    found = results.get("analyze")
    if not found or found["layers"] != make_inputs.SIZES["1x"]["layers"]:
        return []
    rows = []
    for row in found["runs"]:
        if row["zones"]:
            minutes, memory = row["sample"]["wall"] / 60, row["sample"]["peak_anon"]
            rows += [["the analysis, with zones", f"≤ {MINUTES} min", f"{minutes:.1f} min",
                      verdict(minutes <= MINUTES)],
                     ["the same, private memory (RssAnon)", f"≤ {RSS_ANON / MIB:.0f} MiB",
                      f"{memory / MIB:.0f} MiB", verdict(memory <= RSS_ANON)]]
    return rows


def markdown(results):
    found = results.get("analyze")
    if not found or not found["runs"]:
        return []
    out = ["## The analysis", "",
           f"`bench/analyze.py`: `merganser analyze` of the base and three fine-tunes, {found['layers']} "
           f"layers of hidden {found['hidden']}, one run each.", ""]
    out += table(*analyze.rows(found))
    if "lapack" in found:
        out += [analyze.lapack_line(found["lapack"]) + ".", ""]
    return out
