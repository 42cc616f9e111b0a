"""One input through its commands: what each run must keep to, as a list of complaints."""

import hashlib
import os
import shutil
import stat
import subprocess
import time
import unicodedata
from typing import NamedTuple

from hostile.case import RECIPES
from support import program

SECONDS = float(os.environ.get("MERGANSER_HOSTILE_SECONDS", "10"))  # of processor time
HANGS = 120  # seconds by the clock, on however busy a machine
PEAK_KB = 1 << 20
LONGEST_LINE = 20_000  # of an error; a name of a megabyte is not repeated whole
LOOKED_AT = 1 << 24  # bytes of what a run prints: reports may be as large as their input
HASHED = 1 << 22  # bytes; larger files are compared by size and time

ENVIRONMENT = {
    # Models are looked for by name, too: not in the user's cache.
    "HF_HUB_CACHE": "no-hub-cache",
    # A sanitizer's end must not look like a status of ours.
    # Freed blocks that AddressSanitizer keeps are not the program's memory, so it keeps few.
    "ASAN_OPTIONS": "exitcode=99:quarantine_size_mb=32:" + os.environ.get("ASAN_OPTIONS", ""),
    "UBSAN_OPTIONS": "print_stacktrace=1:" + os.environ.get("UBSAN_OPTIONS", ""),
}


class Ended(NamedTuple):
    code: int  # negative: a signal
    out: str
    err: str
    seconds: float
    peak_kb: int


def run(arguments, folder):
    """The program in `folder`; killed when it takes too long. Standard input is empty."""
    paths = [folder.parent / (folder.name + end) for end in (".stdout", ".stderr")]
    with open(paths[0], "wb+") as out, open(paths[1], "wb+") as err:
        begin = time.monotonic()
        process = subprocess.Popen(
            [str(program.program()), *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            cwd=folder, env=program.environment(ENVIRONMENT), start_new_session=True,
        )
        # wait4 tells the memory of this process alone (or ours, where ours was more at its start:
        # so nothing large is kept here).
        pause = 0.002
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() - begin > HANGS:
                process.kill()
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)
        seconds = usage.ru_utime + usage.ru_stime
        process.returncode = os.waitstatus_to_exitcode(status)  # so that Popen does not wait, too
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read(LOOKED_AT).decode(errors="surrogateescape"))
        return Ended(process.returncode, *texts, seconds, usage.ru_maxrss)


def picture(folder):
    """Everything in the folder but an unfinished run: kinds, sizes, contents."""
    found = {}
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".out.merganser-")]
        for name in folders + files:
            path = os.path.join(root, name)
            if name.startswith(".out.merganser-"):
                continue
            status = os.lstat(path)
            content = None
            if stat.S_ISLNK(status.st_mode):
                content = os.readlink(path)
            elif stat.S_ISREG(status.st_mode):
                content = (status.st_size, status.st_mtime_ns)
                if status.st_size <= HASHED:
                    with open(path, "rb") as file:
                        content = hashlib.sha1(file.read()).hexdigest()
            found[os.path.relpath(path, folder)] = (stat.S_IFMT(status.st_mode), content)
    return found


def hidden(folder):
    return {path.name for path in folder.glob(".out*")}


def odd(text):
    """The first character that may harm a terminal or is no UTF-8, if any."""
    return next((c for c in text if (unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t")), None)


def complaints_of(ended, codes):
    """What is wrong with how a run ended."""
    lines = ended.err.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    if "Sanitizer" in ended.err or "runtime error:" in ended.err or ended.code == 99:
        yield "sanitizer: " + ended.err[:3000]
        return
    if ended.code not in codes:
        yield f"exit {ended.code}, expected {sorted(codes)}: {(ended.err or ended.out)[-300:]!r}"
    if ended.code == 2 and (len(errors) != 1 or lines[-1] != errors[0]):
        yield f"exit 2 without one error line at the end: {ended.err[-500:]!r}"
    if any(not line.startswith(("error: ", "warning: ", "note: ")) for line in lines):
        yield f"on standard error: {ended.err[:300]!r}"
    if "json.exception" in ended.err or "yaml-cpp" in ended.err or "std::" in ended.err:
        yield f"an error of a library's: {ended.err[:300]!r}"
    for name, text in (("error", ended.err), ("output", ended.out)):
        if (character := odd(text)) is not None:
            at = text.index(character)
            yield f"standard {name} has {character!r}: {text[max(0, at - 80):at + 80]!r}"
    if max((len(line) for line in lines), default=0) > LONGEST_LINE:
        yield f"a line of {max(map(len, lines))} characters"
    if ended.seconds > SECONDS:
        yield f"{ended.seconds:.1f} s"
    if ended.peak_kb > PEAK_KB:
        yield f"{ended.peak_kb >> 10} MiB"


def try_case(case, template, place):
    """Writes the input beside the good ones, runs its commands; the first one's complaints, or [],
    and for each run its processor time and memory."""
    shutil.copytree(template, place, symlinks=True)
    for name, text in RECIPES.items():
        (place / name).write_text(text)
    case.write(place)
    before, waiting = picture(place), hidden(place)
    complaints, costs = [], []
    for command in case.commands:
        ended = run(command.split(), place)
        costs.append((ended.seconds, ended.peak_kb))
        found = list(complaints_of(ended, case.codes))
        made = list(place.glob("out*"))
        if made and ended.code != 0:
            found.append(f"an output in spite of exit {ended.code}")
        for path in made:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        after = picture(place)
        for path in before.keys() | after.keys():
            if before.get(path) != after.get(path):
                found.append(f"{path}: was {before.get(path)}, is {after.get(path)}")
        # What --resume keeps of a run that stops is no leftover.
        left = set() if "--resume" in command else hidden(place) - waiting
        if left:
            found.append(f"left behind: {sorted(left)}")
        complaints += [f"{command}: {one}" for one in found]
        if found:
            break  # what follows may only follow from this
    shutil.rmtree(place, ignore_errors=True)
    return complaints, costs
