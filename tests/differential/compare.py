"""A case through both programs: what differs, if anything does.

In f32 the programs round in different places, so numbers may differ by more than a last digit where
a recipe subtracts nearly equal numbers, and an element whose size lies within rounding of a
threshold may be kept by one program and dropped by the other. Neither says that a rule differs. So
a case whose numbers are apart is run a second time with all inputs widened to f64: then the
programs must agree closely, and the f32 outputs must be as near the f64 ones as MergeKit's own are.
"""

import contextlib
import json
import logging
import os
import re
import shutil
import warnings
from typing import NamedTuple, Optional

import numpy as np

from differential import checkpoints
from support import mergekit, program
from support.checkpoint import read_checkpoint
from support.recipe import write_recipe

TOLERANCE = 1e-6  # of a tensor's largest magnitude, in f32
IN_F64 = 1e-9  # in f64 the same: roundings of 1e-16, times what a recipe may cancel
MORE_THAN_MERGEKIT = 8  # merganser's f32 error may be this many times MergeKit's
SELECTION = 0.01  # share of a tensor's elements that f32 may select otherwise, and one more


class Outcome(NamedTuple):
    tensors: Optional[dict] = None
    layers: Optional[int] = None
    error: str = ""


class Difference(NamedTuple):
    kind: str  # while a case is shrunk it has to stay the same
    text: str


# Recipes that one program refuses and the other merges, on purpose: docs/mergekit_compatibility.md.
# What MergeKit does with the first kind is told apart: it must have written no number.
WEIGHTS_THAT_SUM_TO_ZERO = "the weights sum to"
LAYER_TYPES_OF_A_STACK = "validate_layer_type"  # MergeKit leaves them as they were


def with_paths(value, paths):
    """The recipe with the models' paths in place of their names."""
    if isinstance(value, dict):
        return {
            key: paths.get(item, item)
            if key in ("model", "base_model", "path") and isinstance(item, str)
            else with_paths(item, paths)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [with_paths(item, paths) for item in value]
    return value


def layers_of(folder):
    config = folder / "config.json"
    fields = json.loads(config.read_text()) if config.exists() else {}
    return fields.get("num_hidden_layers", fields.get("n_layer"))


def run_merganser(case, recipe, folder):
    out = folder / ("ours.safetensors" if checkpoints.is_files(case) else "ours")
    path = write_recipe(folder / "recipe.yml", recipe)
    flags = ("--force", "--quiet", "--no-sync", "--hash", "none", "--threads", "1")
    outcome = program.run("merge", path, out, *flags)
    if outcome.code == 2:
        return Outcome(error=outcome.err.strip().splitlines()[-1])
    assert outcome.code == 0, f"exit {outcome.code}: {outcome.err}"
    return Outcome(read_checkpoint(out), layers_of(out))


def run_mergekit(case, recipe, folder):
    out = folder / "theirs"
    run = mergekit.merge_files if checkpoints.is_files(case) else mergekit.merge
    logging.disable(logging.CRITICAL)  # of the models that it infers
    try:
        with warnings.catch_warnings(), open(os.devnull, "w") as nowhere:
            warnings.simplefilter("ignore")
            with contextlib.redirect_stderr(nowhere):  # mergekit-pytorch has no quiet option
                tensors = run(recipe, out)
        return Outcome(tensors, layers_of(out))
    except Exception as error:  # whatever it raises is its way to refuse
        return Outcome(error=f"{type(error).__name__}: {error}".splitlines()[0])
    finally:
        logging.disable(logging.NOTSET)


def run_both(case, folder, widened=False, **types):
    """Runs a case; types: dtype and out_dtype instead of those of its recipe."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    paths = {
        model: str(checkpoints.write(case, model, folder, widened)) for model in case["models"]
    }
    recipe = with_paths(case["recipe"], paths)
    if types:
        kept = {key: value for key, value in recipe.items() if key not in ("dtype", "out_dtype")}
        recipe = {**kept, **types}
    try:
        return run_merganser(case, recipe, folder), run_mergekit(case, recipe, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def difference(case, folder):
    """What differs between the programs, or None."""
    ours, theirs = run_both(case, folder / "pair")
    if ours.error or theirs.error:
        return of_refusals(case, ours, theirs)
    found = of_form(ours, theirs) or of_layers(case, ours, theirs)
    if found:
        return found
    if is_a_tie(case):
        return of_equal_magnitudes(case, ours, theirs)
    apart = of_numbers(ours.tensors, theirs.tensors)
    if not apart:
        return None
    exact = run_both(case, folder / "pair", widened=True, dtype="float64")
    if exact[0].error or exact[1].error:
        return of_refusals(case, *exact) or apart
    again = of_numbers(exact[0].tensors, exact[1].tensors, IN_F64)
    if again:
        return again
    # In f32 on both sides, whatever the recipe says.
    ours, theirs = run_both(case, folder / "pair", dtype="float32")
    for name, answer in exact[1].tensors.items():
        if not as_near(answer, ours.tensors[name], theirs.tensors[name]):
            return apart._replace(kind="f32", text=f"only in f32: {apart.text}")
    return None


def of_refusals(case, ours, theirs):
    if ours.error and theirs.error:
        return None
    if ours.error:
        if WEIGHTS_THAT_SUM_TO_ZERO in ours.error and not all(map(is_finite, theirs.tensors.values())):
            return None
        return Difference("only merganser refuses " + essence(ours.error), ours.error)
    if LAYER_TYPES_OF_A_STACK in theirs.error or has_empty_tensors(case):
        return None
    return Difference("only MergeKit refuses " + essence(theirs.error), theirs.error)


def is_finite(array):
    return np.isfinite(array.astype(np.float64)).all()


def has_empty_tensors(case):
    return any(0 in shape for shape in case["checkpoint"].get("tensors", {}).values())


def essence(error):
    """An error without what depends on the case: paths, names, numbers."""
    return re.sub(r"\S*/\S*|'[^']*'|\S*\.\S+|\d+", "_", error)[:60]


def of_form(ours, theirs):
    a, b = ours.tensors, theirs.tensors
    if sorted(a) != sorted(b):
        return Difference(
            "names", f"only merganser: {sorted(a.keys() - b)}, only MergeKit: {sorted(b.keys() - a)}"
        )
    for name in a:
        one, other = (f"{x.dtype} {x.shape}" for x in (a[name], b[name]))
        if one != other:
            return Difference("form", f"{name}: {one}, MergeKit: {other}")
    return None


def of_layers(case, ours, theirs):
    # MergeKit does not know the config's field of an architecture that it infers.
    if ours.layers != theirs.layers and case["checkpoint"].get("family") != "gptj":
        return Difference("layers", f"config: {ours.layers} layers, MergeKit: {theirs.layers}")
    return None


def allowed(theirs, tolerance):
    error = tolerance * np.max(np.abs(theirs.astype(np.float64)), initial=0)
    # In a narrow type a number on the boundary between two may become either.
    return error + checkpoints.spacing(theirs) if theirs.itemsize < 4 else error


def of_numbers(ours, theirs, tolerance=TOLERANCE):
    for name in sorted(theirs):
        a, b = ours[name].astype(np.float64), theirs[name].astype(np.float64)
        with np.errstate(invalid="ignore"):
            wrong = ~(np.abs(a - b) <= allowed(theirs[name], tolerance))
        if wrong.any():
            worst = int(np.argmax(np.where(wrong, np.abs(a - b), -1)))
            return Difference(
                "numbers",
                f"{name} {list(a.shape)}: {int(wrong.sum())} of {a.size} elements, the worst at "
                f"{worst}: {float(a.flat[worst])}, MergeKit: {float(b.flat[worst])}",
            )
    return None


def as_near(answer, ours, theirs):
    """Is merganser's f32 result as near the f64 answer as MergeKit's?"""
    ours, error = np.abs(ours - answer), np.abs(theirs - answer)
    limit = allowed(theirs, TOLERANCE) + MORE_THAN_MERGEKIT * np.max(error, initial=0)
    return np.sum(~(ours <= limit)) <= 1 + SELECTION * answer.size


def is_a_tie(case):
    from differential.methods import METHODS

    selects = METHODS[case["recipe"]["merge_method"]].selects
    return selects and "grid" in case["checkpoint"]


def of_equal_magnitudes(case, ours, theirs):
    """Which of equal entries are kept is each program's own choice; how many and how large is not."""
    base = case["recipe"]["base_model"]
    _, before = checkpoints.tensors_of(case, base)
    for name, start in before.items():
        if name not in theirs.tensors:
            continue
        moved = [
            np.sort(np.abs(side.tensors[name].astype(np.float64) - start).ravel())
            for side in (ours, theirs)
        ]
        scale = np.max(np.abs(start), initial=0)
        if np.max(np.abs(moved[0] - moved[1]), initial=0) > TOLERANCE * scale:
            kept = [int(np.count_nonzero(x)) for x in moved]
            return Difference("kept", f"{name}: {kept[0]} entries moved, MergeKit: {kept[1]}")
    return None
