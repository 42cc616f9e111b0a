"""What is measured: the merges, their recipes and the targets."""

import dataclasses

from make_inputs import FINE_TUNES


@dataclasses.dataclass(frozen=True)
class Merge:
    name: str  # also the merge_method of the recipe
    title: str
    models: tuple  # whose files are read
    weights: tuple = ()
    density: float = 1.0
    t: float = 0.0
    shared: tuple = ()  # further (parameter, value) for all models
    hashes: tuple = ("none", "xxh3")
    targets: tuple = ()  # (hash, times R)

    @property
    def based(self):
        return "base" in self.models

    def target(self, hash_name):
        return dict(self.targets).get(hash_name)

    def recipe(self, folder):
        """The MergeKit YAML; MergeKit 0.1.5 reads the same file."""
        lines = [f"merge_method: {self.name}", "dtype: bfloat16"]
        if self.based:
            lines.append(f"base_model: {folder / 'base'}")
        lines.append("models:")
        for position, model in enumerate(m for m in self.models if self.t or m != "base"):
            lines.append(f"  - model: {folder / model}")
            if self.weights:
                lines.append("    parameters:")
                lines.append(f"      weight: {self.weights[position]}")
                if self.density < 1:
                    lines.append(f"      density: {self.density}")
        shared = ([("t", self.t)] if self.t else []) + list(self.shared)
        if shared:
            lines += ["parameters:"] + [f"  {name}: {value}" for name, value in shared]
        return "\n".join(lines) + "\n"


ALL = ("base",) + FINE_TUNES
MERGES = {
    merge.name: merge
    for merge in (
        Merge("linear", "linear of 3", FINE_TUNES, (0.5, 0.3, 0.2),
              hashes=("none", "xxh3", "sha256"), targets=(("none", 0.9), ("xxh3", 1.5))),
        Merge("task_arithmetic", "task arithmetic of 3", ALL, (0.5, 0.3, 0.4),
              targets=(("none", 0.9), ("xxh3", 1.5))),
        Merge("slerp", "SLERP of 2", ("base", "ft1"), t=0.4,
              targets=(("none", 1.3), ("xxh3", 1.8))),
        Merge("dare_ties", "DARE-TIES of 3, density 0.5", ALL, (0.5, 0.3, 0.4), density=0.5,
              targets=(("none", 1.5), ("xxh3", 2.2))),
        Merge("ties", "TIES of 3, density 0.2", ALL, (1.0, 1.0, 1.0), density=0.2,
              targets=(("none", 2.2), ("xxh3", 2.7))),
        Merge("della", "DELLA of 3, density 0.5", ALL, (0.5, 0.3, 0.4), density=0.5,
              shared=(("epsilon", 0.1),), targets=(("none", 4.5), ("xxh3", 5.0))),
        Merge("model_stock", "Model Stock of 3", ALL, targets=(("none", 2.5), ("xxh3", 2.5))),
        Merge("karcher", "Karcher mean of 3", FINE_TUNES, shared=(("max_iter", 10),),
              targets=(("none", 2.5), ("xxh3", 2.5))),
        Merge("multislerp", "multislerp of 3", ALL, (0.5, 0.3, 0.4),
              targets=(("none", 2.5), ("xxh3", 2.5))),
    )
}

RSS_ANON = 200 << 20  # bytes, at most
START_UP = 0.050  # seconds, at most
MERGEKIT = {"linear": 12, "ties": 60}  # times faster, at least
