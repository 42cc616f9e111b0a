"""SMILE of a whole layer beside LAPACK's decompositions, and of one linear layer beside FusionBench."""

import peers
import smile
import smile_linear
from sections import table

ABOUT = ("SMILE of a layer of Mistral-7B's shape, and of one linear beside FusionBench, 6 minutes")
NEEDS_INPUTS = False
SPECTRA = ("power", "noise")
RANK, TOLERANCE = 64, "1e-3"


def run(session):
    hidden = 512 if session.options.quick else 4096
    found = session.results["smile"] = {"hidden": hidden, "rank": RANK, "layer": [], "linear": []}
    work = session.work / "smile"
    work.mkdir(exist_ok=True)
    layer(session, hidden, work, found)
    linear(session, hidden, work, found["linear"])


def layer(session, hidden, work, found):
    options = session.options
    session.say(f"SMILE: a layer of Mistral's shape, hidden {hidden}, 3 experts of rank {RANK}")
    measured = smile.Layer(options.program, work, session.environment, options.touch, hidden)
    try:
        for spectrum in SPECTRA:
            found["layer"].append(measured.ours(spectrum, RANK, TOLERANCE, 1))
            session.say(f"  {spectrum}: {found['layer'][-1]['samples'][0]['wall']:.2f} s")
        lacks = "--no-large-gesdd" if options.no_large_gesdd else peers.lacks(session.python, "torch")
        if lacks:
            session.skip(f"LAPACK's decompositions of a layer: {lacks}")
            return
        found["lapack"] = measured.lapack(session.python)
        session.say("  " + smile.lapack_line(found["lapack"]))
    except RuntimeError as error:
        session.fail(str(error))


def linear(session, hidden, work, rows):
    options = session.options
    missing = smile_linear.missing(session.python, options.fusion_bench)
    if missing:
        session.skip(f"FusionBench: {missing}")
        return
    sizes = [(hidden, hidden)] + ([(hidden * 7 // 2, hidden)] if options.large_linear else [])
    if not options.large_linear:
        session.skip("FusionBench on 14336 x 4096 (--large-linear)")
    measured = smile_linear.Linear(options.program, session.python, options.fusion_bench, work,
                                   session.environment, options.touch)
    session.say("SMILE of one linear layer beside FusionBench")
    for height, width in sizes:
        try:
            row = measured.compare(height, width, RANK, session.say)
        except RuntimeError as error:
            session.fail(str(error))
            continue
        rows.append(row)
        if row["wrong"]:
            session.fail(f"SMILE of {height} x {width}: experts leave more than FusionBench's")


def markdown(results):
    found = results.get("smile")
    if not found or not (found["layer"] or found["linear"]):
        return []
    out = ["## SMILE", ""]
    if found["layer"]:
        out += ["### A layer of Mistral-7B's shape", "",
                f"`bench/smile.py`: hidden {found['hidden']}, bf16, three fine-tunes, experts of rank "
                f"{found['rank']}, tolerance 1e-3; merganser as a whole program with `--no-sync`, one run.",
                ""]
        out += table(*smile.table(found["layer"]))
        if "lapack" in found:
            out += [smile.lapack_line(found["lapack"]) + ".", ""]
    if found["linear"]:
        about = ", ".join(f"{key} {value}" for key, value in found["linear"][0]["about"].items())
        out += ["### One linear layer, beside FusionBench", "",
                f"`bench/smile_linear.py`: `upscale_to_smile_linear` of FusionBench 0.2.33 ({about}) and "
                "`merganser merge --no-sync` on the same bf16 files, one run each in the same minutes. "
                "Error: what an expert leaves of its difference, |D - U S Vᵀ| / |D|.", ""]
        out += table(*smile_linear.table(found["linear"]))
        for row in found["linear"]:
            whole = row["theirs"]["wall"] / row["ours"]["wall"]
            memory = row["theirs"]["peak_rss"] / row["ours"]["peak_rss"]
            out += [f"{row['rows']} x {row['cols']}: **{smile_linear.times(row):.1f} times as fast** (their "
                    f"function alone to our whole program; {whole:.1f} times program to program), "
                    f"peak RSS 1/{memory:.0f} of theirs.", ""]
    return out
