"""Makes a case that differs as small as it can be while it still differs in the same way."""

import copy
import time

from differential import checkpoints
from differential.compare import difference

PLAIN = {"heads": 1, "kv_heads": 1, "head_dim": 4, "wide": 1, "vocab": 3, "layers": 1}
SIMPLE = (1, 0, 0.5)


def shrink(case, found, folder, seconds=120):
    """The smallest case like this one, and what differs in it."""
    deadline = time.monotonic() + seconds
    smaller = True
    while smaller:
        smaller = False
        for candidate in candidates(case):
            if time.monotonic() > deadline:
                return case, found
            try:
                now = difference(candidate, folder)
            except AssertionError:  # a program that crashes is another matter
                continue
            if now and now.kind == found.kind:
                case, found, smaller = candidate, now, True
                break
    return case, found


def candidates(case):
    """Cases with one thing less, the largest things first."""
    for edit in edits(case):
        candidate = copy.deepcopy(case)
        if edit(candidate) is False:
            continue
        drop_unused_models(candidate)
        if candidate != case:
            yield candidate


def edits(case):
    recipe = case["recipe"]
    yield unwrap_modules
    for place in list_places(recipe, ("slices", "models", "sources")):
        for i in range(len(at(recipe, place))):
            if len(at(recipe, place)) > 1:
                yield lambda c, p=place, i=i: at(c["recipe"], p).pop(i) and None
    yield slices_to_models
    for place in list_places(recipe, ("parameters",)):
        yield lambda c, p=place: remove(c["recipe"], p)
        for name in at(recipe, place):
            yield lambda c, p=(*place, name): remove(c["recipe"], p)
    for key in ("out_dtype", "dtype", "base_model"):
        if key in recipe:
            yield lambda c, key=key: remove(c["recipe"], (key,))
    for place in list_places(recipe, ("base_model",)):
        if len(place) > 1:
            yield lambda c, p=place: remove(c["recipe"], p)
    for place in list_places(recipe, ("parameters",)):
        for name, setting in at(recipe, place).items():
            for simpler in simpler_settings(setting):
                yield lambda c, p=(*place, name), s=simpler: put(c["recipe"], p, s)
    yield from checkpoint_edits(case)
    for name, model in case["models"].items():
        for key in model:
            if key not in ("delta", "seed"):
                yield lambda c, n=name, k=key: remove(c["models"], (n, k))
        if model.get("delta", 0.25) != 0.25:
            yield lambda c, n=name: put(c["models"], (n, "delta"), 0.25)
    for place in list_places(recipe, ("layer_range",)):
        first, last = at(recipe, place)
        length = last - first
        if first > 0:
            yield lambda c, p=place, r=[0, length]: put(c["recipe"], p, r)
    for place in list_places(recipe, ("sources",)):
        yield lambda c, p=place: shorten(at(c["recipe"], p))


def checkpoint_edits(case):
    checkpoint = case["checkpoint"]
    if checkpoints.is_files(case):
        for name in checkpoint["tensors"]:
            if len(checkpoint["tensors"]) > 1:
                yield lambda c, n=name: remove(c["checkpoint"], ("tensors", n))
        for name, shape in checkpoint["tensors"].items():
            for simpler in ([1], [2], [7], shape[:1], shape[1:]):
                if len(simpler) <= len(shape) and size(simpler) < size(shape):
                    yield lambda c, n=name, s=simpler: put(c["checkpoint"], ("tensors", n), s)
    for key in ("magnitude", "grid", "tied"):
        if key in checkpoint:
            yield lambda c, key=key: remove(c["checkpoint"], (key,))
    if "family" in checkpoint and checkpoint["family"] != "llama":
        yield lambda c: put(c["checkpoint"], ("family",), "llama")
    for key, least in PLAIN.items():
        now = checkpoint.get(key, least)
        for value in dict.fromkeys((least, (least + now) // 2, now - 1)):
            if least <= value < now:
                yield lambda c, k=key, v=value: put(c["checkpoint"], (k,), v)


def simpler_settings(setting):
    if isinstance(setting, dict):
        yield setting["value"]
        for value in simpler_settings(setting["value"]):
            yield {**setting, "value": value}
    elif isinstance(setting, list):
        conditional = bool(setting) and isinstance(setting[0], dict)
        for i in range(len(setting)):
            yield setting[i]
            yield setting[:i] + setting[i + 1 :]
        for i, entry in enumerate(setting):
            for simpler in simpler_settings(entry):
                if not conditional or isinstance(simpler, dict):
                    yield [*setting[:i], simpler, *setting[i + 1 :]]
    elif isinstance(setting, str):
        yield float(setting)
    elif not isinstance(setting, bool) and setting not in SIMPLE:
        yield from SIMPLE


# Places in nested lists and mappings, as tuples of keys.


def list_places(value, keys, place=()):
    if isinstance(value, dict):
        for key, item in value.items():
            if key in keys:
                yield (*place, key)
            yield from list_places(item, keys, (*place, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from list_places(item, keys, (*place, i))


def at(value, place):
    for key in place:
        value = value[key]
    return value


def put(value, place, item):
    at(value, place[:-1])[place[-1]] = item


def remove(value, place):
    del at(value, place[:-1])[place[-1]]


def size(shape):
    product = 1
    for length in shape:
        product *= length
    return product


def unwrap_modules(case):
    modules = case["recipe"].pop("modules", None)
    if modules is None:
        return False
    (module,) = modules.values()
    parameters = {**case["recipe"].get("parameters", {}), **module.pop("parameters", {})}
    case["recipe"].update(module)
    if parameters:
        case["recipe"]["parameters"] = parameters
    return True


def slices_to_models(case):
    slices = case["recipe"].get("slices", [])
    if len(slices) != 1:
        return False
    models = [
        {key: value for key, value in source.items() if key != "layer_range"}
        for source in slices[0]["sources"]
    ]
    case["recipe"].pop("slices")
    case["recipe"]["models"] = models
    return True


def shorten(sources):
    ranges = [source["layer_range"] for source in sources]
    if any(last - first < 2 for first, last in ranges):
        return False
    for source in sources:
        source["layer_range"] = [source["layer_range"][0], source["layer_range"][1] - 1]
    return True


def drop_unused_models(case):
    used = repr(case["recipe"])
    case["models"] = {name: m for name, m in case["models"].items() if f"'{name}'" in used}
