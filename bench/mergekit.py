"""MergeKit 0.1.5 beside merganser: where it is, how it is called, what it computes with."""

import os
import pathlib
import subprocess

UNSET = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS",
         "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONPATH", "PYTHONHOME")
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


def environment():
    """Threads and BLAS kernels as they come by default; nothing is asked of the network."""
    found = {k: v for k, v in os.environ.items() if k not in UNSET}
    return dict(found, HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")


class MergeKit:
    def __init__(self, folder):
        self.program = pathlib.Path(folder) / "bin" / "mergekit-yaml"
        self.python = pathlib.Path(folder) / "bin" / "python"
        self.about = ""
        self.missing = "not installed (tests/setup_venv.sh --oracle installs it)"
        if not self.program.exists():
            return
        probe = subprocess.run([self.python, "-c", PROBE], capture_output=True, text=True,
                               env=environment())
        if probe.returncode != 0:
            lines = probe.stderr.strip().splitlines()
            self.missing = f"does not run: {lines[-1] if lines else 'no message'}"
            return
        self.about = ", ".join(probe.stdout.strip().splitlines())
        self.missing = "" if "mergekit 0.1.5" in self.about else f"another version: {self.about}"

    def command(self, recipe, output):
        return [self.program, recipe, output, "--no-write-model-card", "--no-copy-tokenizer",
                "--quiet"]
