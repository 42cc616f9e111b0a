"""The same merges by MergeKit 0.1.5: where it is, how it is called, what it computes with."""

import pathlib
import subprocess
import time

import measure
from figures import MIB, verdict
from methods import MERGEKIT, MERGES
from sections import table

ABOUT = "the same merges by MergeKit, 20 minutes"
NEEDS_INPUTS = True
PROBE = """
import ctypes, glob, importlib.metadata as metadata, os, re
import numpy, torch
print("mergekit", metadata.version("mergekit"))
print("PyTorch", torch.__version__)
blas = re.search("BLAS_INFO=([a-z0-9]+)", torch.__config__.show())
print("BLAS", blas.group(1) if blas else "unknown")
print("kernels", torch.backends.cpu.get_cpu_capability())
print("threads", torch.get_num_threads())
libraries = os.path.join(os.path.dirname(os.path.dirname(numpy.__file__)), "numpy.libs")
for file in glob.glob(libraries + "/*openblas*"):
    for name in ("scipy_openblas_get_corename64_", "openblas_get_corename64_"):
        try:
            call = getattr(ctypes.CDLL(file), name)
        except AttributeError:
            continue
        call.restype = ctypes.c_char_p
        print("numpy's OpenBLAS kernel", call().decode())
        break
"""


class MergeKit:
    def __init__(self, folder):
        self.program = pathlib.Path(folder) / "bin" / "mergekit-yaml"
        self.python = pathlib.Path(folder) / "bin" / "python"
        self.about = ""
        self.missing = "not installed (tests/setup_venv.sh --oracle installs it)"
        if not self.program.exists():
            return
        probe = subprocess.run([self.python, "-c", PROBE], capture_output=True, text=True,
                               env=measure.environment())
        if probe.returncode != 0:
            lines = probe.stderr.strip().splitlines()
            self.missing = f"does not run: {lines[-1] if lines else 'no message'}"
            return
        self.about = ", ".join(probe.stdout.strip().splitlines())
        self.missing = "" if "mergekit 0.1.5" in self.about else f"another version: {self.about}"

    def command(self, recipe, output):
        return [self.program, recipe, output, "--no-write-model-card", "--no-copy-tokenizer",
                "--quiet"]


def run(session):
    kit = MergeKit(session.options.venv)
    if kit.missing:
        session.skip(f"MergeKit: {kit.missing}")
        return
    session.say(f"MergeKit beside merganser: {kit.about}")
    found = session.results["mergekit"] = {"about": kit.about, "merges": {}}
    for name in MERGEKIT:
        if session.options.only and name not in session.options.only:
            continue
        if session.options.quick and name == "ties":
            session.skip("MergeKit's TIES (--quick)")
            continue
        row = beside(session, kit, MERGES[name])
        if row:
            found["merges"][name] = row


def beside(session, kit, merge):
    row = {h: session.ours(merge, h) for h in ("none", "xxh3")}
    if not all(row.values()):
        return None
    session.prepare(merge)
    session.say(f"  {merge.name}: MergeKit started at {time.strftime('%H:%M:%S')}, takes "
                + ("5 to 15 minutes" if merge.name == "ties" else "about a minute"))
    sample = measure.run(kit.command(session.recipe(merge), session.merged), session.environment,
                         log=session.log)
    if sample.status:
        session.skip(f"MergeKit's {merge.name}: {sample.error}")
        return None
    session.say(f"  {merge.name}: MergeKit {sample.wall:.1f} s, {sample.peak_rss >> 20} MiB; merganser "
                f"{row['none'].wall:.2f} s: {sample.wall / row['none'].wall:.1f} times")
    return {mode: sample.as_dict() for mode, sample in dict(row, mergekit=sample).items()}


def targets(results):
    rows = []
    for name, row in results["mergekit"].get("merges", {}).items():
        value = row["mergekit"]["wall"] / row["none"]["wall"]
        rows.append([f"{MERGES[name].title}, against MergeKit", f"≥ {MERGEKIT[name]} times",
                     f"{value:.1f} times",
                     verdict(value >= MERGEKIT[name], f"{name} --hash none" in results["wrong"])])
    return rows


def markdown(results):
    kit = results["mergekit"]
    if not kit.get("merges"):
        return []
    out = ["## MergeKit", "",
           f"{kit['about']}. The same inputs, the same recipe, the same preparation, one run "
           "each, in the same minutes; whole processes, imports included. MergeKit neither "
           "hashes nor syncs, so the target is judged against `--hash none --no-sync`.", ""]
    return out + table(
        ["merge", "MergeKit, s", "`--hash none`, s", "times", "default hash, s", "times",
         "MergeKit: RssAnon, MiB", "peak RSS, MiB"], [
            [MERGES[name].title, f"{row['mergekit']['wall']:.1f}", f"{row['none']['wall']:.2f}",
             f"{row['mergekit']['wall'] / row['none']['wall']:.1f}", f"{row['xxh3']['wall']:.2f}",
             f"{row['mergekit']['wall'] / row['xxh3']['wall']:.1f}",
             f"{row['mergekit']['peak_anon'] / MIB:.0f}", f"{row['mergekit']['peak_rss'] / MIB:.0f}"]
            for name, row in kit["merges"].items()])
