"""Recipes over the three stories260k checkpoints, one for each rule that a merge may get wrong."""

from support.recipe import models

LAYERS = 5
T_GRADIENTS = [
    {"filter": "self_attn", "value": [0, 0.5, 0.3, 0.7, 1]},
    {"filter": "mlp", "value": [1, 0.5, 0.7, 0.3, 0]},
    {"value": 0.5},
]


def part(model, first, last, **parameters):
    """One source of a slice."""
    source = {"model": str(model), "layer_range": [first, last]}
    return {**source, "parameters": parameters} if parameters else source


def all_recipes(stories):
    b, s, i = (str(stories / name) for name in ("base", "shakespeare", "inaugural"))
    return {
        **linear(b, s, i),
        **slerp(b, s, i),
        **task_arithmetic(b, s, i),
        **ties(b, s, i),
        **dare(b, s, i),
        **outliers(b, s, i),
        **della(b, s, i),
        **passthrough(b, s, i),
        **vectors(b, s, i),
        **changes(b, s, i),
        **forms(b, s, i),
    }


def linear(b, s, i):
    of = lambda **more: {"merge_method": "linear", **more}
    return {
        "linear": of(models=models(s, i, weight=[0.7, 0.3])),
        "linear of three": of(models=models(b, s, i, weight=[0.2, 0.5, 0.9])),
        "linear, global weight": of(models=models(s, i), parameters={"weight": 1.0}),
        "linear, not normalised": of(
            models=models(s, i, weight=[0.7, 0.6]), parameters={"normalize": False}
        ),
        "linear, negative": of(models=models(b, s, i, weight=[1.0, -0.4, 0.8])),
        "linear, unlisted base": of(
            models=models(s, i, weight=[0.7, 0.6]), base_model=b, parameters={"weight": 0.3}
        ),
        "linear, listed base": of(models=models(s, b, weight=[0.7, 0.6]), base_model=b),
        "linear, gradient": of(models=models(s, i, weight=[[1.0, 0.2], [0.1, 0.9, 0.4]])),
        "linear, filters": of(
            models=models(
                s,
                i,
                weight=[
                    [{"filter": "mlp", "value": 0.8}, {"filter": "attn.q", "value": [0, 1]},
                     {"value": 0.4}],
                    {"filter": "norm", "value": 0.9},
                ],
            ),
            parameters={"weight": 0.5},
        ),
    }


def slerp(b, s, i):
    of = lambda **more: {"merge_method": "slerp", **more}
    return {
        "slerp": of(models=models(s, i), base_model=s, parameters={"t": 0.4}),
        "slerp, base listed last": of(models=models(s, i), base_model=i, parameters={"t": 0.2}),
        "slerp, base unlisted": of(models=models(s), base_model=b, parameters={"t": 0.7}),
        "slerp, gradient": of(models=models(s, i), base_model=s, parameters={"t": [0, 1, 0.5]}),
        # The form of the best-known slerp recipe: one slice, t by filter and layer.
        "slerp, gradients by filter": of(
            slices=[{"sources": [part(s, 0, LAYERS), part(i, 0, LAYERS)]}],
            base_model=s,
            parameters={"t": T_GRADIENTS},
        ),
    }


def task_arithmetic(b, s, i):
    of = lambda **more: {"merge_method": "task_arithmetic", "base_model": b, **more}
    return {
        "task arithmetic": of(models=models(s, i, weight=[0.6, 0.4])),
        "task arithmetic, base listed": of(models=models(b, s, i, weight=[None, 0.6, 0.4])),
        "task arithmetic, forgetting": of(models=models(s, weight=[-0.8])),
        "task arithmetic, normalised": of(
            models=models(s, i, weight=[0.6, 0.9]), parameters={"normalize": True}
        ),
        "task arithmetic, lambda": of(
            models=models(s, i, weight=[0.6, 0.9]), parameters={"lambda": 0.3}
        ),
        "task arithmetic, gradients": of(
            models=models(s, i, weight=[[0, 1], [1, -0.5, 0.25]]), parameters={"lambda": [0.5, 1]}
        ),
        # The single layer of a slice stands at t = 1, and position restarts in each slice.
        "task arithmetic, one-layer slices": of(
            slices=[
                {"sources": [part(b, 0, 1), part(s, 0, 1, weight=[0.1, 0.9])]},
                {"sources": [part(b, 1, 5), part(s, 1, 5, weight=[0.1, 0.9])]},
            ]
        ),
    }


def ties(b, s, i):
    of = lambda **more: {"merge_method": "ties", "base_model": b, **more}
    both = lambda **more: models(s, i, **more)
    return {
        "ties": of(models=both(weight=[0.6, 0.4], density=[0.5, 0.3])),
        "ties, base listed": of(models=models(b, s, i, weight=[None, 0.6, 0.4]),
                                parameters={"density": 0.2}),
        "ties, density 1": of(models=both(weight=[1.0, 1.0])),
        "ties, density 0": of(models=both(weight=[1.0, 1.0], density=[0.0, 0.4])),
        "ties, density small": of(models=both(weight=[1.0, 1.0], density=[0.001, 0.02])),
        "ties, not normalised": of(
            models=both(weight=[0.6, 0.4], density=[0.5, 0.3]), parameters={"normalize": False}
        ),
        "ties, lambda": of(
            models=both(weight=[0.6, 0.4], density=[0.5, 0.3]), parameters={"lambda": 1.7}
        ),
        "ties, rescaled": of(
            models=both(weight=[0.6, 0.4], density=[0.5, 0.3]), parameters={"rescale": True}
        ),
        "ties, negative": of(models=both(weight=[0.9, -0.4], density=[0.5, 0.3])),
        "ties, gradients": of(
            models=both(weight=[1.0, [0.2, 0.8]], density=[[1, 0.6, 0.1], 0.4])
        ),
        "ties, filters": of(
            models=both(weight=[1.0, 0.5]),
            parameters={"density": [{"filter": "mlp", "value": [0.9, 0.1]}, {"value": 0.3}]},
        ),
    }


def dare(b, s, i):
    whole = {"parameters": {"density": 1.0, "lambda": 0.9}}
    listed = {"models": models(s, i, weight=[0.6, -0.3]), "base_model": b}
    return {
        "dare_linear, density 1": {"merge_method": "dare_linear", **listed, **whole},
        "dare_ties, density 1": {"merge_method": "dare_ties", **listed, **whole},
        "dare_ties, normalised": {
            "merge_method": "dare_ties", **listed, "parameters": {"density": 1, "normalize": True}
        },
        "dare_linear, density 0": {
            "merge_method": "dare_linear", **listed, "parameters": {"density": 0}
        },
    }


def outliers(b, s, i):
    """Breadcrumbs: both tails of the magnitudes are dropped."""
    of = lambda method, **more: {"merge_method": method, "base_model": b, **more}
    both = models(s, i, weight=[0.6, -0.3], density=[0.9, 0.4], gamma=[0.02, 0.1])
    return {
        "breadcrumbs": of("breadcrumbs", models=both),
        "breadcrumbs, default gamma": of(
            "breadcrumbs", models=models(s, weight=[1.0]), parameters={"density": 0.5}
        ),
        "breadcrumbs, density 1": of(
            "breadcrumbs", models=models(s, i, weight=[0.6, 0.4]), parameters={"gamma": 0.3}
        ),
        "breadcrumbs, density before gamma": of(
            "breadcrumbs", models=models(s, weight=[1.0]),
            parameters={"density": 0.8, "gamma": 0.5},
        ),
        "breadcrumbs, density small": of(
            "breadcrumbs", models=models(s, weight=[1.0]),
            parameters={"density": 0.01, "gamma": 0.01},
        ),
        "breadcrumbs, normalised": of(
            "breadcrumbs", models=models(s, i, weight=[0.6, 0.9]),
            parameters={"density": 0.5, "normalize": True, "lambda": 0.7},
        ),
        "breadcrumbs, rescaled": of("breadcrumbs", models=both, parameters={"rescale": True}),
        "breadcrumbs, gradients": of(
            "breadcrumbs", models=models(s, i, weight=[1.0, 0.5]),
            parameters={"density": [1, 0.6, 0.1], "gamma": [{"filter": "mlp", "value": [0, 0.2]},
                                                            {"value": 0.05}]},
        ),
        "breadcrumbs_ties": of("breadcrumbs_ties", models=both),
        "breadcrumbs_ties, normalised": of(
            "breadcrumbs_ties", models=both, parameters={"normalize": True, "lambda": 1.4}
        ),
        "breadcrumbs_ties, rescaled": of(
            "breadcrumbs_ties", models=both, parameters={"rescale": True}
        ),
    }


def della(b, s, i):
    """Where nothing is left to chance; test_della.py has the rest."""
    whole = {"parameters": {"density": 1.0, "lambda": 0.9}}
    listed = {"models": models(s, i, weight=[0.6, -0.3]), "base_model": b}
    return {
        "della, density 1": {"merge_method": "della", **listed, **whole},
        "della_linear, density 1": {"merge_method": "della_linear", **listed, **whole},
        "della, not normalised": {
            "merge_method": "della", **listed, "parameters": {"density": 1, "normalize": False}
        },
        "della_linear, normalised": {
            "merge_method": "della_linear", **listed,
            "parameters": {"density": 1, "normalize": True},
        },
        "della, density 0": {"merge_method": "della", **listed, "parameters": {"density": 0}},
    }


def passthrough(b, s, i):
    of = lambda **more: {"merge_method": "passthrough", **more}
    return {
        "passthrough": of(models=models(s)),
        "passthrough, scale": of(models=models(s), parameters={"scale": 1.5}),
        "frankenmerge": of(
            slices=[
                {"sources": [part(s, 0, 3)]},
                {"sources": [part(i, 1, 4)]},
                {"sources": [part(s, 3, 5)]},
            ]
        ),
        "frankenmerge, damped repeats": of(
            slices=[
                {"sources": [part(s, 0, 4)]},
                {
                    "sources": [
                        part(
                            s, 2, 5,
                            scale=[
                                {"filter": "o_proj", "value": 0.0},
                                {"filter": "down_proj", "value": [0.0, 0.5]},
                                {"value": 1.0},
                            ],
                        )
                    ]
                },
            ]
        ),
    }


def vectors(b, s, i):
    """Methods that take lengths and angles of whole tensors or rows."""
    of = lambda method, **more: {"merge_method": method, **more}
    both = lambda **more: models(s, i, **more)
    return {
        "model_stock": of("model_stock", models=both(), base_model=b),
        "model_stock, base listed": of("model_stock", models=models(i, b, s), base_model=b),
        "model_stock, by rows": of(
            "model_stock", models=both(), base_model=b, parameters={"filter_wise": True}
        ),
        "model_stock, rows by filter": of(
            "model_stock",
            models=both(),
            base_model=b,
            parameters={"filter_wise": [{"filter": "mlp", "value": True}, {"value": False}]},
        ),
        "karcher": of("karcher", models=both()),
        "karcher of three, base listed": of("karcher", models=models(b, s, i), base_model=b),
        "karcher, unlisted base": of("karcher", models=both(), base_model=b),
        "karcher, no step": of("karcher", models=models(b, s, i), parameters={"max_iter": 0}),
        "multislerp": of("multislerp", models=both(weight=[0.6, 0.4])),
        "multislerp of three": of("multislerp", models=models(b, s, i, weight=[0.2, 0.5, 0.9])),
        "multislerp, base": of("multislerp", models=both(weight=[0.6, 0.9]), base_model=b),
        "multislerp, base listed": of(
            "multislerp", models=models(i, b, s, weight=[0.6, None, 0.9]), base_model=b
        ),
        "multislerp, not normalised": of(
            "multislerp",
            models=both(weight=[0.6, 0.9]),
            base_model=b,
            parameters={"normalize_weights": False, "eps": 1e-3},
        ),
        "nuslerp": of("nuslerp", models=both(weight=[0.6, 0.9])),
        "nuslerp, base": of("nuslerp", models=both(weight=[0.6, 0.9]), base_model=b),
        "nuslerp, rows": of(
            "nuslerp", models=both(weight=[0.6, 0.9]), parameters={"nuslerp_flatten": False}
        ),
        "nuslerp, base, rows": of(
            "nuslerp",
            models=both(weight=[[0.6, 0.1], 0.9]),
            base_model=b,
            parameters={"nuslerp_flatten": False},
        ),
        "nuslerp, columns": of(
            "nuslerp",
            models=both(weight=[0.6, 0.9]),
            parameters={"nuslerp_flatten": False, "nuslerp_row_wise": True},
        ),
        "nuslerp, base, columns": of(
            "nuslerp",
            models=both(weight=[0.6, 0.9]),
            base_model=b,
            parameters={"nuslerp_flatten": False, "nuslerp_row_wise": True},
        ),
    }


def changes(b, s, i):
    """Methods that judge each change from the base: by distance, variance, overlap, importance."""
    of = lambda method, models, **more: {
        "merge_method": method, "models": models, "base_model": b, "parameters": more
    }
    both = models(s, i)
    return {
        "nearswap": of("nearswap", models(s), t=0.01),
        "nearswap, base listed": of("nearswap", models(s, b), t=[0.001, 0.1]),
        "sce": of("sce", both),
        "sce, selected": of("sce", both, select_topk=0.3),
        "sce, nearly all": of("sce", models(b, s, i), select_topk=0.95, int8_mask=True),
        "sce, one model": of("sce", models(s)),
        "sce, one model selected": of("sce", models(s), select_topk=0.5),
        "ram": of("ram", both),
        "ram, most left out": of("ram", models(i, b, s), epsilon=0.05),
        "ram, one model": of("ram", models(s), epsilon=0.01),
        "arcee_fusion": of("arcee_fusion", models(s)),
        "arcee_fusion, base listed": of("arcee_fusion", models(i, b)),
        "ramplus_tl": of("ramplus_tl", both),
        "ramplus_tl, all": of("ramplus_tl", both, r=0.7, alpha=100, epsilon=0.03),
    }


def forms(b, s, i):
    """Ways to write a recipe rather than methods."""
    return {
        "slices with their own parameters": {
            "merge_method": "linear",
            "slices": [
                {
                    "sources": [part(s, 0, 2, weight=0.9), part(i, 0, 2, weight=[0.2, 0.6])],
                },
                {
                    "sources": [part(s, 2, 5), part(i, 1, 4, weight=0.3)],
                    "parameters": {"weight": 0.8, "normalize": False},
                },
            ],
        },
        "a base of the slice": {
            "merge_method": "slerp",
            "base_model": s,
            "slices": [
                {"sources": [part(s, 0, 2), part(i, 0, 2)], "parameters": {"t": 0.3}},
                {"sources": [part(b, 2, 5), part(s, 2, 5)], "base_model": b},
            ],
            "parameters": {"t": 0.6},
        },
        "modules": {
            "merge_method": "linear",
            "modules": {
                "default": {"models": models(s, i, weight=[0.7, 0.2]),
                            "parameters": {"normalize": False}}
            },
        },
        "modules of slices": {
            "merge_method": "passthrough",
            "modules": {
                "default": {
                    "slices": [{"sources": [part(s, 0, 2)]}, {"sources": [part(i, 1, 3)]}]
                }
            },
        },
        "a model as a mapping": {
            "merge_method": "linear",
            "models": [
                {"model": {"model": {"path": s}}, "parameters": {"weight": 0.25}},
                # YAML 1.1 reads a bare 1e-1 as text, and so does this writer write it.
                {"model": {"model": {"path": i}}, "parameters": {"weight": "1e-1"}},
            ],
        },
    }
