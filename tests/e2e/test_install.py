"""What `cmake --install` puts down works from there and from wherever it is moved to."""

import json
import os
import re
import shutil
import subprocess

import pytest

from support import program
from support.checkpoint import read_checkpoint

BUILD = program.program().parents[1]
CONSUMER = program.REPOSITORY / "tests/consumer"


def run(*command, **options):
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=600, **options
    )
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory, merganser):
    """An installation that was moved after it was made."""
    if not (BUILD / "CMakeCache.txt").exists():
        pytest.skip(f"{BUILD} is no build folder of CMake")
    if not list(BUILD.glob("lib/libmerganser.so*")) or not (BUILD / "documents/merganser.1").exists():
        pytest.fail(f"build the target `installation` of {BUILD} first", pytrace=False)
    folder = tmp_path_factory.mktemp("install")
    run("cmake", "--install", BUILD, "--prefix", folder / "place of making")
    moved = folder / "and moved"
    shutil.move(folder / "place of making", moved)
    return moved


@pytest.fixture(scope="module")
def consumer(tmp_path_factory, prefix):
    """The consumer, built against the installation with nothing but its prefix known."""
    build = tmp_path_factory.mktemp("consumer")
    run("cmake", "-S", CONSUMER, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", build)
    return build / "consumer"


def test_the_installed_program_is_the_built_one(prefix, llamas, tmp_path):
    base, one, two = llamas()
    command = [prefix / "bin/merganser", "merge", "--method", "linear", one, two, "-o"]
    run(*command, tmp_path / "merged")
    program.succeed("merge", "--method", "linear", one, two, "-o", tmp_path / "again")
    files = [(tmp_path / out / "model.safetensors").read_bytes() for out in ("merged", "again")]
    assert files[0] == files[1]
    assert run(prefix / "bin/merganser", "--version") == program.succeed("--version")


def test_a_consumer_merges(consumer, llamas, tmp_path):
    base, one, two = llamas()
    text = run(consumer, "linear", one, two, tmp_path / "out")
    plan, end = json.JSONDecoder().raw_decode(text)
    report = json.loads(text[end:])
    assert plan["method"] == report["method"] == "linear"
    assert report["tensors"] == len(plan["tensors"]) == len(read_checkpoint(tmp_path / "out"))


def test_errors_cross_the_library(consumer, tmp_path):
    done = subprocess.run(
        [consumer, "linear", tmp_path / "a", tmp_path / "b", tmp_path / "out"],
        capture_output=True, text=True,
    )
    assert done.returncode == 1
    assert done.stdout.startswith("not_found: ") and str(tmp_path / "a") in done.stdout


def test_another_version_is_refused(prefix, tmp_path):
    listing = (CONSUMER / "CMakeLists.txt").read_text()
    assert "merganser 0.1 REQUIRED" in listing
    (tmp_path / "CMakeLists.txt").write_text(listing.replace("merganser 0.1", "merganser 0.2"))
    shutil.copy(CONSUMER / "main.cpp", tmp_path)
    done = subprocess.run(
        ["cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}"],
        capture_output=True, text=True,
    )
    assert done.returncode != 0 and "compatible" in done.stderr


def test_the_library_exports_the_public_functions_only(prefix):
    library = prefix / "lib/libmerganser.so"
    symbols = [
        line.split(maxsplit=2)[2]
        for line in run("nm", "-DC", "--defined-only", library).splitlines()
    ]
    assert "merganser::merge(merganser::Request const&, merganser::Progress&)" in symbols
    headers = "".join(path.read_text() for path in (prefix / "include/merganser").glob("*.h"))
    names = {symbol.split("(")[0].split("[")[0].split("::")[-1] for symbol in symbols}
    public = "".join(
        (prefix / "include/merganser" / name).read_text() for name in ("merganser.h", "adapter.h")
    )
    functions = re.findall(r"^\w[\w:<>]* (\w+)\(", public, re.MULTILINE)
    assert len(functions) > 10 and set(functions) <= names
    for symbol in symbols:
        name = symbol.split("(")[0].split("[")[0].split("::")[-1]
        assert name.lstrip("~") in headers, f"{symbol} is not of the public headers"


def test_nothing_names_the_place_it_was_made_in(prefix):
    for path in prefix.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"place of making" not in content, path
            if path.suffix == ".cmake":
                assert os.fsencode(program.REPOSITORY) not in content, path


@pytest.mark.parametrize("component", ["program", "library"])
def test_each_component_has_the_licence_of_the_plots_it_holds(prefix, tmp_path, component):
    run("cmake", "--install", BUILD, "--prefix", tmp_path, "--component", component)
    assert "Observable Plot" in (tmp_path / "share/doc/merganser/LICENSE.plot").read_text()
    assert bool(list(tmp_path.rglob("libmerganser.so.*"))) == (component == "library")


def test_folders(prefix):
    for path in (
        "bin/merganser",
        "include/merganser/merganser.h",
        "share/bash-completion/completions/merganser",
        "share/doc/merganser/LICENSE",
        "share/doc/merganser/LICENSE.plot",
        "share/fish/vendor_completions.d/merganser.fish",
        "share/man/man1/merganser.1",
        "share/zsh/site-functions/_merganser",
    ):
        assert (prefix / path).is_file(), path
