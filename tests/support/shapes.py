"""Tensors of the shapes that break loops: no axis, one element, one row, one column, odd lengths."""

import numpy as np

SHAPES = {
    "scalar": (),
    "one": (1,),
    "one_by_one": (1, 1),
    "two": (2,),
    "row": (1, 7),
    "column": (7, 1),
    "odd": (257,),
    "matrix": (33, 65),
    "cube": (3, 5, 7),
    "block": (2048,),  # a power of two, and one more: ends of vector loops and blocks
    "block_and_one": (2049,),
    "long_row": (1, 40_001),
    "tall": (40_001, 1),
    "wide": (300, 411),
}


def base_tensors(dtype=np.float32, seed=0, shapes=SHAPES):
    generator = np.random.default_rng(seed)
    return {
        name: np.asarray(generator.standard_normal(shape)).astype(dtype)
        for name, shape in shapes.items()
    }


def fine_tuned(base, seed, scale=0.05):
    """Each tensor moved by a heavy-tailed step, as fine-tuning does."""
    generator = np.random.default_rng([seed, 77])
    moved = {}
    for name, array in base.items():
        step = scale * generator.standard_t(4, array.shape)
        moved[name] = np.asarray(array.astype(np.float64) + step).astype(array.dtype)
    return moved
