"""Recipes: YAML that grows, nests, repeats, and values beyond all ranges."""

from hostile.case import FINE, RECIPE, Case

GOOD = "merge_method: linear\nmodels: [{model: base}, {model: tune}]\nparameters: {weight: 1}\n"


def linear(weight="1", more=""):
    return f"merge_method: linear\nmodels: [{{model: base}}, {{model: tune}}]\nparameters: {{weight: {weight}}}\n{more}"


def laughs(levels, width=10):
    lines = ["a0: &a0 [x]"]
    for i in range(1, levels):
        lines.append(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * width)}]")
    return "\n".join(lines) + "\n" + GOOD


TEXTS = {
    "empty": "",
    "blanks": " \n\n \n",
    "comment only": "# nothing\n",
    "scalar": "linear",
    "list": "- a\n- b\n",
    "binary": bytes(range(256)) * 4,
    "NUL": "merge_method: lin\0ear\n",
    "invalid UTF-8": b"merge_method: \xff\xfe\n",
    "UTF-16": GOOD.encode("utf-16"),
    "tabs": "merge_method:\tlinear\n\tmodels: []\n",
    "cut in a string": 'merge_method: "lin',
    "cut in a list": "merge_method: linear\nmodels: [{model: base",
    "a billion laughs": laughs(12),
    "laughs in a mapping": "a: &a {k: v}\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} {{x: *{chr(97 + i)}, y: *{chr(97 + i)}}}\n" for i in range(20)) + GOOD,
    "alias to itself": "a: &a [*a]\n" + GOOD,
    "alias to nothing": "models: *nothing\n",
    "merge key to itself": "a: &a {<<: *a}\n" + GOOD,
    "deep lists": "models: " + "[" * 50_000,
    "deep lists closed": "models: " + "[" * 50_000 + "]" * 50_000,
    "deep mappings": "{a: " * 50_000,
    "deep blocks": "".join(" " * i + "a:\n" for i in range(1000)),
    "deep dashes": "- " * 20_000 + "a\n",
    "deep questions": "? " * 20_000 + "a\n",
    "wide list": "merge_method: linear\nmodels: [" + "{model: base}," * 90_000 + "]\n",
    "two megabytes": "# " + "x" * 2**21 + "\n" + GOOD,
    "ten thousand documents": "---\n" * 10_000,
    "documents in a circle": "name: a\nmerge_method: linear\nmodels: [{model: b}]\n---\nname: b\n"
                             "merge_method: linear\nmodels: [{model: a}]\n",
    "repeated key": GOOD + "merge_method: ties\n",
    "repeated key by alias": "&k merge_method: linear\n*k : ties\n",
    "complex key": "? [a, b]\n: c\n",
    "tag of a program": "!!python/object/apply:os.system ['touch pwned']\n",
    "tagged method": "merge_method: !!python/name:os.system linear\n",
    "directive": "%YAML 9.9\n---\n" + GOOD,
    "no method": "models: [{model: base}]\n",
    "unknown method": GOOD.replace("linear", "\\x1b[31m"),
    "method is a list": "merge_method: [linear]\nmodels: [{model: base}]\n",
    "escapes in the method": 'merge_method: "\\x1b[2J\\n"\nmodels: [{model: base}]\n',
    "escapes in a key": '"\\x1b[2J\\nx": 1\n' + GOOD,
    "no models": "merge_method: linear\nmodels: []\n",
    "model is null": "merge_method: linear\nmodels: [null]\n",
    "model is a number": "merge_method: linear\nmodels: [{model: 1e999}]\n",
    "model of a megabyte": "merge_method: linear\nmodels: [{model: " + "x" * 10**6 + "}]\n",
    "model leads out": "merge_method: linear\nmodels: [{model: ../../../../../../etc}]\n",
    "model is a device": "merge_method: linear\nmodels: [{model: /dev/zero}]\n",
    "model is the console": "merge_method: linear\nmodels: [{model: /dev/stdin}]\n",
    "model is the recipe": "merge_method: linear\nmodels: [{model: x.yml}]\n",
    "model of many signs": "merge_method: linear\nmodels: [{model: '" + "@+" * 10_000 + "'}]\n",
    "model with NUL": 'merge_method: linear\nmodels: [{model: "base\\0x"}]\nparameters: {weight: 1}\n',
    "revision leads out": "merge_method: linear\nmodels: [{model: 'a/b@../../x'}]\n",
    "weight NaN": linear(".nan"),
    "weight infinite": linear(".inf"),
    "weight 1e999": linear("1e999"),
    "weight text": linear("much"),
    "weight of a thousand digits": linear("9" * 1000),
    "weight a mapping": linear("{a: 1}"),
    "weight empty list": linear("[]"),
    "weights sum to 0": linear("[1, -1]").replace("[1, -1]", "0"),
    "gradient of 200000": linear("[" + "1," * 200_000 + "1]"),
    "unknown dtype": linear(more="dtype: float999\n"),
    "dtype a list": linear(more="dtype: [float32]\n"),
    "seed 2^64": linear(more="seed: 18446744073709551616\n"),
    "seed negative": linear(more="seed: -1\n"),
    "layer range backwards": "merge_method: passthrough\nslices: [{sources: [{model: base, layer_range: [2, 0]}]}]\n",
    "layer range huge": "merge_method: passthrough\nslices: [{sources: [{model: base, layer_range: [0, 99999999999999]}]}]\n",
    "layer range negative": "merge_method: passthrough\nslices: [{sources: [{model: base, layer_range: [-1, 1]}]}]\n",
    "layer range 2^64": "merge_method: passthrough\nslices: [{sources: [{model: base, layer_range: [0, 18446744073709551616]}]}]\n",
    "slices empty": "merge_method: passthrough\nslices: []\n",
    "chat template of a program": linear(more="chat_template: \"{{ ''.__class__ }}\"\nchat_templates: 1\n"),
    "tokenizer leads out": linear(more="tokenizer_source: ../../../etc/passwd\n"),
}


def cases():
    for name, text in TEXTS.items():
        content = text if isinstance(text, bytes) else text.encode()
        yield Case(f"recipe/{name}", lambda folder, c=content: (folder / "x.yml").write_bytes(c), RECIPE)
    yield Case("recipe/anchors, honestly", lambda folder: (folder / "x.yml").write_text(
        "merge_method: linear\nmodels:\n- {model: base, parameters: &p {weight: 1}}\n- {model: tune, parameters: *p}\n"), RECIPE, FINE)
    yield Case("recipe/filter of backslashes", lambda folder: (folder / "x.yml").write_text(
        linear("[{filter: '" + "\\" * 9999 + "', value: 1}, {value: 1}]")), RECIPE, FINE)
    # A stack of ten thousand layers of one: large, and what was asked for.
    yield Case("recipe/2000 slices", lambda folder: (folder / "x.yml").write_text(
        "merge_method: passthrough\nslices:\n" + "- sources: [{model: base, layer_range: [0, 1]}]\n" * 2000),
        RECIPE[:1], FINE)
