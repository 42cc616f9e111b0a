"""Cases from numbers: generate("ties", 17) is the same case for ever, whatever else is tested.

A case is plain data, as YAML prints it: a checkpoint's measures, the models' deviations from it,
and a recipe that names the models.
"""

import random

from differential.methods import METHODS

FILTERS = {
    "llama": ["mlp", "self_attn", "q_proj", "o_proj", "layernorm", ".1.", "embed", "lm_head"],
    "gpt2": ["mlp", "attn", "c_proj", "ln_", "h.1.", "wte", "bias", "lm_head"],
}
FILTERS["qwen2"] = [*FILTERS["llama"], "bias"]
FILTERS["gptj"] = [*FILTERS["gpt2"], "fc_in"]

SHAPES = [
    (), (1,), (2,), (7,), (257,), (1, 1), (1, 9), (9, 1), (2, 3), (5, 8), (33, 17), (3, 5, 7),
    (4, 1, 3), (6, 3, 3, 3), (2049,), (1, 2100), (0,), (0, 4),
]  # fmt: skip
NAMES = [
    "scale", "proj.weight", "proj.bias", "conv.0.weight", "conv.1.weight", "conv.1.bias",
    "blocks.0.mlp.weight", "blocks.1.mlp.weight", "blocks.2.mlp.weight", "blocks.1.attn.weight",
    "head.weight", "norm.weight",
]  # fmt: skip
FILE_FILTERS = ["weight", "bias", "blocks", "mlp", "conv.1", "head", ".1."]
NARROW = ("bfloat16", "float16")


def generate(method, number):
    return Generator(method, number).case()


class Generator:
    def __init__(self, method, number):
        self.name = method
        self.method = METHODS[method]
        self.random = random.Random(f"{method}-{number}")
        self.number = number

    def chance(self, probability):
        return self.random.random() < probability

    def pick(self, *options):
        return self.random.choice(options)

    def case(self):
        self.files = self.chance(0.2)
        checkpoint = self.checkpoint()
        low, high = self.method.models
        count = self.random.randint(low, high) + (self.method.base == "required")
        self.models = {name: self.model(i) for i, name in enumerate("abcdefg"[: count + 1])}
        self.sliced = not self.files and self.chance(0.5)
        if self.sliced and checkpoint["family"] == "qwen2" and self.chance(0.9):
            checkpoint["family"] = "llama"  # MergeKit cannot write the config of a stacked qwen2
        if not self.files:
            self.vary_layers_and_heads(checkpoint)
        self.filters = FILE_FILTERS if self.files else FILTERS[checkpoint["family"]]
        recipe = {"merge_method": self.name}
        self.add_models(recipe, checkpoint, count)
        self.add_types(recipe, checkpoint)
        case = {"name": f"{self.name}-{self.number}", "checkpoint": checkpoint}
        named = str(recipe.get("base_model", "")) + repr(recipe)
        models = {n: spec for n, spec in self.models.items() if f"'{n}'" in named}
        return self.with_equal_magnitudes({**case, "models": models, "recipe": recipe})

    # Checkpoints.

    def checkpoint(self):
        seed = self.random.randrange(1000)
        if self.files:
            names = self.random.sample(NAMES, self.random.randint(1, 6))
            tensors = {name: list(self.pick(*SHAPES)) for name in names}
            checkpoint = {"tensors": tensors, "seed": seed}
        else:
            heads = self.pick(1, 2, 3, 4)
            family = self.pick("llama", "llama", "llama", "qwen2", "gpt2", "gptj")
            checkpoint = {
                "family": family,
                "layers": self.random.randint(1, 5),
                "heads": heads,
                "kv_heads": self.pick(*(k for k in (1, 2, 3, 4) if heads % k == 0)),
                "head_dim": self.pick(4, 6, 8, 12),
                "wide": self.random.randint(1, 60),
                "vocab": self.random.randint(3, 70),
                "seed": seed,
            }
            if family != "gptj" and self.chance(0.3):
                checkpoint["tied"] = True
        if self.chance(0.15):
            more = () if self.method.delicate else (1e-12, 1e-6, 1e3, 1e6, 1e12)
            checkpoint["magnitude"] = self.pick(1e-3, *more)
        elif self.chance(0.1) and not (self.method.selects or self.method.delicate):
            checkpoint["grid"] = True
        return checkpoint

    def model(self, i):
        if i == 0:
            return {}  # the root of all
        # Small steps of f32 numbers, or steps of narrow ones, have few values: many are equal.
        small = 0.05 if self.method.selects else 0.001
        model = {"delta": self.pick(small, 0.05, 0.05, 0.3), "seed": i}
        if self.chance(0.25):
            model["sparse"] = 0.5
        if self.chance(0.06):
            return {}  # no task vector
        if self.chance(0.06):
            return {"times": self.pick(-1, 2, 0)}
        return model

    def vary_layers_and_heads(self, checkpoint):
        for model in self.models.values():
            if self.sliced and self.chance(0.3):
                model["layers"] = self.random.randint(1, 5)
            if checkpoint["family"] != "gptj" and self.chance(0.1):
                model["tied"] = not checkpoint.get("tied", False)

    def add_types(self, recipe, checkpoint):
        """Stored types. MergeKit computes in `dtype`, merganser always in f32 or f64: the types
        are chosen so that MergeKit does, too."""
        wide = checkpoint.get("magnitude", 1) != 1
        narrow = ("bfloat16",) if wide else NARROW
        stored = set()
        if self.chance(0.3):
            for model in self.models.values():
                more = () if self.method.selects else narrow
                dtype = self.pick("float32", "float64", *more)
                if dtype != "float32":
                    model["dtype"] = dtype
                stored.add(dtype)
        if stored & set(NARROW):
            recipe["dtype"] = self.pick("float32", "float32", "float64")
        elif self.chance(0.3):
            recipe["dtype"] = self.pick("float32", "float64", "torch.float32")
        if self.chance(0.12):
            recipe["out_dtype"] = self.pick("float32", "float64", *narrow)

    # Recipes.

    def add_models(self, recipe, checkpoint, count):
        names = list(self.models)
        base = "a" if self.method.base == "required" else None
        if self.method.base == "optional" and self.chance(0.6):
            base = "a"
        if self.method.base == "an ordinary input" and self.chance(0.25):
            base = self.pick(*names[: count or 1])
        if base:
            recipe["base_model"] = base
        recipe_level = {}
        if self.sliced:
            self.add_slices(recipe, checkpoint, base, count)
        else:
            recipe["models"] = self.sources(base, count, recipe_level, unlisted=True)
        if not self.files and self.chance(0.25):
            self.as_modules(recipe)
        self.shared_settings(recipe_level)
        for name, values in self.method.per_model.items():
            if name not in recipe_level and self.chance(0.97 if values.required else 0.3):
                if values.required or self.chance(0.5):
                    recipe_level[name] = self.pick(*values.choices)
        if recipe_level:
            recipe["parameters"] = recipe_level

    def sources(self, base, count, levels, unlisted=False):
        """A list of `models:` or `sources:`; its parameters, and more in the levels below."""
        names = [name for name in self.models if name != base]
        chosen = self.random.sample(names, min(len(names), count - (base is not None)) or 1)
        apart = self.method.base != "an ordinary input"
        if base and apart and len(chosen) < self.method.models[0]:
            chosen = names[: self.method.models[0]]
        if base and not (unlisted and self.chance(0.6)):
            chosen.insert(self.random.randint(0, len(chosen)), base)
        if self.method.models == (1, 1) and not apart:
            chosen = chosen[:1]
        entries = [{"model": name} for name in chosen]
        for parameter, values in self.method.per_model.items():
            if self.chance(0.25):
                levels[parameter] = self.setting(values)
            if not values.required and self.chance(0.4):
                continue
            for entry in entries:
                if self.chance(0.75):
                    entry.setdefault("parameters", {})[parameter] = self.setting(values)
        return entries

    def add_slices(self, recipe, checkpoint, base, count):
        slices = []
        # Of an architecture that it infers MergeKit takes the head from the first slice, too.
        most = 1 if checkpoint["family"] == "gptj" else 4
        for _ in range(self.random.randint(1, most)):
            entry, levels = {}, {}
            here = base
            if base and self.method.base != "an ordinary input" and self.chance(0.2):
                here = entry["base_model"] = self.pick(*self.models)
            entry["sources"] = self.sources(here, count, levels)
            depths = [
                self.models[source["model"]].get("layers", checkpoint["layers"])
                for source in entry["sources"]
            ]
            length = self.random.randint(1, min(3, *depths, 9))
            for source, depth in zip(entry["sources"], depths):
                first = self.random.randint(0, depth - length)
                source["layer_range"] = [first, first + length]
            if self.chance(0.4):
                self.shared_settings(levels, required=False)
            if levels:
                entry["parameters"] = levels
            slices.append(entry)
        # MergeKit reads the last tensors from as many models as the first slice has, no more.
        slices.sort(key=lambda entry: -len(entry["sources"]))
        recipe["slices"] = slices

    def as_modules(self, recipe):
        module = {key: recipe.pop(key) for key in ("models", "slices") if key in recipe}
        levels = {}
        if self.chance(0.5):
            self.shared_settings(levels, required=False)
        for name, values in self.method.per_model.items():
            if self.chance(0.2):
                levels[name] = self.setting(values)
        if levels:
            module["parameters"] = levels
        recipe["modules"] = {"default": module}

    def shared_settings(self, levels, required=True):
        for name, values in self.method.shared.items():
            if required and values.required:
                levels[name] = self.setting(values, complete=True)
            elif self.chance(0.3):
                levels[name] = self.setting(values)

    # Settings.

    def setting(self, values, complete=False):
        """complete: with a value for every tensor."""
        kind = self.random.random()
        if kind < 0.5:
            return self.scalar(values)
        if kind < 0.7:
            return self.list_over_layers(values, complete)
        if kind < 0.75 and not complete:
            return {"value": self.flat(values), "filter": self.pick(*self.filters)}
        cases = [
            {"filter": self.pick(*self.filters), "value": self.flat(values)}
            for _ in range(self.random.randint(1, 3))
        ]
        if complete:
            cases.append({"value": self.scalar(values)})
        elif self.chance(0.7):
            cases.append({"value": self.flat(values)})
        elif self.chance(0.3):
            cases.append({"filter": "*", "value": self.flat(values)})
        return cases

    def flat(self, values):
        return self.list_over_layers(values) if self.chance(0.4) else self.scalar(values)

    def list_over_layers(self, values, complete=False):
        # mergekit-pytorch knows no layers: in single files it takes the first value of a list.
        if not values.gradients or self.files:
            return self.scalar(values)
        if self.chance(0.05) and not complete:
            return []
        return [self.scalar(values) for _ in range(self.random.randint(1, 5))]

    def scalar(self, values):
        value = self.pick(*values.choices)
        # What YAML 1.1 reads as text, though it is a number.
        return f"{value:.0e}" if value == 1e-5 and self.chance(0.5) else value

    def with_equal_magnitudes(self, case):
        """For methods that select: one model whose |delta| take few values, plainly merged."""
        if not self.method.selects or not self.chance(0.1):
            return case
        density = {name: v for name, v in self.method.per_model.items() if name != "weight"}
        settings = {name: self.pick(*values.choices) for name, values in density.items()}
        weight = {"weight": 1} if "weight" in self.method.per_model else {}
        for key in ("magnitude", "tied"):
            case["checkpoint"].pop(key, None)
        case["checkpoint"]["grid"] = True
        dtypes = [self.pick("float32", "float64", *NARROW) for _ in "ab"]
        case["models"] = {"a": {"dtype": dtypes[0]}, "b": {"delta": 0.1, "seed": 1, "dtype": dtypes[1]}}
        case["recipe"] = {
            "merge_method": self.name,
            "base_model": "a",
            "models": [{"model": "b"}],
            "dtype": "float32",
            "parameters": {**weight, **settings},
        }
        return case
