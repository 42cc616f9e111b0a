#!/usr/bin/env python3
"""Holds the sources against the layering that the CMakeLists of src/ state.

    scripts/check_layers.py [ROOT]

Each src/FOLDER/CMakeLists.txt names the layers it may include, once, in add_layer(NAME DEPENDS ...).
Includes are not transitive. The table of docs/architecture.md is held against them too. Prints one line a violation, `file:line: what`, and exits 1 if there is
any; lines with `warning:` do not count. The rules for libraries, disk and printing are below.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

TOO_LONG, LONG = 700, 400  # lines of a file

# How the includes of libraries begin; the rule of each stands in wrong_angled.
TEST_LIBRARIES = ("gtest/", "gmock/")
FREE_LIBRARIES = ("fmt/", "nlohmann/")
TORCH_HEADERS = ("ATen/", "c10/")
# The layers above the core, which are only built where libtorch is.
TORCH_LAYERS = ("runtime", "evaluate", "train", "search", "runtime_api")
BOUND_LIBRARIES = (*TORCH_HEADERS, "hwy/", "yaml-cpp/", "openssl/", "xxhash.h", "CLI/", "kissfft/", "zlib.h")
# A header that includes these may be included by its own layer only.
SLOW_HEADERS = ("yaml-cpp/", "nlohmann/json.hpp")
LIBRARIES = TEST_LIBRARIES + FREE_LIBRARIES + BOUND_LIBRARIES
DISK_LAYERS = ("checkpoint", "layout")  # with base/file*, the only ones that touch the disk
DISK_HEADERS = ("fstream", "fcntl.h", "sys/mman.h", "sys/stat.h", "dirent.h")
PRINT_HEADERS = ("iostream", "cstdio", "stdio.h", "print", "fmt/ostream.h")
# Headers in the form of a library's that the operating system brings.
SYSTEM_FOLDERS = ("sys/", "linux/", "mach/", "arpa/", "netinet/")

DISK_USE = re.compile(
    r"(?<![\w>:])::(?:open|openat|creat|read|write|pread|pwrite|unlink|rename|renameat2?|mkdir|rmdir"
    r"|truncate|ftruncate|link|symlink|fsync|mmap)\s*\("
    r"|\b(?:fopen|fdopen|freopen|pread|pwrite|mmap|renameat2?|ftruncate)\s*\("
    r"|\bO_(?:RDONLY|WRONLY|RDWR|CREAT|DIRECTORY)\b"
    r"|\bstd::rename\s*\("
    r"|\bstd::remove\s*\([^,()]*(?:\([^()]*\))?[^,()]*\)"  # with three arguments it is the algorithm
    r"|\b(?:basic_)?[io]?fstream\b"
)
CHANGES = (
    r"(?:create_director(?:y|ies)|remove|remove_all|rename|copy|copy_file|copy_symlink|resize_file"
    r"|permissions|create_hard_link|create_symlink|create_directory_symlink)\s*\("
)
PRINT_USE = re.compile(
    r"\bstd::(?:cout|cerr|clog)\b|\b(?:v?f?printf|puts|fputs|putchar|fputc|perror|fwrite)\s*\("
    r"|\bfmt::print(?:ln)?\s*\(|\bSTD(?:OUT|ERR)_FILENO\b"
)

MACHINE_PATH = re.compile(r"(?<![\w./}<])/(?:(?:work|root)\b|(?:home|Users|tmp)/\w+)")
REGISTRY_HOST = re.compile(
    r"pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|yarnpkg\.com|deb\.debian\.org|archive\.ubuntu\.com"
)

TOKEN = re.compile(
    r'R"(?P<delimiter>[^()\\\s]{0,16})\(.*?\)(?P=delimiter)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<!\w)'(?:\\.|[^'\\\n])*'"
    r"|//[^\n]*"
    r"|/\*.*?\*/",
    re.DOTALL,
)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"\n]+)"|<([^>\n]+)>)', re.MULTILINE)


class Layer(NamedTuple):
    name: str
    order: int
    depends: tuple


def without_comments(text, keep_strings):
    """The text with comments, raw strings (and all strings) blanked out, every line in its place."""

    def blank(match):
        token = match[0]
        if keep_strings and token[0] in "\"'":
            return token
        return "\n" * token.count("\n") or " "

    return TOKEN.sub(blank, text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def is_test(path):
    return path.name.endswith(("_test.cpp", "_fuzz.cpp"))


def is_test_helper(name):
    return Path(name).name == "testing.h" or name.endswith(("_testing.h", "_test.h"))


class Checker:
    def __init__(self, root):
        self.root = Path(root)
        self.violations = []
        self.warnings = []
        self.layers = {}
        self.includers = {}  # quoted include -> the layers that include it
        self.private_headers = {}  # (header, line) -> (its layer, the library it must not pass on)

    def say(self, path, line, what):
        self.violations.append(f"{path.relative_to(self.root)}:{line}: {what}")

    # --- the statements -----------------------------------------------------------------------

    def read_layers(self):
        listing = self.root / "src/CMakeLists.txt"
        text = re.sub(r"#[^\n]*", "", listing.read_text()) if listing.is_file() else ""
        order = [
            (match[1], line_of(text, match.start()))
            for match in re.finditer(r"add_subdirectory\(\s*([\w./-]+)\s*\)", text)
        ]
        for position, (name, line) in enumerate(order):
            statement = self.root / "src" / name / "CMakeLists.txt"
            if not statement.is_file():
                self.say(listing, line, f"{name} has no CMakeLists.txt")
                continue
            self.read_layer(statement, name, position)
        for folder in sorted((self.root / "src").iterdir()):
            if folder.is_dir() and folder.name not in dict(order) and any(folder.iterdir()):
                self.say(folder / "CMakeLists.txt", 1, "folder is not in src/CMakeLists.txt")

    def read_layer(self, statement, folder, order):
        text = re.sub(r"#[^\n]*", "", statement.read_text())
        calls = list(re.finditer(r"add_layer\(([^)]*)\)", text))
        if len(calls) != 1:
            self.say(statement, 1, f"{len(calls)} calls of add_layer; a folder states its layer once")
            return
        line = line_of(text, calls[0].start())
        words, section, lists = calls[0][1].split(), None, {}
        if not words or words[0] != folder:
            self.say(statement, line, f"the layer of folder {folder} must be named {folder}")
        for word in words[1:]:
            if word in ("DEPENDS", "LIBRARIES", "SUBFOLDERS", "TEST_SHARDS"):
                section = word
            else:
                lists.setdefault(section, []).append(word)
        depends, subfolders = lists.get("DEPENDS", []), lists.get("SUBFOLDERS", [])
        for path in sorted(statement.parent.glob("*/*.cpp")):
            if path.parent.name not in subfolders:
                self.say(path, 1, f"{folder} does not name {path.parent.name} in its SUBFOLDERS")
        for name in depends:
            if name not in self.layers:  # read in the order of src/CMakeLists.txt
                self.say(statement, line, f"{folder} depends on {name}, which is not a layer below it")
        self.layers[folder] = Layer(folder, order, tuple(depends))

    # --- a file of src/, apps/ or include/ ----------------------------------------------------

    def check_source(self, path):
        parts = path.relative_to(self.root).parts
        where = parts[1] if parts[0] == "src" and len(parts) > 2 else parts[0]
        text = path.read_text(errors="replace")
        code = without_comments(text, keep_strings=True)
        test = is_test(path) or is_test_helper(path.name)
        for match in INCLUDE.finditer(code):
            line = line_of(code, match.start())
            if match[1] and not match[1].startswith(LIBRARIES):
                wrong = self.wrong_quoted(path, parts[0], where, match[1], test)
                self.includers.setdefault(match[1], set()).add(where)
            else:
                name = match[1] or match[2]
                wrong = self.wrong_angled(path, parts[0], where, name, test)
                if path.suffix == ".h" and not test and name.startswith(SLOW_HEADERS):
                    self.private_headers[path, line] = (where, name)
            if wrong:
                self.say(path, line, wrong)
        if not test:
            self.check_uses(path, parts[0], where, without_comments(text, keep_strings=False))
        if path.suffix == ".h" and not re.search(r"^#pragma once$", code, re.MULTILINE):
            self.say(path, 1, "no #pragma once")

    def wrong_quoted(self, path, top, where, name, test):
        """What is wrong with including "name" there, or None."""
        folder = name.split("/")[0] if "/" in name else None
        if is_test_helper(name) and not test:
            return f'only tests include "{name}"'
        if folder == "merganser":
            if top != "src" or where in ("api", "runtime_api") or test:
                return None
            # The words that public API and all layers share; base hands them on.
            if where == "base" and name in ("merganser/error.h", "merganser/progress.h"):
                return None
            return f'"{name}" is the public API: src/{where} is below it'
        if top == "apps":
            own = path.relative_to(self.root).parts[1]
            if folder in (None, own):
                return None
            return f'"{name}": front ends include only "merganser/*.h" and their own folder'
        if top == "include":
            return f'"{name}": public headers include only "merganser/*.h"'
        if folder is None or folder not in self.layers:
            return f'"{name}" is in no layer (write "layer/file.h")'
        if where not in self.layers or folder == where or folder in self.layers[where].depends:
            return None
        if test and self.layers[folder].order < self.layers[where].order:
            return None
        if self.layers[folder].order > self.layers[where].order:
            return f'"{name}" is above {where}'
        return f'"{name}": {where} does not name {folder} in its DEPENDS'

    def wrong_angled(self, path, top, where, name, test):
        source = path.suffix == ".cpp"
        if name.startswith("hwy/"):
            if top == "src" and where == "kernels" and source:
                return None
            return f"<{name}>: only src/kernels/*.cpp include Highway"
        if name.startswith("yaml-cpp/"):
            return None if top == "src" and where == "recipe" else f"<{name}>: only src/recipe may"
        if name.startswith("openssl/") or name == "xxhash.h":
            if top == "src" and where == "base" and source:
                return None
            return f"<{name}>: only src/base/*.cpp may"
        if name.startswith("kissfft/"):
            if top == "src" and where == "methods" and source:
                return None
            return f"<{name}>: only src/methods/parts/*.cpp may"
        if name.startswith(TORCH_HEADERS):
            if top == "src" and where in TORCH_LAYERS:
                return None
            return f"<{name}>: the core is built without libtorch"
        if name == "zlib.h":
            return None if top == "src" and where == "evaluate" and source else f"<{name}>: only src/evaluate/*.cpp may"
        if name.startswith("CLI/"):
            return None if top == "apps" else f"<{name}>: only front ends may"
        if name.startswith(TEST_LIBRARIES):
            return None if test else f"<{name}>: only tests may"
        if test:
            return None
        if name in DISK_HEADERS and not self.may_touch_disk(path, top, where):
            return f"<{name}>: only base/file, checkpoint and layout touch the disk"
        if name in PRINT_HEADERS and top != "apps":
            # <cstdio> has renameat2, too.
            if not (name in ("cstdio", "stdio.h") and self.may_touch_disk(path, top, where)):
                return f"<{name}>: only front ends print"
        if name.startswith(FREE_LIBRARIES + SYSTEM_FOLDERS) or "/" not in name:
            return None
        return f"<{name}>: a library that scripts/check_layers.py does not know"

    def may_touch_disk(self, path, top, where):
        if top != "src":
            return False
        return where in DISK_LAYERS or (where == "base" and path.name.startswith("file"))

    def check_uses(self, path, top, where, code):
        if not self.may_touch_disk(path, top, where):
            aliases = re.findall(r"namespace\s+(\w+)\s*=\s*(?:::)?std::filesystem", code)
            names = "|".join(["std::filesystem", "filesystem", *aliases])
            for pattern in (DISK_USE, re.compile(rf"\b(?:{names})::{CHANGES}")):
                for match in pattern.finditer(code):
                    what = match[0].strip().rstrip("(").strip()
                    self.say(
                        path,
                        line_of(code, match.start()),
                        f"{what}: only base/file, checkpoint and layout touch the disk",
                    )
        if top == "src":
            for match in PRINT_USE.finditer(code):
                what = match[0].rstrip("( ")
                self.say(path, line_of(code, match.start()), f"{what}: only front ends print")

    def check_private_headers(self):
        """A header with a library that is slow to compile stays within its layer."""
        for (path, line), (where, name) in self.private_headers.items():
            others = self.includers.get(f"{where}/{path.name}", set()) - {where}
            if others or where not in self.layers:
                who = ", ".join(sorted(others)) or "everyone"
                hint = "; json_fwd.hpp is enough" if name.startswith("nlohmann/") else ""
                self.say(path, line, f"<{name}> in a header that {who} includes{hint}")

    def check_table(self):
        """docs/architecture.md has a row for each layer, with the layers that its statement names."""
        page = self.root / "docs/architecture.md"
        rows = {}
        for line, text in enumerate(page.read_text().splitlines() if page.is_file() else [], 1):
            if match := re.match(r"\| `src/(\w+)` \|.*\|([^|]*)\|$", text):
                rows[match[1]] = (line, match[2])
        for name, (line, _) in rows.items():
            if name not in self.layers:
                self.say(page, line, f"src/{name} is no layer")
        for name, layer in self.layers.items():
            if name not in rows:
                self.say(page, 1, f"the table of layers has no row of src/{name}")
                continue
            line, told = rows[name]
            if "all of the above" in told:
                named = wanted = {other for other, (at, _) in rows.items() if at < line}
            else:
                words = re.findall(r"\w+", re.sub(r"\([^()]*\)", "", told))
                named, wanted = self.layers.keys() & words, set(layer.depends)
            for other in sorted(set(layer.depends) - named - {"base"}):
                self.say(page, line, f"src/{name} depends on {other}, which its row does not name")
            for other in sorted(named - wanted - {"base"}):
                self.say(page, line, f"src/{name} does not depend on {other}, which its row names")

    def check_methods(self):
        """A merge method is one file and its test."""
        folder = self.root / "src/methods"
        names = {path.name for path in folder.glob("*.cpp")} | {path.name for path in folder.glob("*.h")}
        for name in sorted(names):
            stem = Path(name).stem
            if is_test_helper(name) or stem.endswith("_fuzz"):
                continue
            if stem.endswith("_test"):
                subject = stem.removesuffix("_test")
                if f"{subject}.cpp" not in names and f"{subject}.h" not in names:
                    self.say(folder / name, 1, f"tests {subject}.cpp, which is not there")
            elif f"{stem}_test.cpp" not in names and (name.endswith(".cpp") or f"{stem}.cpp" not in names):
                self.say(folder / name, 1, f"has no test {stem}_test.cpp")

    # --- any file -----------------------------------------------------------------------------

    def files(self):
        """Tracked and new files; in a tree without git, all but built ones."""
        if (self.root / ".git").exists():
            command = ["git", "-C", self.root, "ls-files", "-z", "-co", "--exclude-standard"]
            listing = subprocess.run(command, capture_output=True, check=True).stdout
            paths = sorted({self.root / name.decode() for name in listing.split(b"\0") if name})
        else:
            paths = [
                path
                for path in sorted(self.root.rglob("*"))
                if path.relative_to(self.root).parts[0] != "build"
            ]
        return [path for path in paths if path.is_file() and not path.is_symlink()]

    def check_text(self, path):
        content = path.read_bytes()
        if b"\0" in content[:8192] or len(content) > 4_000_000:
            return
        lines = content.decode(errors="replace").splitlines()
        for number, line in enumerate(lines, 1):
            for match in MACHINE_PATH.finditer(line):
                self.say(path, number, f"path of a machine: {match[0]}")
            for match in REGISTRY_HOST.finditer(line):
                self.say(path, number, f"name of a registry's host: {match[0]}")
        if path.suffix not in (".cpp", ".h", ".py", ".sh"):
            return
        if len(lines) > TOO_LONG:
            self.say(path, len(lines), f"{len(lines)} lines; {TOO_LONG} at most")
        elif len(lines) > LONG:
            place = path.relative_to(self.root)
            self.warnings.append(
                f"{place}:{len(lines)}: warning: {len(lines)} lines; beyond {LONG} usually two ideas"
            )

    def run(self):
        self.read_layers()
        for path in self.files():
            top = path.relative_to(self.root).parts[0]
            if top in ("src", "apps", "include") and path.suffix in (".cpp", ".h"):
                self.check_source(path)
            self.check_text(path)
        self.check_private_headers()
        self.check_table()
        self.check_methods()
        return self.violations


def main():
    checker = Checker(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1])
    violations = checker.run()
    for line in checker.warnings + violations:
        print(line)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
