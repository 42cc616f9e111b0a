"""Running the program under test."""

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[2]


def program():
    return Path(os.environ.get("MERGANSER", REPOSITORY / "build/release/bin/merganser")).absolute()


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


def environment(extra=None):
    return {**os.environ, "LC_ALL": "C.UTF-8", **(extra or {})}


def start(*arguments, cwd=None, env=None):
    """The program, running, in a process group of its own so that a signal reaches only it."""
    return subprocess.Popen(
        [str(program()), *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=environment(env),
        start_new_session=True,
    )


def finish(process, timeout=300):
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Outcome(process.returncode, out, err)


def run(*arguments, timeout=300, cwd=None, env=None):
    return finish(start(*arguments, cwd=cwd, env=env), timeout)


def succeed(*arguments, **options):
    """Runs and must end well; returns its standard output."""
    outcome = run(*arguments, **options)
    assert outcome.code == 0, f"exit {outcome.code}: {outcome.err}"
    return outcome.out


def fail(*arguments, **options):
    """Runs and must end as bad input does: exit 2, one line `error: ...`; returns that line."""
    outcome = run(*arguments, **options)
    assert outcome.code == 2, f"exit {outcome.code}: {outcome.err or outcome.out}"
    lines = outcome.err.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == 1 and lines[-1] == errors[0], outcome.err
    # Besides the error only warnings may have been printed before it.
    assert all(line.startswith(("warning: ", "error: ")) for line in lines), outcome.err
    assert len(errors[0]) > len("error: ") + 10, "an error says what is wrong"
    return errors[0]
