#!/usr/bin/env python3
"""The truncated SVD beside LAPACK's sgesdd on the same BLAS, case by case.

Each case is a process of svd_bench (bench/svd/svd_bench.cpp), which prints the BLAS and its kernel;
OPENBLAS_CORETYPE is unset. gesdd's time hardly depends on the spectrum, so it is taken once for each
size, in the size's first case, and shared. The true excess, beside the bound that is proven, is that of
the factors, multiplied out in f64, over the best there is by the eigenvalues of the Gram matrix in f64.
"""

import argparse
import pathlib
import re
import sys

import measure

HERE = pathlib.Path(__file__).resolve().parent
LINE = re.compile(
    r"(?P<rows>\d+)x(?P<cols>\d+) k=(?P<rank>\d+) excess (?P<excess>\S+) (?P<spectrum>\S+) \| "
    r"(?P<blas>.+?) \| (?P<ours>\S+) s \((?P<way>\w+), (?P<steps>\d+) steps, (?P<triples>\d+) triples\)"
    r"(, sgesdd (?P<gesdd>\S+) s: \S+x)? \| residual (?P<residual>\S+), bound (?P<bound>[^\s,]+)"
    r"(, true (?P<true>[^\s,]+))?, ")


def cases(size):
    """(rows, cols, rank, tolerance, spectrum); 4096 is the size of the large ones."""
    part = lambda number: max(1, number * size // 4096)
    tolerances = ("1e-3", "1e-4")
    for tolerance in tolerances:
        for spectrum in ("noisy_full", "noisy", "noisy,unproven", "power0.5", "power0.7"):
            yield size, size, part(64), tolerance, spectrum
    for tolerance in tolerances:
        for spectrum in ("noisy_full", "tail"):
            yield size, size, part(512), tolerance, spectrum
    yield size, size, 16, tolerances[0], "lora16"
    yield part(14336), size, part(64), tolerances[0], "power0.7"
    for rows in (1536, 384):
        for spectrum in ("noisy", "power0.7"):
            yield rows, 384, 32, tolerances[0], spectrum


def parse(line):
    """What svd_bench printed of a case: texts and numbers by name; gesdd and true may be None."""
    found = LINE.match(line)
    if not found:
        raise ValueError(f"not a line of svd_bench: {line!r}")
    row = found.groupdict()
    for key in ("rows", "cols", "rank", "steps", "triples"):
        row[key] = int(row[key])
    for key in ("excess", "ours", "gesdd", "residual", "bound", "true"):
        row[key] = None if row[key] is None else float(row[key])
    return row


def run(program, work, environment, size, large_gesdd, say):
    """All cases; large_gesdd: time gesdd of the matrix that is taller than 4096, too."""
    timed, rows = {}, []
    for height, width, rank, tolerance, spectrum in cases(size):
        shape, small = (height, width), max(height, width) <= 1536
        wanted = shape not in timed and (large_gesdd or height == width or small)
        repeats = 15 if small else 3
        command = [program, height, width, rank, tolerance, spectrum, repeats,
                   (3 if small else 1) if wanted else 0]
        if spectrum != "lora16":  # of rank 16, so that there is nothing to be in excess of
            command.append("exact")
        done = measure.run(command, environment, log=work / "log")
        if done.error:
            raise RuntimeError(f"svd_bench {height} x {width} {spectrum}: {done.error}")
        row = parse((work / "log").read_text().splitlines()[-1])
        timed.setdefault(shape, row["gesdd"])
        if timed[shape] is None:
            timed.pop(shape)
        row.update(gesdd=timed.get(shape), other_cpu=done.other_cpu, wall=done.wall)
        if not rows:
            say(f"  both on {row['blas']}")
        rows.append(row)
        beside = "" if row["gesdd"] is None else f", gesdd {row['gesdd'] / row['ours']:.1f} times as long"
        say(f"  {height} x {width}, rank {rank}, {tolerance}, {spectrum}: {row['ours']:.4f} s{beside}")
    return rows


def table(rows):
    """Header and rows for Markdown."""
    cells = []
    for row in rows:
        gesdd = row["gesdd"]
        cells.append([
            f"{row['rows']} x {row['cols']}", row["rank"], row["spectrum"], f"{row['excess']:g}",
            f"{row['ours']:.4f}", f"{row['way']}, {row['steps']} steps" if row["steps"] else row["way"],
            "" if gesdd is None else f"{gesdd:.3f}",
            "" if gesdd is None else f"{gesdd / row['ours']:.1f}",
            f"{row['bound']:.1e}", "" if row["true"] is None else f"{row['true']:.1e}"])
    return ["matrix", "k", "spectrum", "tolerance", "ours, s", "how", "gesdd, s", "times",
            "proven excess", "true excess"], cells


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    root = HERE.parent
    parser.add_argument("--program", type=pathlib.Path, default=root / "build/release/bin/svd_bench")
    parser.add_argument("--work", type=pathlib.Path, default=root / "build/bench")
    parser.add_argument("--size", type=int, default=4096, help="smaller, to try the script")
    parser.add_argument("--no-large-gesdd", action="store_true",
                        help="without gesdd of 14336 x 4096, the longest of them")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    say = lambda text: print(text, file=sys.stderr, flush=True)
    rows = run(arguments.program.absolute(), arguments.work, measure.environment(),
               arguments.size, not arguments.no_large_gesdd, say)
    header, cells = table(rows)
    print("| " + " | ".join(header) + " |\n|" + "---|" * len(header))
    for row in cells:
        print("| " + " | ".join(map(str, row)) + " |")


if __name__ == "__main__":
    main()
