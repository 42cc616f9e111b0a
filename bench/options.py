"""The options of run.py, and what follows from them."""

import argparse
import pathlib

from methods import MERGES
from parts import PARTS

ROOT = pathlib.Path(__file__).resolve().parents[1]
HASHES = ("none", "xxh3", "sha256")
# Results of a run with one of these are not of the sizes or settings of bench/RESULTS.md.
OTHERWISE = ("quick", "layers", "only", "hash", "threads", "memory")
# Such a run, and one of these, is not complete.
IN_PART = (*OTHERWISE, "parts", "runs", "no_large_gesdd", "add")


def parse(arguments=None):
    """options.whole: the run is to write bench/RESULTS.md."""
    parser = argparse.ArgumentParser(description="The benchmarks of merganser; see bench/README.md.")
    parser.add_argument("--quick", action="store_true",
                        help="3 runs; no MergeKit TIES, no model twice as large, no runs with sync")
    parser.add_argument("--only", action="append", choices=MERGES, metavar="METHOD",
                        help=f"these merges only, nothing else: {', '.join(MERGES)} (repeatable)")
    parser.add_argument("--part", action="append", dest="parts", choices=PARTS,
                        help="these parts only (repeatable; with --only: merges)")
    parser.add_argument("--large-linear", action="store_true",
                        help="FusionBench on a linear layer of 14336 x 4096, too (a minute or more, 4 GB)")
    parser.add_argument("--no-large-gesdd", action="store_true",
                        help="no gesdd of 14336 x 4096, nor what is added up from it")
    parser.add_argument("--add", action="store_true",
                        help="put the sections of this run into bench/RESULTS.md, leave the others")
    parser.add_argument("--runs", type=int, metavar="N", help="timed runs of each (5)")
    parser.add_argument("--hash", action="append", choices=HASHES, metavar="NAME",
                        help="these hash modes only (repeatable)")
    parser.add_argument("--touch", type=float, metavar="GB",
                        help="touch at most this much free memory before a run (all)")
    parser.add_argument("--record", action="store_true",
                        help="write bench/RESULTS.md although options were given or something failed")
    parser.add_argument("--threads", type=int, help="passed on")
    parser.add_argument("--memory", help="passed on, such as 256MiB")
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/release/bin/merganser")
    parser.add_argument("--svd-bench", type=pathlib.Path,
                        default=ROOT / "build/release/bin/svd_bench", help="the target svd_bench")
    parser.add_argument("--fusion-bench", type=pathlib.Path, default=ROOT / "build/fusion_bench",
                        help="folder of tests/setup_fusion_bench.sh (build/fusion_bench)")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build/bench",
                        help="folder for inputs and outputs (build/bench)")
    parser.add_argument("--venv", type=pathlib.Path, default=ROOT / "build/venv",
                        help="virtual environment that has MergeKit (build/venv)")
    parser.add_argument("--layers", type=int, metavar="N",
                        help="smaller inputs of N layers, to try the harness")
    options = parser.parse_args(arguments)
    if options.runs is not None and options.runs < 1:
        parser.error("--runs: at least 1")
    if options.add:
        if options.record:
            parser.error("--add: not with --record, which writes all of bench/RESULTS.md")
        for name in OTHERWISE:
            if getattr(options, name):
                parser.error(f"--add: not with --{name}, whose results are not those of bench/RESULTS.md")
    in_part = options.touch is not None or any(getattr(options, name) for name in IN_PART)
    options.whole = options.record or not in_part
    if options.touch is not None:
        options.touch = int(1e9 * options.touch)
    options.sync = not options.quick and not options.only
    options.runs = options.runs or (3 if options.quick else 5)
    if not options.parts:
        options.parts = ["merges"] if options.only else list(PARTS)
        if options.quick and not options.only:
            options.parts.remove("memory")
    options.work = options.work.resolve()
    for name in ("program", "venv", "svd_bench", "fusion_bench"):
        setattr(options, name, getattr(options, name).absolute())
    return options
