"""The merges: their recipes, and running merganser on them."""

import json
import math
import subprocess
import sys
from pathlib import Path


def candidates(methods, base, first, second):
    """{method: [(coefficients, recipe)]}: what validation chooses from.

    The three are checkpoint folders, as seen from the recipe's own. Every grid
    is small: the demo shows what a merge is worth, not how far it can be tuned.
    """
    both = [first, second]

    def tuned(method, lambdas, weights=(1.0, 1.0), **each):
        rows = []
        for scale in lambdas:
            shown = {"lambda": scale, **each}
            if weights != (1.0, 1.0):
                shown["weight"] = list(weights)
            rows.append((shown, {
                "merge_method": method, "base_model": base,
                "models": [{"model": name, "parameters": {"weight": weight, **each}}
                           for name, weight in zip(both, weights, strict=True)],
                "parameters": {"lambda": scale},
            }))
        return rows

    def plain(method, settings, models=both, origin=base, **top):
        """One candidate for each table of shared parameters; `top`: keys beside them."""
        rows = []
        for shared in settings:
            recipe = {"merge_method": method, **top}
            if origin is not None:
                recipe["base_model"] = origin
            recipe["models"] = [{"model": name} for name in models]
            if shared:
                recipe["parameters"] = shared
            rows.append((shared, recipe))
        return rows

    def lambdas(*scales, **more):
        return [{"lambda": scale, **more} for scale in scales]

    def alphas(*values):
        return [{"alpha": value} for value in values]

    grid = {
        "linear": [
            ({"weight": [share, round(1 - share, 2)]}, {
                "merge_method": "linear",
                "models": [{"model": first, "parameters": {"weight": share}},
                           {"model": second, "parameters": {"weight": round(1 - share, 2)}}],
            }) for share in (0.4, 0.5, 0.6)],
        "slerp": plain("slerp", [{"t": t} for t in (0.4, 0.5, 0.6)], [second], first),
        "nuslerp": plain("nuslerp", [{"weight": 1.0}]),
        "multislerp": plain("multislerp", [{"weight": 1.0}]),
        "karcher": plain("karcher", [{}], origin=None),
        "nearswap": plain("nearswap", [{"t": t} for t in (0.001, 0.01)], [second], first),
        "arcee_fusion": plain("arcee_fusion", [{}], [second], first),
        "model_stock": plain("model_stock", [{}, {"filter_wise": "true"}]),
        "geometric_median": plain("geometric_median", [{}], origin=None),
        "task_arithmetic": tuned("task_arithmetic", (0.6, 0.8, 1.0, 1.2))
        + tuned("task_arithmetic", (1.0, 1.2), weights=(1.0, 0.75)),
        "task_arithmetic, LiNeS": [
            ({"lines": [alpha, beta], **shown}, {**recipe, "lines": {"alpha": alpha, "beta": beta}})
            for alpha, beta in ((0.6, 0.6), (0.8, 0.4))
            for shown, recipe in tuned("task_arithmetic", (1.0, 1.2))],
        "ties": tuned("ties", (1.0, 1.4, 1.8), density=0.3)
        + tuned("ties", (1.0, 1.4, 1.8), density=0.7),
        "dare_linear": tuned("dare_linear", (0.8, 1.1), density=0.5)
        + tuned("dare_linear", (0.8, 1.1), density=0.9),
        "dare_ties": tuned("dare_ties", (0.8, 1.1), density=0.5)
        + tuned("dare_ties", (0.8, 1.1), density=0.9),
        "della": tuned("della", (1.0, 1.4), density=0.6),
        "della_linear": tuned("della_linear", (0.8, 1.1), density=0.6),
        "breadcrumbs": tuned("breadcrumbs", (0.8, 1.1), density=0.9),
        "breadcrumbs_ties": tuned("breadcrumbs_ties", (0.8, 1.1), density=0.9),
        "sce": plain("sce", [{}, {"select_topk": 0.5}]),
        "ram": plain("ram", [{}]),
        "ramplus_tl": plain("ramplus_tl", [{}]),
        "add_difference": plain("add_difference", alphas(0.8, 1.0)),
        "train_difference": plain("train_difference", alphas(0.6, 1.0)),
        "add_perpendicular": plain("add_perpendicular", alphas(0.8, 1.0)),
        "similarity_add_difference": plain("similarity_add_difference",
                                           [{"alpha": 1.0, "beta": 0.2}]),
        "euclidean_add_difference": plain("euclidean_add_difference", alphas(0.5)),
        "multiply_difference": plain("multiply_difference", [{"alpha": 0.5, "beta": 0.5}]),
        "smooth_add": plain("smooth_add", alphas(1.0)),
        "cosine": plain("cosine", alphas(0.0, 0.3), [second], first),
        "crossover": plain("crossover", [{"alpha": 0.5, "tilt": 1.0}], [second], first),
        "tensor_sum": plain("tensor_sum", [{"width": 0.5}], [second], first),
        "clamp": plain("clamp", [{}], [second, base], first),
        "rotate": plain("rotate", [{"alignment": 0.5, "alpha": 0.5}], [second], first),
        "isotropic": plain("isotropic", lambdas(1.0, 1.4)),
        "isotropic, CTS": plain("isotropic", lambdas(1.0, 1.4, mode="common_task")),
        "tsv": plain("tsv", lambdas(0.8, 1.1)),
        "wudi": plain("wudi", lambdas(1.0, iterations=100)),
        "knots": plain("knots", lambdas(1.0)),
        "core_space": plain("core_space", lambdas(1.0)),
        "svc": plain("svc", lambdas(0.6, 1.0)),
        "consensus": plain("consensus", lambdas(0.8, 1.0)),
        "emr": plain("emr", lambdas(0.8, 1.1)),
    }
    return {name: rows for name, rows in grid.items() if name.split(",")[0] in methods}


# SMILE's outputs are no candidates: mixtures, of so many times the base's parameters.
BUDGETS = (1.1, 1.5, 2.5)


def mixtures(methods, base, *models, budgets=BUDGETS, rests=("base", "average"), top=1):
    """{name: recipe} of SMILE by size, and by what becomes of the tensors without experts; top:
    experts that a token is sent to."""
    if "smile" not in methods:
        return {}
    return {
        f"smile {budget}x" + (f", rest: {rest}" if len(rests) > 1 else "")
        + (f", {top} experts" if top > 1 else ""): {
            "merge_method": "smile", "base_model": base,
            "models": [{"model": name} for name in models],
            "parameters": {"parameter_budget": budget, "rest": rest, "num_experts_per_tok": top},
        } for rest in rests for budget in budgets}


# Their outputs hold a mask for each task: materialise() makes the task's own checkpoint.
SWITCHED = ("consensus", "emr")


def materialise(program, merged, task, out):
    """One task's checkpoint from a task-switched output, in the folder `out`."""
    done = subprocess.run(
        [str(program), "materialise", str(merged), task, str(out), "--force", "--quiet"],
        capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"demo: error: merganser failed on {merged}: {done.stderr.strip()}")


def parameters(folder):
    """Stored parameters of a checkpoint in one file."""
    with open(Path(folder) / "model.safetensors", "rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    return sum(math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")


def describe(coefficients):
    """{"lambda": 0.7, "density": 0.5} -> "lambda 0.7, density 0.5" """
    def value(v):
        if isinstance(v, list):
            return "/".join(f"{part:g}" for part in v)
        return v if isinstance(v, str) else f"{v:g}"
    return ", ".join(f"{name} {value(v)}" for name, v in coefficients.items())


def write(recipe, file):
    Path(file).write_text("\n".join(_yaml({**recipe, "dtype": "float32"})) + "\n")


def run(program, recipe, file, out):
    """Writes `recipe` to `file`, merges into the folder `out`, returns the cost."""
    write(recipe, file)
    command = [str(program), "merge", str(file), str(out), "--force", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-S", str(Path(__file__).with_name("measure.py")), *command],
        capture_output=True, text=True)
    cost = json.loads(done.stdout) if done.returncode == 0 else {"status": done.returncode}
    if cost["status"] != 0:
        said = done.stderr.strip().splitlines() or ["(it said nothing)"]
        raise SystemExit(f"demo: error: merganser failed on {file}: {said[-1]}")
    return cost


def _yaml(mapping):
    """The lines of a recipe; enough of YAML to spare the demo a package."""
    for name, value in mapping.items():
        if isinstance(value, dict):
            yield f"{name}:"
            yield from ("  " + line for line in _yaml(value))
        elif isinstance(value, list):
            yield f"{name}:"
            for item in value:
                first, *rest = _yaml(item)
                yield "  - " + first
                yield from ("    " + line for line in rest)
        else:
            yield f"{name}: {value}"
