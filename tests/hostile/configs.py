"""config.json of a good checkpoint: counts, kinds, nesting, classes, quantisation."""

import json
import shutil

from hostile.case import ANY, CONFIG, Case


def config(text=None, **changes):
    def write(folder):
        shutil.copytree(folder / "tune", folder / "x")
        path = folder / "x/config.json"
        told = json.dumps({**json.loads(path.read_text()), **changes}).encode()
        path.write_bytes(told if text is None else text)

    return write


TEXTS = {
    "empty": b"", "brace": b"{", "array": b"[]", "null": b"null", "number": b"7", "binary": bytes(range(256)),
    "invalid UTF-8": b'{"architectures": ["\xff"]}', "deep arrays": b'{"a":' + b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "NaN": b'{"num_hidden_layers": NaN}', "Infinity": b'{"rms_norm_eps": Infinity}', "1e400": b'{"num_hidden_layers": 1e400}',
    "two objects": b"{}{}", "comment": b'{"a": 1} // x', "UTF-16": '{"a": 1}'.encode("utf-16"),
    "sixty megabytes": b'{"a": "' + b"x" * 60_000_000 + b'"}',
}
COUNTS = [10**18, 2**63, 2**64, 2**70, -1, -(10**18), 0, 1, 3, 2.5, 1e300, "2", "two", "\x1b[31m", [], [2], {}, {"a": 2}, True]


def nested(levels):
    value = {}
    for _ in range(levels):
        value = {"text_config": value}
    return value


OTHERS = {
    "architectures number": {"architectures": 7}, "architectures text": {"architectures": "LlamaForCausalLM"},
    "architectures null": {"architectures": None}, "architectures empty": {"architectures": []},
    "architectures of lists": {"architectures": [[["x"]], {}, 3]},
    "architectures of a hundred thousand": {"architectures": ["LlamaForCausalLM"] * 100_000},
    "architecture of a megabyte": {"architectures": ["*" * 2**20]},
    "architecture with escapes": {"architectures": ["\x1b[2J\n"], "model_type": "\x1b[31m"},
    "another architecture": {"architectures": ["T5ForConditionalGeneration"], "model_type": "t5"},
    "model type list": {"model_type": ["llama"], "architectures": None},
    "text config text": {"text_config": "x"}, "text config nested": {"text_config": nested(200)},
    "hidden size 0": {"hidden_size": 0}, "hidden size text": {"hidden_size": "eight"}, "heads 0": {"num_attention_heads": 0},
    "vocabulary negative": {"vocab_size": -16}, "vocabulary 1e308": {"vocab_size": 1e308},
    "tied is text": {"tie_word_embeddings": "yes"}, "tied is a list": {"tie_word_embeddings": [True]},
    "dtype number": {"torch_dtype": 32}, "dtype with escapes": {"torch_dtype": "\x1b[31m\n"},
    "layer types wrong length": {"layer_types": ["a"] * 1000}, "layer types text": {"layer_types": "ab"},
    "auto map": {"auto_map": {"AutoModel": "os--system.touch"}}, "a million keys": {str(i): i for i in range(300_000)},
    "rope nested": {"rope_scaling": {"factor": [[[[1e308]]]]}}, "name leads out": {"_name_or_path": "../../../etc/passwd"},
}
QUANTISED = {
    "quantised": {"quant_method": "gptq"}, "quantised by escapes": {"quant_method": "\x1b[31m\n"},
    "quantised by a list": {"quant_method": ["gptq"]}, "quantised by nothing": {}, "quantised by text": "fp8",
    "quantised by a number": 4, "quantised by null": None, "quantised deeply": {"config_groups": nested(200)},
}


def cases():
    for name, text in TEXTS.items():
        yield Case(f"config/{name}", config(text), CONFIG)
    for count in COUNTS:
        yield Case(f"config/layers {count!r:.30}", config(num_hidden_layers=count), CONFIG)
    for name, changes in OTHERS.items():
        yield Case(f"config/{name}", config(**changes), CONFIG, ANY)
    repeated = b'{"num_hidden_layers": 3, "num_hidden_layers": 2, "architectures": ["LlamaForCausalLM"]}'
    yield Case("config/repeats a key, as Python reads it", config(repeated), CONFIG, ANY)
    for name, value in QUANTISED.items():
        yield Case(f"config/{name}", config(quantization_config=value), CONFIG, ANY)
