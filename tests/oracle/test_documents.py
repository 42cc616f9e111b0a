"""Several documents: mergekit-multi, which writes every stage, against one merge of ours."""

import numpy as np
import yaml

from support import program
from support.checkpoint import read_checkpoint
from support.recipe import models

# As in test_methods.py; two stages in f32.
TOLERANCE = 2e-6


def test_same_as_mergekit_multi(stories, mergekit_merge, tmp_path):
    base, shakespeare, inaugural = (stories / n for n in ("base", "shakespeare", "inaugural"))
    first = {
        "name": "first", "merge_method": "task_arithmetic", "base_model": str(base),
        "models": models(shakespeare, inaugural, weight=[0.6, 0.5]), "dtype": "float32",
    }
    second = {
        "name": "second", "merge_method": "linear",
        "models": models("first", shakespeare, weight=[0.7, 0.3]), "dtype": "float32",
    }
    last = {
        "merge_method": "slerp", "base_model": "second", "models": models("first"),
        "parameters": {"t": 0.3}, "dtype": "float32",
    }
    recipe = tmp_path / "multi.yml"
    recipe.write_text(yaml.safe_dump_all([first, second, last], sort_keys=False))
    program.succeed("merge", recipe, tmp_path / "ours")

    from mergekit.scripts.multimerge import main as mergekit_multi

    arguments = [str(recipe), "--intermediate-dir", str(tmp_path / "stages"), "--out-path",
                 str(tmp_path / "theirs"), "--no-write-model-card", "--no-copy-tokenizer"]
    mergekit_multi.main(args=arguments, standalone_mode=False)
    ours, theirs = (read_checkpoint(tmp_path / name) for name in ("ours", "theirs"))
    assert ours.keys() == theirs.keys()
    for name, wanted in theirs.items():
        error = np.abs(ours[name].astype(np.float64) - wanted)
        assert error.max() <= TOLERANCE * np.abs(wanted).max(), name
