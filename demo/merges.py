"""The merges: their recipes, and running merganser on them."""

import json
import subprocess
import sys
from pathlib import Path


def candidates(base, first, second):
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

    return {
        "linear": [
            ({"weight": [share, round(1 - share, 2)]}, {
                "merge_method": "linear",
                "models": [{"model": first, "parameters": {"weight": share}},
                           {"model": second, "parameters": {"weight": round(1 - share, 2)}}],
            }) for share in (0.4, 0.5, 0.6)],
        "slerp": [
            ({"t": t}, {
                "merge_method": "slerp", "base_model": first,
                "models": [{"model": name} for name in both],
                "parameters": {"t": t},
            }) for t in (0.4, 0.5, 0.6)],
        "task_arithmetic": tuned("task_arithmetic", (0.6, 0.8, 1.0, 1.2))
        + tuned("task_arithmetic", (1.0, 1.2), weights=(1.0, 0.75)),
        "ties": tuned("ties", (1.0, 1.4, 1.8), density=0.3)
        + tuned("ties", (1.0, 1.4, 1.8), density=0.7),
        "dare_linear": tuned("dare_linear", (0.8, 1.1), density=0.5)
        + tuned("dare_linear", (0.8, 1.1), density=0.9),
        "dare_ties": tuned("dare_ties", (0.8, 1.1), density=0.5)
        + tuned("dare_ties", (0.8, 1.1), density=0.9),
    }


def describe(coefficients):
    """{"lambda": 0.7, "density": 0.5} -> "lambda 0.7, density 0.5" """
    def value(v):
        return "/".join(f"{part:g}" for part in v) if isinstance(v, list) else f"{v:g}"
    return ", ".join(f"{name} {value(v)}" for name, v in coefficients.items())


def run(program, recipe, file, out):
    """Writes `recipe` to `file`, merges into the folder `out`, returns the cost."""
    Path(file).write_text("\n".join(_yaml({**recipe, "dtype": "float32"})) + "\n")
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
