"""What MergeKit refuses is refused, and what it merges is merged, but for the listed differences.

Each of those stands in docs/mergekit_compatibility.md. What an error says is tested in e2e.
"""

import copy

import pytest

from differential.compare import run_both

LLAMA = {"family": "llama", "layers": 3, "heads": 2, "kv_heads": 1, "head_dim": 4, "wide": 5,
         "vocab": 9, "seed": 1}  # fmt: skip
MODELS = {
    "a": {},
    "b": {"delta": 0.05, "seed": 1},
    "c": {"delta": 0.05, "seed": 2},
    "short": {"delta": 0.05, "seed": 3, "layers": 2},
}


def models(*names, **parameters):
    listed = [{"model": name} for name in names]
    return [{**entry, "parameters": parameters} for entry in listed] if parameters else listed


def sources(*names, first=0, last=2):
    return [{"model": name, "layer_range": [first, last]} for name in names]


def linear(**more):
    return {"merge_method": "linear", "models": models("a", "b", weight=1), **more}


def ties(**more):
    return {"merge_method": "ties", "base_model": "a", "models": models("b", "c"),
            "parameters": {"weight": 1}, **more}  # fmt: skip


def slerp(**more):
    return {"merge_method": "slerp", "base_model": "a", "models": models("a", "b"),
            "parameters": {"t": 0.5}, **more}  # fmt: skip


def stack(*slices, method="passthrough", **more):
    return {"merge_method": method, "slices": [{"sources": s} for s in slices], **more}


def without(recipe, key):
    return {k: v for k, v in recipe.items() if k != key}


def gradient(value, tensor="mlp"):
    return [{"filter": tensor, "value": value}]


# For each recipe who refuses it.
BOTH = {
    "an unknown method": linear(merge_method="liner"),
    "no models": {"merge_method": "linear"},
    "models and slices": linear(slices=[{"sources": sources("a")}]),
    "an empty list of models": linear(models=[]),
    "one model twice": linear(models=models("a", "b", "a", weight=1)),
    "one model twice in a slice": stack(sources("a", "a"), method="linear",
                                        parameters={"weight": 1}),
    "a model that is not there": linear(models=models("a", "nowhere", weight=1)),
    "models of unequal depth": linear(models=models("a", "short", weight=1)),
    "a base of another depth": ties(base_model="short"),
    "slices of unequal length": stack([*sources("a"), *sources("b", last=3)], method="linear",
                                      parameters={"weight": 1}),
    "layers beyond the model": stack(sources("a", first=2, last=4)),
    "linear without weights": linear(models=models("a", "b")),
    "linear, one weight for some tensors only": linear(models=models("a", "b", weight=gradient(1))),
    "linear, an unlisted base without a weight": linear(base_model="c"),
    "ties without weights": without(ties(), "parameters"),
    "ties without a base": without(ties(), "base_model"),
    "slerp without a base": without(slerp(), "base_model"),
    "slerp without t": without(slerp(), "parameters"),
    "slerp of three": slerp(models=models("a", "b", "c")),
    "slerp of the base alone": slerp(models=models("a")),
    "slerp, t under a model": slerp(parameters={}, models=models("a", "b", t=0.5)),
    "passthrough of two": stack(sources("a", "b")),
    "passthrough beside an unlisted base": {"merge_method": "passthrough", "base_model": "a",
                                            "models": models("b")},
    "a word for a number": linear(models=models("a", "b", weight="half")),
    "a number for a flag": linear(parameters={"normalize": 0.5}),
    "a word in a gradient": linear(models=models("a", "b", weight=[0, "half"])),
    "an unknown dtype": linear(dtype="float17"),
    "an unknown out_dtype": linear(out_dtype="float17"),
    "tokenizer and tokenizer_source": linear(tokenizer_source="base", tokenizer={"source": "base"},
                                             base_model="a"),
    "an unknown module": linear(models=None, modules={"decoder": {"models": models("a")}}),
    "a module without models": linear(models=None, modules={"default": {"parameters": {}}}),
}  # fmt: skip
MERGANSER = {
    "an unknown key": linear(normalise=True),
    "an unknown key of a source": linear(models=[{"model": "a", "weight": 1}, *models("b")],
                                         parameters={"weight": 1}),
    "an unknown parameter": linear(parameters={"wieght": 1}),
    "a shared parameter under a model": ties(models=models("b", "c", **{"lambda": 0.5})),
    "a density above 1": ties(parameters={"weight": 1, "density": 1.5}),
    "a density below 0": ties(parameters={"weight": 1, "density": -0.5}),
    "weights that sum to zero": linear(models=[*models("a", weight=1), *models("b", weight=-1)]),
    "a weight that is no number": linear(models=models("a", "b", weight=float("nan"))),
    "an infinite weight": linear(models=models("a", "b", weight=float("inf"))),
    "an infinite lambda": ties(parameters={"weight": 1, "lambda": float("inf")}),
    "dtype int64": {"merge_method": "passthrough", "models": models("a"), "dtype": "int64"},
    "a slice without layers": stack(sources("a"), sources("a", first=1, last=1)),
    "a slice that ends before it begins": stack(sources("a"), sources("a", first=2, last=1)),
    "a chat template that is none": linear(chat_template="nonsense"),
    "a recipe of task vectors without any": ties(models=models("a")),
}  # fmt: skip
MERGEKIT = {
    "an unlisted base in slices": stack(sources("b", "c"), method="ties", base_model="a",
                                        parameters={"weight": 1}),
    "a source without layers": {"merge_method": "passthrough",
                                "slices": [{"sources": models("a")}]},
    "filters that are patterns": linear(models=models("a", "b", weight=[
        {"filter": {"glob": "*.mlp.*"}, "value": 1}, {"value": 0.5}])),
    "settings by blocks": linear(models=models("a", "b", weight={"blocks": {"0-1": 1,
                                                                            "default": 0.5}})),
}  # fmt: skip
NEITHER = {
    "a frankenmerge that names a base": stack(sources("b"), sources("b"), base_model="a"),
    "a base among the models": ties(models=models("b", "a")),
    "one model": linear(models=models("a", weight=2)),
    "a slice's own base": stack(sources("b", "c"), method="slerp", parameters={"t": 0.5},
                                base_model="b"),
    "residual_weight": {**stack(sources("a")), "slices": [{"sources": sources("a"),
                                                           "residual_weight": 0.5}]},
    "an empty list as no value": linear(models=models("a", "b", weight=[]),
                                        parameters={"weight": 1}),
    "a number in quotes": linear(models=models("a", "b", weight="1e-1")),
    "int8_mask": ties(parameters={"weight": 1, "int8_mask": True}),
}  # fmt: skip

TABLE = [
    pytest.param(recipe, refusers, id=name)
    for recipes, refusers in [
        (BOTH, {"merganser", "MergeKit"}),
        (MERGANSER, {"merganser"}),
        (MERGEKIT, {"MergeKit"}),
        (NEITHER, set()),
    ]
    for name, recipe in recipes.items()
]


@pytest.mark.parametrize("recipe, refusers", TABLE)
def test_who_refuses(merganser, tmp_path, recipe, refusers):
    recipe = {key: value for key, value in copy.deepcopy(recipe).items() if value is not None}
    case = {"checkpoint": LLAMA, "models": MODELS, "recipe": recipe}
    ours, theirs = run_both(case, tmp_path / "pair")
    errors = {"merganser": ours.error, "MergeKit": theirs.error}
    assert {name for name, error in errors.items() if error} == refusers, errors
