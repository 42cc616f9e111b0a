"""Methods on matrices beside LAPACK."""

import sys

import matrices
import peers
from figures import MIB, verdict
from sections import table

ABOUT = "methods on matrices beside LAPACK, 10 minutes"
NEEDS_INPUTS = False


def run(session):
    size = 512 if session.options.quick else 4096
    session.results["matrices"] = matrices.run(
        session.options.program, sys.executable, session.work, size, 1, session.say)
    if session.results["matrices"]["wudi"] is None:
        session.skip(f"FusionBench's WUDI: {peers.lacks(sys.executable, 'torch')}")


def targets(results):
    found = results.get("matrices", {})
    rows = []
    for row in found.get("rows", []):
        rows.append([f"{row['method']}, {row['differences']}, beside LAPACK",
                     f"≥ {row['target']} times", f"{row['times']:.1f} times",
                     verdict(row["times"] >= row["target"])])
    if found.get("wudi"):
        row = found["wudi"]
        rows.append(["an iteration of WUDI, beside FusionBench", f"≥ {row['target']} times",
                     f"{row['times']:.0f} times", verdict(row["times"] >= row["target"])])
    return rows


def markdown(results):
    found = results.get("matrices")
    if not found:
        return []
    out = ["## Methods on matrices", "",
           f"A base and four models of one f32 matrix, {found['size']} x {found['size']}; merganser as "
           f"a whole program (BLAS: {found['blas']}), LAPACK's arithmetic alone through NumPy. Memory "
           "is what `merganser plan` states.", ""]
    out += table(["method", "differences", "merganser, s", "LAPACK, s", "times", "memory, MiB"], [
        [row["method"], row["differences"], f"{row['ours']:.2f}", f"{row['lapack']:.2f}",
         f"{row['times']:.1f}", f"{row['memory'] / MIB:.0f}"] for row in found["rows"]])
    if found["wudi"]:
        row, size = found["wudi"], found["wudi_size"]
        out += [f"An iteration of WUDI on {size} x {size}: {1000 * row['ours']:.1f} ms, as FusionBench "
                f"writes it in torch {1000 * row['theirs']:.0f} ms.", ""]
    return out
