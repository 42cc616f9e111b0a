"""Run one command under equal conditions and say what it took.

`prepare` puts the machine into the same state before every timed run; `run` starts a program,
samples it from a thread and returns a `Sample`.
"""

import dataclasses
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

INTERVAL = 0.02  # seconds between two looks at /proc/PID/status
MARGIN = 768 << 20  # free memory that `touch_free_memory` leaves alone
TICKS = os.sysconf("SC_CLK_TCK")
KIB = 1024
UNSET = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS",
         "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONPATH", "PYTHONHOME")

# A child of its own, and the first to go if memory runs short: the harness stays small.
TOUCH = """
import mmap, sys
try:
    open("/proc/self/oom_score_adj", "w").write("1000")
except OSError:
    pass
left, held = int(sys.argv[1]), []
while left > 0:
    size = min(left, 1 << 30)
    area = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    area.madvise(mmap.MADV_HUGEPAGE)
    try:
        area.madvise(23)  # MADV_POPULATE_WRITE, Linux 5.14
    except OSError:
        for start in range(0, size, mmap.PAGESIZE):
            area[start] = 1
    held.append(area)
    left -= size
"""


@dataclasses.dataclass
class Sample:
    """One run of one process. Bytes, seconds; peaks are the largest values seen."""

    wall: float
    user: float
    system: float
    peak_anon: int  # RssAnon: private memory
    peak_rss: int  # VmHWM: with the pages of mapped files
    read: int  # read() and the like, from the page cache or not
    written: int
    status: int  # exit status, negative for a signal
    other_cpu: float  # CPU seconds that went to anybody else, steal included
    error: str = ""

    @property
    def cpu(self):
        return self.user + self.system

    def as_dict(self):
        return dataclasses.asdict(self)


def environment():
    """Of every program that is measured, ours or another: threads and BLAS kernels as they come by
    default, and nothing is asked of the network."""
    found = {k: v for k, v in os.environ.items() if k not in UNSET}
    return dict(found, HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")


def memory_free():
    for line in open("/proc/meminfo"):
        if line.startswith("MemFree:"):
            return int(line.split()[1]) * KIB
    return 0


def cpu_busy():
    """CPU seconds of the whole machine since boot, without idle and waiting for the disk."""
    user, nice, system, _, _, irq, softirq, steal = map(
        int, open("/proc/stat").readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS


def read_again(files):
    """Bring the files into the page cache, as a user's second command finds them."""
    buffer = bytearray(4 << 20)
    for file in files:
        with open(file, "rb", buffering=0) as stream:
            while stream.readinto(buffer):
                pass


def touch_free_memory(limit=None):
    """Have the host back the free memory; `limit` in bytes, else all but MARGIN."""
    amount = memory_free() - MARGIN
    if limit is not None:
        amount = min(amount, limit)
    if amount > 0:
        subprocess.run([sys.executable, "-S", "-c", TOUCH, str(amount)], check=False)


def remove(*paths):
    """Remove outputs, and what a stopped run left beside them."""
    for path in map(pathlib.Path, paths):
        for found in [path, *path.parent.glob(f".{path.name}*"), *path.parent.glob(f"{path.name}.*")]:
            if found.is_dir() and not found.is_symlink():
                shutil.rmtree(found, ignore_errors=True)
            else:
                found.unlink(missing_ok=True)


def prepare(inputs, outputs=(), touch=None):
    """The protocol before every timed run; see README.md."""
    remove(*outputs)
    os.sync()
    read_again(inputs)
    touch_free_memory(touch)


def _kilobytes(line):
    return int(line.split()[1]) * KIB


def _watch(pid, peaks, stop):
    path = f"/proc/{pid}/status"
    while True:
        try:
            with open(path, "rb", buffering=0) as file:
                text = file.read(8192)
        except OSError:
            return
        for line in text.split(b"\n"):
            if line.startswith(b"RssAnon:"):
                peaks["anon"] = max(peaks["anon"], _kilobytes(line))
            elif line.startswith(b"VmHWM:"):
                peaks["rss"] = max(peaks["rss"], _kilobytes(line))
        if stop.wait(INTERVAL):
            return


def _io(pid):
    """Bytes read and written, taken when the process has ended but was not yet waited for."""
    values = {"rchar": 0, "wchar": 0}
    try:
        for line in open(f"/proc/{pid}/io"):
            key, value = line.split(": ")
            values[key] = int(value)
    except (OSError, ValueError):
        pass
    return values["rchar"], values["wchar"]


def run(command, environment=None, watch=True, log=None):
    """Run a command to its end. `log` is a file for its output, which is quoted when it fails."""
    quiet = open(log, "w") if log else subprocess.DEVNULL
    peaks, stop = {"anon": 0, "rss": 0}, threading.Event()
    busy = cpu_busy()
    started = time.perf_counter()
    child = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=quiet,
                             stderr=subprocess.STDOUT if log else subprocess.DEVNULL,
                             env=environment)
    watcher = threading.Thread(target=_watch, args=(child.pid, peaks, stop), daemon=True)
    try:
        if watch:
            watcher.start()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        wall = time.perf_counter() - started
        read, written = _io(child.pid)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    except BaseException:
        _end(child)
        raise
    finally:
        stop.set()
        if watch:
            watcher.join()
        if log:
            quiet.close()
    other = max(0.0, cpu_busy() - busy - usage.ru_utime - usage.ru_stime)
    error = ""
    if child.returncode != 0:
        error = f"exit status {child.returncode}"
        if log:
            lines = [line for line in open(log, errors="replace").read().splitlines() if line.strip()]
            error += ": " + (lines[-1] if lines else "no message")
    return Sample(wall, usage.ru_utime, usage.ru_stime, peaks["anon"], peaks["rss"], read, written,
                  child.returncode, other, error)


def _end(child):
    """Stop a child that the user interrupted; it got the same Ctrl-C and may still tidy up."""
    try:
        child.send_signal(signal.SIGINT)
        child.wait(timeout=10)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        child.kill()
        child.wait()


def added(first, second):
    """Two runs one after the other as if they were one."""
    return Sample(first.wall + second.wall, first.user + second.user, first.system + second.system,
                  max(first.peak_anon, second.peak_anon), max(first.peak_rss, second.peak_rss),
                  first.read + second.read, first.written + second.written,
                  first.status or second.status, first.other_cpu + second.other_cpu,
                  first.error or second.error)


def yardstick(inputs, one, copy, sync=False):
    """R: `cat` of every input, then a copy of one of them. With sync, `sync FILE` belongs to it."""
    script = 'cp --reflink=never "$1" "$2"' + (' && sync "$2"' if sync else "")
    first = run(["cat", *inputs], watch=False)
    return added(first, run(["sh", "-c", script, "sh", one, copy], watch=False))
