#!/usr/bin/env python3
"""Shows that check_layers.py passes a sound tree and catches each kind of violation in it."""

import tempfile
import unittest
from pathlib import Path

from check_layers import Checker

LAYERS = {
    "base": "add_layer(base LIBRARIES fmt::fmt)",
    "kernels": "add_layer(kernels DEPENDS base LIBRARIES hwy::hwy)",
    "method": "add_layer(method DEPENDS base)  # add_layer(method DEPENDS everything)",
    "checkpoint": "add_layer(checkpoint DEPENDS base kernels)",
    "methods": "configure()\nadd_layer(methods\n  DEPENDS base kernels method SUBFOLDERS parts)",
    "recipe": "add_layer(recipe DEPENDS base method LIBRARIES yaml-cpp)",
    "layout": "add_layer(layout DEPENDS base checkpoint)",
    "api": "add_layer(api DEPENDS base recipe)",
}

SOUND = {
    "src/CMakeLists.txt": "# base first\n" + "".join(f"add_subdirectory({name})\n" for name in LAYERS),
    **{f"src/{name}/CMakeLists.txt": text + "\n" for name, text in LAYERS.items()},
    "src/base/file.cpp": '#include "base/file.h"\n#include <fcntl.h>\nint f = ::open("x", O_RDONLY);\n',
    "src/base/file.h": "#pragma once\n#include <filesystem>\n",
    "src/base/hash.cpp": "#include <openssl/evp.h>\n#include <xxhash.h>\n",
    "src/base/json.h": "#pragma once\n#include <nlohmann/json_fwd.hpp>\n",
    "src/base/whole.h": "#pragma once\n#include <nlohmann/json.hpp>\n",
    "src/base/testing.h": "#pragma once\n#include <gtest/gtest.h>\n#include <nlohmann/json.hpp>\n",
    "src/kernels/blend.cpp": '#include <hwy/highway.h>\n#include "hwy/foreach_target.h"\n',
    "src/kernels/blend_test.cpp": '#include "base/testing.h"\n#include <cstdio>\nvoid f() { printf(""); }\n',
    "src/methods/ties.cpp": '#include "kernels/blend.h"\n#include "method/merger.h"\n',
    "src/methods/parts/sparsifier.cpp": '#include "methods/parts/sparsifier.h"\n',
    "src/kernels/kernel_test.h": "#pragma once\n#include <gtest/gtest.h>\n",
    "src/recipe/parse_fuzz.cpp": '#include <cstdio>\n#include "recipe/parse.h"\n',
    "src/methods/ties_test.cpp": '#include "checkpoint/shards.h"\n#include <gmock/gmock.h>\n',
    "src/recipe/node.h": "#pragma once\n#include <yaml-cpp/yaml.h>\n",
    "src/recipe/parse.cpp": '#include "recipe/node.h"\n#include "method/parameter.h"\n',
    "src/layout/folder.cpp": "#include <cstdio>\nvoid f() { std::filesystem::rename(a, b); }\n",
    "src/api/merge.cpp": '#include "merganser/merge.h"\n#include "recipe/parse.h"\n',
    "src/method/words.cpp": (
        '// std::cout << "no"; #include "recipe/parse.h"\n'
        '/* #include "recipe/parse.h"\n */\n'
        'auto text = "std::cerr // printf(";\n'
        'auto raw = R"(\n#include <iostream>\n  fopen(x) )";\n'
        "auto number = 1'000'000; auto quote = '\"'; // printf(\n"
        "v.erase(std::remove(v.begin(), v.end(), 1), v.end()); file.open(x); Reader open(Path path);\n"
    ),
    "include/merganser/merge.h": "#pragma once\n#include <string>\n",
    "apps/cli/main.cpp": '#include <CLI/CLI.hpp>\n#include <iostream>\n#include "bar.h"\n#include "merganser/merge.h"\n',
    "docs/architecture.md": (
        "| folder | holds | includes |\n|---|---|---|\n"
        "| `src/base` | files, hashes \\| more | fmt, OpenSSL |\n"
        "| `src/kernels` | loops | Highway |\n"
        "| `src/method` | the contract | |\n"
        "| `src/checkpoint` | files | base, kernels |\n"
        "| `src/methods` | one file a method | kernels, method |\n"
        "| `src/recipe` | YAML | method (not kernels), yaml-cpp |\n"
        "| `src/layout` | the folder | checkpoint |\n"
        "| `src/api` | functions | all of the above |\n"
        "| `apps/cli` | the program | CLI11 |\n"
    ),
    "docs/page.md": "see <root/> and ../work/x and https://example.org/root/work/x\n",
}


def violations_of(changes):
    """What the checker says of the sound tree with these files put in (None: taken out)."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {**SOUND, **changes}.items():
            if text is not None:
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        return Checker(folder).run()


# (file, text, where and what is said of it)
CASES = [
    # layers
    ("src/base/up.cpp", '#include "base/file.h"\n#include "method/merger.h"\n', "up.cpp:2: .*above base"),
    ("src/layout/x.cpp", '#include "kernels/blend.h"\n', "x.cpp:1: .*layout does not name kernels"),
    ("src/method/x.h", '#pragma once\n#include "recipe/parse.h"\n', "x.h:2: .*above method"),
    ("src/base/x_test.cpp", '#include "kernels/blend.h"\n', "x_test.cpp:1: .*above base"),
    ("src/base/x.cpp", '#include "file.h"\n', "x.cpp:1: .*in no layer"),
    ("src/base/x.cpp", '#include "elsewhere/file.h"\n', "x.cpp:1: .*in no layer"),
    ("src/base/x.cpp", '  #  include "method/merger.h"\n', "x.cpp:1: .*above base"),
    ("src/method/x.cpp", '#include "base/testing.h"\n', "x.cpp:1: only tests include"),
    ("src/recipe/x.cpp", '#include "merganser/merge.h"\n', "x.cpp:1: .*public API"),
    ("src/base/CMakeLists.txt", "add_layer(base DEPENDS method)\n", "CMakeLists.txt:1: .*not a layer below"),
    ("src/method/CMakeLists.txt", "add_layer(methode DEPENDS base)\n", "must be named method"),
    ("src/method/CMakeLists.txt", "\n", "0 calls of add_layer"),
    ("src/method/CMakeLists.txt", None, "src/CMakeLists.txt:4: method has no CMakeLists"),
    ("src/base/more/x.cpp", "\n", "src/base/more/x.cpp:1: base does not name more in its SUBFOLDERS"),
    ("src/methods/parts/x.cpp", '#include "recipe/parse.h"\n', "parts/x.cpp:1: .*above methods"),
    ("src/orphan/x.cpp", "\n", "src/orphan/CMakeLists.txt:1: folder is not in"),
    # front ends and the public API
    ("apps/cli/x.cpp", '#include "base/file.h"\n', "apps/cli/x.cpp:1: .*front ends include only"),
    ("include/merganser/x.h", '#pragma once\n#include "base/file.h"\n', "x.h:2: .*public headers"),
    # libraries
    ("src/kernels/x.h", "#pragma once\n#include <hwy/highway.h>\n", "x.h:2: .*Highway"),
    ("src/base/x.cpp", '#include "hwy/highway.h"\n', "x.cpp:1: .*Highway"),
    ("src/layout/x.cpp", "#include <yaml-cpp/yaml.h>\n", "x.cpp:1: .*only src/recipe"),
    ("src/api/x.cpp", '#include "recipe/node.h"\n', "recipe/node.h:2: .*that api includes"),
    ("src/recipe/x.cpp", '#include "base/whole.h"\n', "whole.h:2: .*recipe includes; json_fwd"),
    ("include/merganser/x.h", "#pragma once\n#include <nlohmann/json.hpp>\n", "x.h:2: .*json_fwd"),
    ("src/base/x.h", "#pragma once\n#include <xxhash.h>\n", "x.h:2: .*only src/base"),
    ("src/layout/x.cpp", "#include <openssl/evp.h>\n", "x.cpp:1: .*only src/base"),
    ("src/base/x.cpp", "#include <CLI/CLI.hpp>\n", "x.cpp:1: .*front ends"),
    ("src/base/x.cpp", "#include <gtest/gtest.h>\n", "x.cpp:1: .*only tests"),
    ("src/base/x.cpp", "#include <boost/any.hpp>\n", "x.cpp:1: .*does not know"),
    # printing
    ("src/base/x.cpp", "#include <iostream>\n", "x.cpp:1: .*front ends print"),
    ("src/method/x.cpp", "#include <cstdio>\n", "x.cpp:1: .*front ends print"),
    ("src/layout/x.cpp", '\nvoid f() { std::cout << ""; }\n', "x.cpp:2: std::cout"),
    ("src/layout/x.cpp", '\nvoid f() { std::fprintf(stderr, ""); }\n', "x.cpp:2: fprintf"),
    ("src/layout/x.cpp", '/*\n*/ void f() { fmt::print(""); }\n', "x.cpp:2: fmt::print"),
    # disk
    ("src/method/x.cpp", "#include <fstream>\n", "x.cpp:1: .*touch the disk"),
    ("src/method/x.cpp", '\nint f = ::open("x", 0);\n', "x.cpp:2: .*touch the disk"),
    ("src/method/x.cpp", '\nint f = open("x", O_RDONLY);\n', "x.cpp:2: .*touch the disk"),
    ("src/method/x.cpp", '\nauto f = std::fopen("x", "r");\n', "x.cpp:2: .*touch the disk"),
    ("src/method/x.cpp", '\nint f = std::rename("x", "y");\n', "x.cpp:2: .*touch the disk"),
    ("src/method/x.cpp", "\nint f = std::remove(p.c_str());\n", "x.cpp:2: .*touch the disk"),
    ("src/method/x.cpp", "\nint f = std::filesystem::remove_all(p);\n", "x.cpp:2: .*touch the disk"),
    (
        "src/method/x.cpp",
        "namespace fs = std::filesystem;\nint f = fs::create_directories(p);\n",
        "x.cpp:2: fs::create_directories",
    ),
    ("apps/cli/x.cpp", "#include <fstream>\n", "x.cpp:1: .*touch the disk"),
    # the table of layers
    ("docs/architecture.md", None, "architecture.md:1: .*no row of src/base"),
    (
        "docs/architecture.md",
        SOUND["docs/architecture.md"].replace("| kernels, method |", "| method |"),
        "architecture.md:7: src/methods depends on kernels, which its row does not name",
    ),
    (
        "docs/architecture.md",
        SOUND["docs/architecture.md"].replace("| the contract | |", "| the contract | kernels |"),
        "architecture.md:5: src/method does not depend on kernels",
    ),
    (
        "docs/architecture.md",
        SOUND["docs/architecture.md"] + "| `src/align` | | base |\n",
        "architecture.md:12: src/align is no layer",
    ),
    # files
    ("src/methods/slerp.cpp", "\n", "slerp.cpp:1: has no test slerp_test.cpp"),
    ("src/methods/slerp_test.cpp", "\n", "slerp_test.cpp:1: tests slerp.cpp"),
    ("src/methods/shared.h", "#pragma once\n", "shared.h:1: has no test"),
    ("src/base/x.h", "// #pragma once\n", "x.h:1: no #pragma once"),
    ("src/base/x.cpp", "\n" * 701, "x.cpp:701: 701 lines"),
    ("demo/run.sh", "#\ncd " + "/" + "work/main\n", "run.sh:2: path of a machine"),
    ("docs/x.md", "see `" + "/" + "root`\n", "x.md:1: path of a machine"),
    ("tests/x.py", 'open("' + "/" + 'tmp/x")\n', "x.py:1: path of a machine"),
    ("docs/x.md", "from https://" + "pypi" + ".org\n", "x.md:1: name of a registry's host"),
]


class CheckLayersTest(unittest.TestCase):
    def test_sound_tree(self):
        self.assertEqual(violations_of({}), [])

    def test_each_violation_is_caught_and_named_once(self):
        for name, text, expected in CASES:
            with self.subTest(name=name, text=text and text[:80]):
                found = violations_of({name: text})
                self.assertTrue(found, "nothing found")
                self.assertRegex("\n".join(found), expected)
                for line in found:
                    self.assertRegex(line, r"^[\w./-]+:\d+: \S")

    def test_long_file_is_a_warning(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in {**SOUND, "src/base/x.cpp": "\n" * 401}.items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            checker = Checker(folder)
            self.assertEqual(checker.run(), [])
            self.assertRegex(checker.warnings[0], r"^src/base/x\.cpp:401: warning: ")


if __name__ == "__main__":
    unittest.main()
