#!/usr/bin/env python3
"""The benchmarks of merganser. The protocol is in README.md.

Timings never make the exit status fail; crashes and wrong outputs do.
"""

import argparse
import datetime
import json
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import time

import analyze
import check
import make_inputs
import measure
import mergekit
import report
import smile
import smile_linear
import spectral
import truncated_svd
from methods import MERGEKIT, MERGES

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
START_UP_RUNS = 20
# What a part does, and how long on two quiet cores.
PARTS = {
    "merges": "merges of 1.1 billion parameters beside copying, 15 minutes (and the inputs, once, 2)",
    "start-up": "start-up, seconds",
    "mergekit": "the same merges by MergeKit, 20 minutes",
    "spectral": "methods on matrices beside LAPACK, 10 minutes",
    "svd": "the truncated SVD beside LAPACK's gesdd, 6 minutes",
    "smile": "SMILE of a layer of Mistral-7B's shape, and of one linear beside FusionBench, 6 minutes",
    "analyze": "the analysis of 1.1 billion parameters and three fine-tunes, 15 minutes",
    "adapters": "LoRA adapters beside PEFT, 5 minutes",
    "memory": "memory with a model twice as large, 5 minutes",
}
SMILE_SPECTRA = ("power", "noise")
SMILE_RANK, SMILE_TOLERANCE = 64, "1e-3"
BENCH_HASHES = ("none", "xxh3", "sha256")


def say(text):
    print(text, flush=True)


def gigabytes(value):
    return f"{value / 1e9:.1f} GB"


class Bench:
    def __init__(self, options):
        self.options = options
        self.work = options.work
        self.work.mkdir(parents=True, exist_ok=True)
        self.merged, self.copied = self.work / "merged", self.work / "copied"
        self.log = self.work / "log"
        self.twice = self.work / "inputs2x"
        self.environment = mergekit.environment()
        self.shape = dict(make_inputs.SIZES["1x"])
        self.inputs = self.work / "inputs"
        if options.layers:
            self.shape["layers"] = options.layers
            self.inputs = self.work / f"inputs-{options.layers}"
        self.results = {
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
            "machine": report.machine(), "program": "", "layers": self.shape["layers"],
            "bytes_each": make_inputs.size_of_one(self.shape),
            "options": {"runs": options.runs, "quick": options.quick},
            "merges": {}, "synced": {}, "twice": {}, "mergekit": {}, "start_up": {},
            "failures": [], "wrong": [], "skipped": [],
        }

    # Helpers

    def fail(self, text):
        say(f"  FAILED {text}")
        self.results["failures"].append(text)

    def skip(self, text):
        say(f"  left out: {text}")
        self.results["skipped"].append(text)

    def files(self, merge, folder=None):
        return [(folder or self.inputs) / model / "model.safetensors" for model in merge.models]

    def recipe(self, merge, folder=None):
        folder = folder or self.inputs
        path = self.work / f"{merge.name}-{folder.name}.yml"
        path.write_text(merge.recipe(folder))
        return path

    def command(self, recipe, hash_name, sync=False):
        command = [self.options.program, "merge", recipe, self.merged, "--force", "--quiet",
                   "--hash", hash_name]
        if not sync:
            command.append("--no-sync")
        if self.options.threads:
            command += ["--threads", self.options.threads]
        if self.options.memory:
            command += ["--memory", self.options.memory]
        return command

    def prepare(self, merge):
        measure.prepare(self.files(merge), [self.merged, self.copied], self.options.touch)

    def ours(self, merge, hash_name, sync=False):
        self.prepare(merge)
        sample = measure.run(self.command(self.recipe(merge), hash_name, sync), self.environment,
                             log=self.log)
        if sample.status:
            self.fail(f"{merge.name} --hash {hash_name}: {sample.error}")
            return None
        return sample

    def yardstick(self, merge, sync=False):
        self.prepare(merge)
        files = self.files(merge)
        sample = measure.yardstick(files, files[0], self.copied, sync)
        if sample.status:
            raise SystemExit(f"bench: the yardstick failed ({sample.error}); is the disk full?")
        return sample

    def verify(self, merge, what):
        try:
            problems = check.check(merge, self.inputs, self.merged)
        except (OSError, KeyError, ValueError, StopIteration) as error:
            problems = [f"the output cannot be read: {type(error).__name__}"]
        for problem in problems:
            self.fail(f"{what}: {problem}")
        if problems:
            self.results["wrong"].append(what)

    def clean(self):
        measure.remove(self.merged, self.copied)
        if self.twice.name == "inputs2x":
            measure.remove(self.twice)

    # Parts

    def program(self):
        program = self.options.program
        try:
            found = subprocess.run([program, "--version"], capture_output=True, text=True,
                                   env=self.environment)
        except OSError as error:
            raise SystemExit(f"bench: {program} does not start ({error.strerror}); "
                             "build it with `make build`") from None
        if found.returncode != 0:
            raise SystemExit(f"bench: {program} --version failed: {found.stderr.strip()}")
        self.results["program"] = found.stdout.strip()
        say(self.results["program"])

    def make_inputs(self):
        seconds = make_inputs.make(self.inputs, self.shape, say)
        if seconds:
            say(f"inputs: made in {seconds:.0f} s")

    def merges(self):
        for name in self.options.only or MERGES:
            merge = MERGES[name]
            hashes = [h for h in merge.hashes if not self.options.hash or h in self.options.hash]
            hashes += [h for h in self.options.hash or () if h not in merge.hashes]
            rows = {"R": [], **{h: [] for h in hashes}}
            say(f"{merge.title}: reads {gigabytes(sum(f.stat().st_size for f in self.files(merge)))}")
            for turn in range(self.options.runs):
                samples = {"R": self.yardstick(merge)}
                for hash_name in hashes:
                    samples[hash_name] = self.ours(merge, hash_name)
                    if samples[hash_name] and turn == 0:
                        self.verify(merge, f"{name} --hash {hash_name}")
                line = "  ".join(f"{mode} {s.wall:.2f} s" + (
                    f" = {s.wall / samples['R'].wall:.2f} R, {s.cpu:.1f} s CPU, "
                    f"{s.peak_anon >> 20} MiB" if mode != "R" else "")
                    for mode, s in samples.items() if s)
                say(f"  {turn + 1}/{self.options.runs}  {line}")
                for mode, sample in samples.items():
                    if sample:
                        rows[mode].append(sample.as_dict())
                if not all(samples.values()):
                    break  # it would fail again
            shortest = min(map(len, rows.values()))
            rows = {mode: samples[:shortest] for mode, samples in rows.items()}
            if shortest:
                self.results["merges"][name] = rows
                for hash_name in hashes:
                    limit = merge.target(hash_name)
                    value = statistics.median(report.ratios(rows, hash_name))
                    say(f"  --hash {hash_name}: {value:.2f} R"
                        + (f", target {limit} R" if limit else ""))
                if self.options.sync:
                    self.synced(merge, "xxh3" if "xxh3" in hashes else hashes[0])

    def synced(self, merge, hash_name):
        theirs, ours = self.yardstick(merge, sync=True), self.ours(merge, hash_name, sync=True)
        if ours:
            say(f"  with sync: R {theirs.wall:.2f} s, --hash {hash_name} {ours.wall:.2f} s")
            self.results["synced"][merge.name] = {"hash": hash_name, "R": theirs.as_dict(),
                                                  "ours": ours.as_dict()}

    def memory(self):
        shape = dict(self.shape, layers=2 * self.shape["layers"])
        one = make_inputs.size_of_one(shape)
        needed, free = int(5.2 * one), shutil.disk_usage(self.work).free
        say(f"memory with a model twice as large ({gigabytes(one)} each)")
        if free < needed:
            self.skip(f"the model twice as large: {gigabytes(needed)} of disk needed, "
                      f"{gigabytes(free)} free")
            return
        self.results["twice_layers"] = shape["layers"]
        try:
            make_inputs.make(self.twice, shape, say)
            for name in self.options.only or MERGES:
                measure.remove(self.merged)
                sample = measure.run(self.command(self.recipe(MERGES[name], self.twice), "xxh3"),
                                     self.environment, log=self.log)
                if sample.status:
                    self.fail(f"{name}, twice as large: {sample.error}")
                    continue
                say(f"  {name}: RssAnon {sample.peak_anon >> 20} MiB, peak RSS "
                    f"{sample.peak_rss >> 20} MiB, {sample.wall:.1f} s")
                self.results["twice"][name] = sample.as_dict()
        finally:
            measure.remove(self.merged, self.twice)

    def mergekit(self):
        kit = mergekit.MergeKit(self.options.venv)
        if kit.missing:
            self.skip(f"MergeKit: {kit.missing}")
            return
        say(f"MergeKit beside merganser: {kit.about}")
        self.results["mergekit"] = {"about": kit.about, "merges": {}}
        for name in MERGEKIT:
            if self.options.only and name not in self.options.only:
                continue
            if self.options.quick and name == "ties":
                self.skip("MergeKit's TIES (--quick)")
                continue
            merge = MERGES[name]
            row = {h: self.ours(merge, h) for h in ("none", "xxh3")}
            if not all(row.values()):
                continue
            self.prepare(merge)
            started = time.strftime("%H:%M:%S")
            say(f"  {name}: MergeKit started at {started}"
                + (", takes 5 to 15 minutes" if name == "ties" else ", takes about a minute"))
            sample = measure.run(kit.command(self.recipe(merge), self.merged), self.environment,
                                 log=self.log)
            if sample.status:
                self.skip(f"MergeKit's {name}: {sample.error}")
                continue
            row["mergekit"] = sample
            self.results["mergekit"]["merges"][name] = {k: s.as_dict() for k, s in row.items()}
            say(f"  {name}: MergeKit {sample.wall:.1f} s, {sample.peak_rss >> 20} MiB; merganser "
                f"{row['none'].wall:.2f} s: {sample.wall / row['none'].wall:.1f} times")

    def start_up(self):
        folder = self.work / "small"
        shape = make_inputs.SIZES["small"]
        make_inputs.make(folder, shape, lambda text: None)
        self.results["small_bytes"] = make_inputs.size_of_one(shape)
        recipe = self.recipe(MERGES["linear"], folder)
        commands = {
            "true": ["true"],
            "`--version`": [self.options.program, "--version"],
            "a small merge, `--no-sync`": self.command(recipe, "xxh3"),
            "a small merge, default options": self.command(recipe, "xxh3", sync=True),
        }
        say("start-up")
        for title, command in commands.items():
            walls = []
            for _ in range(START_UP_RUNS + 1):  # the first is not counted
                measure.remove(self.merged)
                sample = measure.run(command, self.environment, watch=False, log=self.log)
                if sample.status:
                    self.fail(f"{title}: {sample.error}")
                    break
                walls.append(sample.wall)
            else:
                self.results["start_up"][title] = walls[1:]
                say(f"  {title}: {1000 * statistics.median(walls[1:]):.1f} ms")

    def spectral(self):
        size = 512 if self.options.quick else 4096
        try:
            self.results["spectral"] = spectral.run(
                self.options.program, sys.executable, self.work, size, 1, say)
        except (subprocess.CalledProcessError, OSError) as error:
            self.fail(f"methods on matrices: {error}")

    def svd(self):
        say("truncated SVD beside gesdd")
        if not self.options.svd_bench.exists():
            self.skip("the truncated SVD: svd_bench is not built "
                      "(cmake --build build/release --target svd_bench)")
            return
        large = not (self.options.no_large_gesdd or self.options.quick)
        if not large:
            self.skip("gesdd of 14336 x 4096")
        try:
            self.results["svd"] = truncated_svd.run(
                self.options.svd_bench, self.work, self.environment,
                512 if self.options.quick else 4096, large, say)
        except (RuntimeError, ValueError) as error:
            self.fail(str(error))

    def smile(self):
        hidden = 512 if self.options.quick else 4096
        found = self.results["smile"] = {"hidden": hidden, "rank": SMILE_RANK, "layer": [], "linear": []}
        work = self.work / "smile"
        work.mkdir(exist_ok=True)
        say(f"SMILE: a layer of Mistral's shape, hidden {hidden}, 3 experts of rank {SMILE_RANK}")
        layer = smile.Layer(self.options.program, work, self.environment, self.options.touch, hidden)
        python = self.options.venv / "bin/python"
        try:
            for spectrum in SMILE_SPECTRA:
                row = layer.ours(spectrum, SMILE_RANK, SMILE_TOLERANCE, 1)
                found["layer"].append(row)
                say(f"  {spectrum}: {row['samples'][0]['wall']:.2f} s")
            if self.options.no_large_gesdd:
                self.skip("LAPACK's decompositions of a layer (--no-large-gesdd)")
            elif not python.exists():
                self.skip(f"LAPACK's decompositions of a layer: no torch in {self.options.venv} "
                          "(tests/setup_venv.sh --oracle)")
            else:
                found["lapack"] = layer.lapack(python)
                say("  " + smile.lapack_line(found["lapack"]))
        except RuntimeError as error:
            self.fail(str(error))
        self.smile_linear(hidden, work, python, found["linear"])

    def smile_linear(self, hidden, work, python, rows):
        missing = smile_linear.missing(python, self.options.fusion_bench)
        if missing:
            self.skip(f"FusionBench: {missing}")
            return
        sizes = [(hidden, hidden)] + ([(hidden * 7 // 2, hidden)] if self.options.large_linear else [])
        if not self.options.large_linear:
            self.skip("FusionBench on 14336 x 4096 (--large-linear)")
        linear = smile_linear.Linear(self.options.program, python, self.options.fusion_bench, work,
                                     self.environment, self.options.touch)
        say("SMILE of one linear layer beside FusionBench")
        for height, width in sizes:
            try:
                row = linear.compare(height, width, SMILE_RANK, say)
            except RuntimeError as error:
                self.fail(str(error))
                continue
            rows.append(row)
            if row["wrong"]:
                self.fail(f"SMILE of {height} x {width}: experts leave more than FusionBench's")

    def analyze(self):
        work = self.work / "analysis"
        work.mkdir(exist_ok=True)
        found = self.results["analyze"] = {"runs": []}
        say("analysis of the base and three fine-tunes")
        analysis = analyze.Analysis(self.options.program, self.inputs, work, self.environment,
                                    self.options.touch)
        python = self.options.venv / "bin/python"
        try:
            for zones in (False,) if self.options.quick else (False, True):
                found["runs"].append(analysis.ours(zones))
                say(f"  {'with' if zones else 'without'} zones: {found['runs'][-1]['sample']['wall']:.0f} s")
            if python.exists():
                found["lapack"] = analysis.lapack(python)
            else:
                self.skip(f"LAPACK's decompositions beside the analysis: no torch in {self.options.venv}")
        except RuntimeError as error:
            self.fail(str(error))

    def adapters(self):
        """Each script prints a table; PEFT's part of the second takes some minutes."""
        if subprocess.run([self.options.venv / "bin/python", "-c", "import peft"],
                          capture_output=True).returncode != 0:
            self.skip(f"PEFT: not in {self.options.venv}")
            return
        say("LoRA adapters, beside PEFT")
        touch = [] if self.options.touch is None else ["--touch", str(self.options.touch / 1e9)]
        program = ["--merganser", self.options.program, *touch]
        inputs = ["--inputs", self.inputs, "--python", self.options.venv / "bin/python"]
        scripts = {
            "lora": ["lora.py", *inputs, "--runs", "1" if self.options.quick else "3"],
            "merge": ["adapters.py", "--part", "merge", "--venv", self.options.venv],
        }
        for name, (script, *arguments) in scripts.items():
            done = subprocess.run(
                [sys.executable, "-B", HERE / script, *map(str, arguments), *map(str, program)],
                stdout=subprocess.PIPE, text=True, env=self.environment)
            if done.returncode != 0:
                self.fail(f"{script}: status {done.returncode}")
                continue
            self.results.setdefault("adapters", {})[name] = done.stdout.strip()
            say(done.stdout)

    def write(self):
        (self.work / "results.json").write_text(json.dumps(self.results, indent=1) + "\n")
        place = HERE / "RESULTS.md" if self.options.whole else self.work / "RESULTS.md"
        if self.options.add and not self.results["failures"]:
            place = HERE / "RESULTS.md"
            place.write_text(report.added(place.read_text(), self.results))
        else:
            place.write_text(report.markdown(self.results))
        say("")
        for what, target, value, met in report.targets(self.results):
            say(f"  {met.strip('*'):12} {what}: {value} (target {target})")
        say(f"\nwritten: {place} and {self.work / 'results.json'}"
            + ("" if place.parent == HERE else " (bench/RESULTS.md is for complete runs)"))

    def run(self):
        self.program()
        busy = measure.cpu_busy()
        time.sleep(1)
        busy = measure.cpu_busy() - busy
        if busy > 0.15:
            say(f"note: other processes take {100 * busy:.0f} % of a core; timings will be noisy")
        parts = self.options.parts
        say("this will measure:")
        for part in PARTS:
            if part in parts:
                say(f"  {part}: {PARTS[part]}")
        if set(parts) - {"svd", "smile", "spectral", "start-up"}:
            self.make_inputs()
        if "start-up" in parts:
            self.start_up()
        if "merges" in parts:
            self.merges()
        if "mergekit" in parts:
            self.mergekit()
        if "spectral" in parts:
            self.spectral()
        if "svd" in parts:
            self.svd()
        if "smile" in parts:
            self.smile()
        if "analyze" in parts:
            self.analyze()
        if "adapters" in parts:
            self.adapters()
        if "memory" in parts:
            self.memory()
        self.write()
        return 1 if self.results["failures"] else 0


def parse():
    parser = argparse.ArgumentParser(description="The benchmarks of merganser; see bench/README.md.")
    parser.add_argument("--quick", action="store_true",
                        help="3 runs; no MergeKit TIES, no model twice as large, no runs with sync")
    parser.add_argument("--only", action="append", choices=MERGES, metavar="METHOD",
                        help=f"these merges only, nothing else: {', '.join(MERGES)} (repeatable)")
    parser.add_argument("--part", action="append", dest="parts",
                        choices=PARTS,
                        help="these parts only (repeatable; with --only: merges)")
    parser.add_argument("--large-linear", action="store_true",
                        help="FusionBench on a linear layer of 14336 x 4096, too (a minute or more, 4 GB)")
    parser.add_argument("--no-large-gesdd", action="store_true",
                        help="no gesdd of 14336 x 4096, nor what is added up from it")
    parser.add_argument("--add", action="store_true",
                        help="put the sections of this run into bench/RESULTS.md, leave the others")
    parser.add_argument("--runs", type=int, metavar="N", help="timed runs of each (5)")
    parser.add_argument("--hash", action="append", choices=BENCH_HASHES, metavar="NAME",
                        help="these hash modes only (repeatable)")
    parser.add_argument("--touch", type=float, metavar="GB",
                        help="touch at most this much free memory before a run (all)")
    parser.add_argument("--record", action="store_true",
                        help="write bench/RESULTS.md although options were given")
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
    options = parser.parse_args()
    if options.runs is not None and options.runs < 1:
        parser.error("--runs: at least 1")
    options.whole = not any((options.quick, options.only, options.parts, options.runs, options.hash,
                             options.threads, options.memory, options.layers))
    options.whole = options.record or (options.whole and options.touch is None and not options.add)
    if options.add and options.quick:
        parser.error("--add: not with --quick, whose sizes are others")
    if options.touch is not None:
        options.touch = int(1e9 * options.touch)
    options.sync = not options.quick and not options.only
    options.runs = options.runs or (3 if options.quick else 5)
    if not options.parts:
        options.parts = ["merges"]
        if not options.only:
            options.parts += ["start-up", "mergekit", "spectral", "svd", "smile", "analyze", "adapters"]
            options.parts += [] if options.quick else ["memory"]
    options.work = options.work.resolve()
    options.program = options.program.absolute()
    options.venv = options.venv.absolute()
    options.svd_bench = options.svd_bench.absolute()
    options.fusion_bench = options.fusion_bench.absolute()
    return options


def main():
    def stop(number, frame):
        raise KeyboardInterrupt(signal.Signals(number).name)

    handled = [number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
               if signal.getsignal(number) != signal.SIG_IGN]  # nohup stays nohup
    for number in handled:
        signal.signal(number, stop)
    bench = Bench(parse())
    try:
        return bench.run()
    except KeyboardInterrupt as signalled:
        say(f"bench: stopped by {signalled}, nothing was recorded")
        return 130
    finally:
        for number in handled:
            signal.signal(number, signal.SIG_IGN)
        bench.clean()


if __name__ == "__main__":
    sys.exit(main())
