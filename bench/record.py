"""results.json, and which RESULTS.md a run writes."""

import datetime
import json
import pathlib

import make_inputs
import report

HERE = pathlib.Path(__file__).resolve().parent


def begin(options, shape):
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "machine": report.machine(), "program": "", "layers": shape["layers"],
        "bytes_each": make_inputs.size_of_one(shape),
        "options": {"runs": options.runs, "quick": options.quick},
        "merges": {}, "synced": {}, "twice": {}, "mergekit": {}, "start_up": {},
        "failures": [], "wrong": [], "skipped": [],
    }


def save(work, results):
    """After every part: what is measured stays, however the next one ends."""
    (work / "results.json").write_text(json.dumps(results, indent=1) + "\n")


def place(options, results):
    """bench/RESULTS.md or the one in the work folder, and why the latter. Sections that are added take
    the place of those of the same heading, so a part that left something out would delete it there."""
    ours = options.work / "RESULTS.md"
    if not (options.add or options.whole):
        return ours, "bench/RESULTS.md is for complete runs"
    if results["failures"] and not options.record:
        return ours, "not bench/RESULTS.md, since something failed"
    if options.add and results["skipped"]:
        return ours, "not bench/RESULTS.md, where it would delete what was left out here"
    return HERE / "RESULTS.md", ""


def write(options, results):
    """Returns what to tell of it."""
    save(options.work, results)
    path, why = place(options, results)
    if options.add and not why:
        text = report.added(path.read_text(), results)
    else:
        text = report.markdown(results)
    path.write_text(text)
    return f"written: {path} and {options.work / 'results.json'}" + (f" ({why})" if why else "")
