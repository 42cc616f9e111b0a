"""Generated recipes through both programs: the same tensors, or both refuse.

    pytest differential                     60 of them
    pytest differential --recipes 800       as `make check-all` does
    pytest differential --case ties-17      the one that failed, made smaller
"""

import pytest
import yaml

from differential.compare import difference
from differential.generate import generate
from differential.methods import listed
from differential.shrink import shrink
from support import program


def pytest_generate_tests(metafunc):
    if "case" not in metafunc.fixturenames:
        return
    chosen = metafunc.config.getoption("case")
    if not chosen:
        # Without a program the fixture says so.
        methods = listed() if program.program().exists() else ["linear"]
        numbers = range(metafunc.config.getoption("recipes"))
        chosen = [f"{methods[n % len(methods)]}-{n // len(methods)}" for n in numbers]
    metafunc.parametrize("case", chosen)


def report(case, found):
    text = yaml.safe_dump(case, sort_keys=False, default_flow_style=None, width=100)
    again = f"# {found.text}\n# again, from the whole case: pytest differential --case {case['name']}"
    return f"differs from MergeKit ({found.kind}):\n\n{again}\n{text}"


def test_generated(merganser, tmp_path, case):
    method, number = case.rsplit("-", 1)
    whole = generate(method, int(number))
    found = difference(whole, tmp_path)
    if found:
        pytest.fail(report(*shrink(whole, found, tmp_path)), pytrace=False)
