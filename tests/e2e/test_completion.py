"""Completion scripts and the manual page, as the program writes them."""

import shutil
import subprocess

import pytest

from support import program


@pytest.fixture(scope="module")
def complete(tmp_path_factory, merganser):
    """complete(words...) -> what bash offers for the last of the words."""
    folder = tmp_path_factory.mktemp("completion")
    script = folder / "merganser.bash"
    script.write_text(program.succeed("completion", "bash"))
    (folder / "files").mkdir()
    (folder / "files/recipe.yml").touch()
    (folder / "files/model").mkdir()
    code = f"""
        source '{script}'
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        $(complete -p merganser | sed -n 's/.*-F \\([^ ]*\\) .*/\\1/p')
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """

    def run(*words):
        done = subprocess.run(
            ["bash", "--norc", "-c", code, "bash", "merganser", *words],
            capture_output=True, text=True, cwd=folder / "files", timeout=60,
        )
        assert done.returncode == 0 and not done.stderr, done.stderr
        return set(done.stdout.split())

    return run


def subcommands():
    lines = program.succeed("--help").split("Subcommands:")[1].splitlines()
    return {line.split()[0] for line in lines if line.startswith("  ") and line[2] != " "}


def options(*command):
    words = program.succeed(*command, "--help").replace(",", " ").split()
    return {word.split("{")[0].split("=")[0] for word in words if word.startswith("--")}


def test_commands(complete):
    assert complete("") == subcommands()
    assert complete("me") == {name for name in subcommands() if name.startswith("me")}
    assert "merge" in subcommands() and "completion" not in subcommands()
    assert complete("--v") == {"--version"}


def test_options_of_every_command(complete):
    for command in subcommands():
        assert complete(command, "--") == options(command), command


def test_values(complete):
    assert complete("merge", "--hash", "") == {"xxh3", "sha256", "none"}
    assert complete("merge", "--hash", "=", "s") == {"sha256"}
    assert complete("merge", "x", "--nan", "w") == {"warn"}
    assert complete("merge", "--threads", "") == set()


def test_method_names(complete):
    names = {
        line.split()[0] for line in program.succeed("methods").split("\n\n")[0].splitlines()[1:]
    }
    assert complete("merge", "--method", "") == names
    assert complete("plan", "-m", "dare_") == {"dare_linear", "dare_ties"}
    assert complete("methods", "sl") == {"slerp"}


def test_files(complete):
    assert complete("merge", "") == {"recipe.yml", "model"}
    assert complete("merge", "rec") == {"recipe.yml"}
    assert complete("diff", "model", "mo") == {"model"}
    assert complete("merge", "--output", "") == {"recipe.yml", "model"}


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_syntax(merganser, tmp_path, shell):
    script = tmp_path / "script"
    script.write_text(program.succeed("completion", shell))
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    done = subprocess.run([shell, "-n", script], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_an_unknown_shell_is_refused(merganser):
    assert "bash" in program.fail("completion", "tcsh")


@pytest.fixture(scope="module")
def page(tmp_path_factory, merganser):
    path = tmp_path_factory.mktemp("man") / "merganser.1"
    path.write_text(program.succeed("man"))
    return path


@pytest.mark.parametrize(
    "formatter",
    [["groff", "-man", "-Tutf8", "-ww"], ["mandoc", "-T", "lint", "-W", "warning"]],
    ids=lambda words: words[0],
)
def test_the_manual_has_no_warnings(page, formatter):
    if not shutil.which(formatter[0]):
        pytest.skip(f"no {formatter[0]} here")
    done = subprocess.run([*formatter, page], capture_output=True, text=True)
    assert not done.stderr, done.stderr
    if formatter[0] == "mandoc":
        # The page bears no date, so that equal builds give equal pages.
        assert all("missing date" in line for line in done.stdout.splitlines()), done.stdout


def test_the_manual_has_every_option(page):
    text = page.read_text().replace("\\-", "-")
    for command in subcommands():
        assert f".SS {command}\n" in text
        section = text.split(f".SS {command}\n")[1].split(".SS ")[0]
        for option in options(command):
            assert f"\\fB{option}\\fR" in section, (command, option)
