"""The reference of the analysis, on matrices whose figures can be worked out by hand."""

import numpy as np
import pytest

from reference.analysis import Lora, analyse

NAME, BIAS = "model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.q_proj.bias"
BASE = {NAME: np.diag([3.0, 1.0]), BIAS: np.array([0.0, 4.0])}
# Changes: diag(4, 3) and, on the same diagonal, (-4, 3); the bias moves by (0, 12) in the first.
FIRST = {NAME: np.diag([7.0, 4.0]), BIAS: np.array([0.0, 16.0])}
SECOND = {NAME: np.diag([-1.0, 4.0]), BIAS: np.array([0.0, 4.0])}


def entry(document, name):
    return next(tensor for tensor in document["tensors"] if tensor["name"] == name)


@pytest.fixture(scope="module")
def document():
    return analyse(BASE, [FIRST, SECOND], {"top_share": 0.25})


def test_change(document):
    change = entry(document, NAME)["changes"][0]
    assert change["norm"] == pytest.approx(5) and change["max"] == 4 and change["changed_share"] == 0.5
    assert change["relative"] == pytest.approx(5 / np.sqrt(10))
    spectrum = change["spectrum"]
    assert spectrum["singular_values"] == pytest.approx([4, 3])
    assert spectrum["stable_rank"] == pytest.approx(25 / 16) and spectrum["rank_90"] == 2
    shares = np.array([4, 3]) / 7
    assert spectrum["effective_rank"] == pytest.approx(np.prod(shares**-shares))


def test_zones_of_a_wide_base():
    base = {NAME: np.array([[3.0, 0, 0], [0, 1.0, 0]])}
    tune = {NAME: base[NAME] + np.array([[2.0, 1, 0], [0, 3, 4]])}
    zones = entry(analyse(base, [tune]), NAME)["changes"][0]["zones"]
    # |D|^2 = 30; zone I is the corner, II the middle, III adds the column that the base never uses.
    assert zones == {"k": 1, "I": pytest.approx(4 / 30), "II": pytest.approx(9 / 30),
                     "II_III": pytest.approx(25 / 30)}


def test_pair(document):
    pair = entry(document, NAME)["pairs"][0]
    assert pair["cosine"] == pytest.approx((9 - 16) / 25)
    assert pair["sign_conflict"] == 0.5
    # The top quarter is one element of four, the same one, of opposite signs.
    assert pair["sign_conflict_top"] == 1 and pair["overlap_top"] == 1
    assert pair["angles"] == {"input": pytest.approx([1, 1]), "output": pytest.approx([1, 1])}


def test_unchanged_tensors_have_no_figures(document):
    bias = entry(document, BIAS)
    assert bias["changes"][1]["norm"] == 0 and bias["changes"][1]["spectrum"] is None
    assert bias["pairs"][0] == {"cosine": None, "sign_conflict": None, "sign_conflict_top": None,
                                "overlap_top": None, "angles": None}
    assert all(losses[1] is None for losses in bias["losses"])


def test_totals(document):
    first, second = document["total"]["changes"]
    assert first["norm"] == pytest.approx(13) and second["norm"] == pytest.approx(5)
    shares = {part["part"]: part["changes"][0]["share"] for part in document["parts"]}
    assert shares == {"linear": pytest.approx(25 / 169), "bias": pytest.approx(144 / 169)}
    assert document["total"]["pairs"][0]["cosine"] == pytest.approx(-7 / 65)


def test_losses(document):
    linear, half = document["total"]["losses"][:2]
    # Half the sum of the changes: the bias loses half of 12, the diagonal (4, 0) of (4, 3).
    assert linear == pytest.approx(half)
    assert half[0] == pytest.approx(np.sqrt(4**2 + 0 + 6**2) / 13)


def test_smile_curve(document):
    first, second = document["smile"]["curve"]
    # Routers of 2 x 2, factors of rank 1, the bias.
    assert first["parameters"] == 6 + 2 * (2 * 2 + 1 * 4 + 2) and second["rank"] == 2
    assert first["errors_linear"] == pytest.approx([3 / 5, 3 / 5])
    assert first["errors"] == pytest.approx([3 / 13, 3 / 5])
    assert second["errors"] == pytest.approx([0, 0])


def test_smile_does_not_carry_norms_and_one_expert_has_no_router():
    norm = "model.layers.0.norm.weight"
    base = {NAME: np.eye(2), norm: np.zeros(2)}
    document = analyse(base, [{NAME: np.diag([4.0, 1.0]), norm: np.array([0.0, 4.0])}])
    first = document["smile"]["curve"][0]
    assert first["parameters"] == 6 + 4
    assert first["errors"] == pytest.approx([4 / 5]) and first["errors_linear"] == pytest.approx([0])


def test_lora():
    factors = {NAME: (np.array([[1.0, 0.0]]), np.array([[0.0], [1.0]]), 0.5)}
    document = analyse(BASE, [Lora(factors)])
    change = entry(document, NAME)["changes"][0]
    ranks = {"median": 1, "matrices": 1, "beyond": 0}
    assert document["models"] == [{"name": "model 1", "kind": "lora", "rank_90": ranks}]
    assert change["norm"] == 0.5 and change["spectrum"]["rank_90"] == 1
    assert change["spectrum"]["effective_rank"] == pytest.approx(1)
    assert entry(document, BIAS)["changes"][0]["norm"] == 0
