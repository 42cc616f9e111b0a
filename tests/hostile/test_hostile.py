"""Hostile inputs through every command that reads them: refused in one line, or harmless.

    MERGANSER=build/asan/bin/merganser scripts/run_hostile.sh asan

Exit 2 and one line "error: ..." (or 0 and 1, where the input is odd but in truth fine), without
control characters, in ten seconds of processor time (thirty under sanitizers) and a gibibyte of
memory; no output, nothing hidden left beside it, the inputs as they were, no word of a sanitizer's.
"""

import pytest

from hostile import (
    adapters,
    archives,
    configs,
    headers,
    indexes,
    journals,
    mixtures,
    outputs,
    paths,
    programs,
    recipes,
)

SOURCES = (
    headers, indexes, archives, programs, adapters, configs, recipes, outputs, journals, mixtures, paths,
)  # fmt: skip
CASES = [case for source in SOURCES for case in source.cases()]


def test_there_are_many_and_each_has_a_name():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) and len(names) >= 400
    assert all(case.commands and case.codes for case in CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_hostile(case, trials):
    complaints, costs = trials[case.name].result()
    assert not complaints, "\n".join(complaints)
    assert len(costs) == len(case.commands)
