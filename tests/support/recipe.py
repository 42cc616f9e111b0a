"""Recipes as Python values, written as YAML."""

import yaml


def write_recipe(path, recipe):
    """`recipe`: the text itself, or a dict."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = recipe if isinstance(recipe, str) else yaml.safe_dump(recipe, sort_keys=False)
    path.write_text(text)
    return path


def models(*paths, **per_input):
    """The list under `models:`; per_input: a list of values, one for each model (None: unset)."""
    entries = []
    for i, path in enumerate(paths):
        entry = {"model": str(path)}
        parameters = {k: v[i] for k, v in per_input.items() if v[i] is not None}
        if parameters:
            entry["parameters"] = parameters
        entries.append(entry)
    return entries
