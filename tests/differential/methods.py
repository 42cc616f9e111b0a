"""The methods that MergeKit has, with values of their parameters that are worth trying.

An entry is used as soon as `merganser methods` lists its name.
"""

import json
from dataclasses import dataclass, field

from support import program


@dataclass(frozen=True)
class Values:
    """What a parameter is set to. Lists over the layers may run between `choices`."""

    choices: tuple
    gradients: bool = True
    required: bool = False


@dataclass(frozen=True)
class Method:
    base: str  # as in `merganser methods --json`
    models: tuple = (1, 4)  # how many, besides the base where it is required
    per_model: dict = field(default_factory=dict)
    shared: dict = field(default_factory=dict)
    # It keeps some elements by their size. Of equal ones MergeKit keeps any, merganser the first.
    selects: bool = False
    # It compares softmaxes: of tiny or large numbers, or where a sum of few values is one of them,
    # all hangs on rounding, and either program may be right.
    delicate: bool = False


FLAG = Values((True, False))
WEIGHT = Values((1, 0.5, 0.3, 0.7, 0.25, 2, 0, -0.45), required=True)
DENSITY = Values((1, 0.5, 0.2, 0.01, 0, 0.9, 0.33))
# Of the random methods everything but the masks: with density 1 all is kept, with 0 nothing.
ALL_OR_NOTHING = Values((1, 1, 1, 0), gradients=False)
FAMILY = {
    "normalize": FLAG,
    "rescale": FLAG,
    "lambda": Values((1, 0.5, 1.7, 0, -1)),
    "int8_mask": FLAG,
}


def task_vectors(density=DENSITY, selects=False, **per_model):
    per_model = {"weight": WEIGHT, "density": density, **per_model}
    return Method("required", per_model=per_model, shared=FAMILY, selects=selects)


OUTLIERS = Values((0.01, 0, 0.1, 0.4))
METHODS = {
    "linear": Method("an ordinary input", per_model={"weight": WEIGHT}, shared={"normalize": FLAG}),
    "passthrough": Method(
        "an ordinary input", (1, 1), per_model={"scale": Values((1, 1.5, 0, -0.5))}
    ),
    "slerp": Method(
        "required", (1, 1), shared={"t": Values((0, 1, 0.5, 0.3, 0.75, 1.5, -0.25), required=True)}
    ),
    "task_arithmetic": task_vectors(),
    "ties": task_vectors(selects=True),
    "dare_ties": task_vectors(ALL_OR_NOTHING),
    "dare_linear": task_vectors(ALL_OR_NOTHING),
    "breadcrumbs": task_vectors(selects=True, gamma=OUTLIERS),
    "breadcrumbs_ties": task_vectors(selects=True, gamma=OUTLIERS),
    "della": task_vectors(ALL_OR_NOTHING, epsilon=Values((0.15, 0.05))),
    "della_linear": task_vectors(ALL_OR_NOTHING, epsilon=Values((0.15, 0.05))),
    "nuslerp": Method(
        "optional",
        (2, 2),
        per_model={"weight": WEIGHT},
        shared={"nuslerp_flatten": FLAG, "nuslerp_row_wise": FLAG},
    ),
    "multislerp": Method(
        "optional",
        per_model={"weight": WEIGHT},
        shared={"normalize_weights": FLAG, "eps": Values((1e-8, 1e-5))},
    ),
    "karcher": Method(
        "an ordinary input",
        shared={
            "max_iter": Values((10, 1, 3, 0), gradients=False),
            "tol": Values((1e-5, 1e-3, 1e-9)),
        },
    ),
    "nearswap": Method("required", (1, 1), shared={"t": Values((0.001, 0.05, 0.3, 0), required=True)}),
    "arcee_fusion": Method("required", (1, 1), delicate=True),
    "model_stock": Method("required", (2, 4), shared={"filter_wise": FLAG}),
    "sce": Method(
        "required",
        shared={"select_topk": Values((1, 0.5, 0.2, 0.01, 0)), "int8_mask": FLAG},
        selects=True,
    ),
    "ram": Method("required", shared={"epsilon": Values((1e-5, 0.01, 0.05))}),
    "ramplus_tl": Method(
        "required",
        shared={
            "r": Values((0.1, 0.5, 0)),
            "alpha": Values((0.2, 1)),
            "epsilon": Values((1e-5, 0.01, 0.05)),
        },
    ),
}


def listed():
    """The methods of the program under test that MergeKit has too, in the table's order."""
    known = {entry["name"] for entry in json.loads(program.succeed("methods", "--json"))["methods"]}
    return [name for name in METHODS if name in known]
