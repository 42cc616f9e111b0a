"""The suite itself: it sees what differs, excuses only what it says, and shrinks."""

import numpy as np
import pytest

from differential import compare, shrink
from differential.compare import Difference, Outcome, of_numbers
from differential.generate import generate
from differential.methods import METHODS

X = np.linspace(1, 2, 7).astype(np.float32)


def test_cases_are_made_again():
    assert generate("ties", 17) == generate("ties", 17) != generate("ties", 18)


@pytest.mark.parametrize("method", METHODS)
def test_cases_use_only_their_models(method):
    for number in range(30):
        case = generate(method, number)
        for place in shrink.list_places(case["recipe"], ("model", "base_model")):
            assert shrink.at(case["recipe"], place) in case["models"]


def test_one_element_that_is_off():
    off = X.copy()
    off[3] += 4e-6
    assert of_numbers({"x": off}, {"x": X}).kind == "numbers"
    off[3] = X[3] + 1e-6
    assert of_numbers({"x": off}, {"x": X}) is None


def test_not_a_number_is_off():
    off = X.copy()
    off[0] = np.nan
    assert of_numbers({"x": off}, {"x": X}).kind == "numbers"


def test_narrow_outputs_may_be_one_step_apart():
    narrow = np.array([1.0, 3.0], np.float16)
    step = np.array([1.0, 3.0 + 2**-9], np.float16)
    assert of_numbers({"x": step}, {"x": narrow}) is None
    assert of_numbers({"x": step + np.float16(2**-8)}, {"x": narrow}).kind == "numbers"


def test_an_f32_error_that_mergekit_has_not():
    exact = X.astype(np.float64)
    assert compare.as_near(exact, X, X)
    assert not compare.as_near(exact, X + np.float32(1e-5), X)
    # MergeKit is as far away itself.
    assert compare.as_near(exact, X + np.float32(1e-5), X - np.float32(1e-5))


def test_refusals():
    case = {"checkpoint": {}}
    merged, refused = Outcome({"x": X}), Outcome(error="error: recipe.yml: 'x' is 3")
    assert compare.of_refusals(case, refused, refused) is None
    assert compare.of_refusals(case, refused, merged).kind.startswith("only merganser refuses")
    assert compare.of_refusals(case, merged, refused).kind.startswith("only MergeKit refuses")
    # Weights that sum to zero: excused where MergeKit wrote no number, and only there.
    zero = Outcome(error="error: linear: the weights sum to 0")
    assert compare.of_refusals(case, zero, merged)
    assert compare.of_refusals(case, zero, Outcome({"x": X * np.nan})) is None


def test_shrinks_to_what_matters(monkeypatch, tmp_path):
    """A rule that is broken where lambda is not 1 and a model is read."""

    def difference(case, folder):
        levels = [level for _, level in walk(case["recipe"])]
        wrong = any(level.get("lambda", 1) not in (1, "1") for level in levels)
        return Difference("numbers", "") if wrong and len(case["models"]) > 1 else None

    def walk(value):
        for place in shrink.list_places(value, ("parameters",)):
            yield place, shrink.at(value, place)

    monkeypatch.setattr(shrink, "difference", difference)
    for number in range(200):
        case = generate("ties", number)
        found = difference(case, tmp_path)
        if not found or len(case["models"]) < 4:
            continue
        small, _ = shrink.shrink(case, found, tmp_path)
        assert len(small["models"]) == 2
        (level,) = [level for _, level in walk(small["recipe"])]
        assert level in ({"lambda": 0}, {"lambda": 0.5})
        assert "checkpoint" in small and len(str(small)) < len(str(case)) / 2
        return
    pytest.fail("no such case among 200")
