"""The runtime library stands apart from the program: what needs it says so, the rest does without."""

import os
import re
import subprocess
import time

import pytest

from support.runtime import library, need_runtime

TASK = """task: words
type: language_modelling
test: {file: words.safetensors}
"""


def run(merganser, *arguments, **environment):
    return subprocess.run(
        [merganser, *map(str, arguments)], capture_output=True, text=True, env=os.environ | environment
    )


def one_error(done):
    lines = done.stderr.splitlines()
    assert done.returncode == 2 and len(lines) == 1 and lines[0].startswith("error: "), done.stderr
    return lines[0]


def test_the_program_is_not_linked_to_libtorch(merganser):
    needed = subprocess.run(["readelf", "-d", merganser], capture_output=True, text=True)
    if needed.returncode != 0:
        pytest.skip("no readelf here")
    assert "torch" not in needed.stdout and "c10" not in needed.stdout
    assert "NEEDED" in needed.stdout


def test_core_commands_start_within_50_ms(merganser):
    """The least of many, since machines are shared: what is measured is the program, not its luck."""
    need_runtime(merganser)
    seconds = []
    for _ in range(40):
        begin = time.perf_counter()
        assert run(merganser, "methods", "--json").returncode == 0
        seconds.append(time.perf_counter() - begin)
    assert min(seconds) < 0.05


@pytest.mark.parametrize("place", ["nowhere/libmerganser_runtime.so", "words.txt"])
def test_no_library(merganser, tmp_path, place):
    (tmp_path / "task.yml").write_text(TASK)
    (tmp_path / "words.txt").write_text("no library")
    line = one_error(
        run(merganser, "evaluate", tmp_path, "--task", tmp_path / "task.yml",
            MERGANSER_RUNTIME=str(tmp_path / place))
    )
    assert str(tmp_path / place) in line


def test_another_library(merganser, tmp_path):
    """One that is no runtime of this version is not called."""
    need_runtime(merganser)
    other = library(merganser).with_name("libmerganser.so")
    if not other.exists():
        pytest.skip(f"no {other}")
    line = one_error(
        run(merganser, "evaluate", tmp_path, "--task", "task.yml", MERGANSER_RUNTIME=str(other))
    )
    assert "not of this program's build" in line


def test_a_library_of_other_headers(merganser, tmp_path):
    """The types that are shared may differ though the version does not: as after half a rebuild."""
    need_runtime(merganser)
    (tmp_path / "task.yml").write_text(TASK)
    bytes_ = library(merganser).read_bytes()
    own = re.search(rb"\d+\.\d+\.\d+ [0-9a-f]{64}", bytes_)[0]
    other = tmp_path / library(merganser).name
    other.write_bytes(bytes_.replace(own, own[:-4] + b"0000"))
    line = one_error(
        run(merganser, "evaluate", tmp_path, "--task", tmp_path / "task.yml", MERGANSER_RUNTIME=str(other))
    )
    assert "not of this program's build" in line and str(other) in line


def test_core_commands_do_without(merganser, tmp_path):
    assert run(merganser, "methods", MERGANSER_RUNTIME=str(tmp_path / "no.so")).returncode == 0


def test_libtorch_computes_with_its_own_blas(merganser, tmp_path):
    """And not with the program's, whose threads contend with libtorch's."""
    need_runtime(merganser)
    if "LD_PRELOAD" in os.environ:
        pytest.skip("a preloaded library: all share one scope")
    tell = os.environ | {"LD_DEBUG": "bindings", "LD_DEBUG_OUTPUT": str(tmp_path / "bound")}
    subprocess.run([merganser, "evaluate", tmp_path, "--task", tmp_path / "task.yml"], env=tell,
                   capture_output=True)
    bound = [line for file in tmp_path.glob("bound.*") for line in file.read_text().splitlines()
             if "symbol `sgemm_'" in line]
    if not bound:
        pytest.skip("this loader does not tell what it binds")
    places = [re.search(r"file (\S+) .* to (\S+) ", line).groups() for line in bound]
    torch = [target for user, target in places if "libtorch_cpu" in user]
    if not any("libtorch" in target for target in torch):
        pytest.skip("this libtorch brings no BLAS")
    assert all("libtorch" in target for target in torch), bound
    own = [target for user, target in places if "merganser" in user]
    assert own and not any("libtorch" in target for target in own), bound
