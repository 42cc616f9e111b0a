"""Random methods below density 1: everything but which entries are kept is MergeKit's.

With density 1 MergeKit says where each entry goes. With less, a kept entry goes there, too, times
the factor that restores the tensor's L1 norm, and a dropped one stays at the base.
"""

import numpy as np
import pytest

from differential import checkpoints
from differential.compare import run_merganser, run_mergekit, with_paths

RANDOM = ["dare_linear", "dare_ties", "della_linear", "della"]

CHECKPOINT = {"tensors": {"matrix": [40, 500], "vector": [3001], "row": [1, 700]}, "seed": 3}
MODELS = {"a": {}, "b": {"delta": 0.05, "seed": 1}}
DEVIATIONS = 5


@pytest.fixture
def moved(tmp_path):
    """moved(method, run, **parameters): how far each element of each tensor went from the base."""
    case = {"checkpoint": CHECKPOINT, "models": MODELS}
    paths = {name: str(checkpoints.write(case, name, tmp_path)) for name in MODELS}
    base = checkpoints.tensors_of(case, "a")[1]

    def run(method, program, **parameters):
        recipe = {"merge_method": method, "base_model": "a", "models": [{"model": "b"}]}
        recipe["parameters"] = {"weight": 0.8, **parameters}
        outcome = program(case, with_paths(recipe, paths), tmp_path)
        assert not outcome.error
        return {n: outcome.tensors[n].astype(np.float64) - base[n] for n in base}

    return run


@pytest.fixture(params=RANDOM)
def method(merganser, request):
    return request.param


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("rescale", [False, True])
def test_kept_entries_go_where_mergekit_sends_them(moved, method, rescale, normalize):
    options = {"rescale": rescale, "normalize": normalize, "lambda": 1.5}
    whole = moved(method, run_mergekit, density=1, **options)
    for name, ours in moved(method, run_merganser, density=0.4, **options).items():
        # An output in f32 is known to half a last digit of base + delta.
        rounding = 2.0**-23 * 8
        kept = np.abs(ours) > rounding
        size = np.abs(whole[name])
        factor = size.sum() / size[kept].sum() if rescale else 1
        # A step of the base's rounding may stay unseen; none is that small but by accident.
        assert np.max(np.abs(ours - np.where(kept, factor * whole[name], 0))) <= 2 * rounding
        share, spread = kept.mean(), np.sqrt(0.4 * 0.6 / kept.size)
        assert abs(share - 0.4) <= DEVIATIONS * spread
