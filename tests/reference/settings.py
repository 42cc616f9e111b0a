"""MergeKit's settings: gradients over layers and substring filters."""


def gradient(values, t):
    """Linear interpolation of a list of numbers at t in [0, 1]."""
    if not isinstance(values, list):
        return values
    position = t * (len(values) - 1)
    i = int(position)
    share = position - i
    return (1 - share) * values[i] + share * values[min(i + 1, len(values) - 1)]


def conditional(cases, name, t):
    """The first case whose filter is part of the name."""
    for case in cases:
        if case.get("filter", "*") == "*" or case["filter"] in name:
            return gradient(case["value"], t)
    return None


def layer_of(name):
    """The layer's number in a Llama tensor's name, or None."""
    parts = name.split(".")
    return int(parts[2]) if parts[:2] == ["model", "layers"] else None


def position(name, layers):
    """t of a tensor; 0 outside the layers, 1 for the only layer of a slice."""
    layer = layer_of(name)
    if layer is None:
        return 0.0
    return 1.0 if layers == 1 else layer / (layers - 1)
