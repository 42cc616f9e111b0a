"""Which elements of a task vector are kept, and how the rest is scaled."""

import numpy as np


def kept_count(size, density):
    """How many of `size` elements a magnitude trim keeps."""
    if density <= 0:
        return 0
    return size if density >= 1 else max(1, int(density * size))


def keep_largest(delta, density):
    """A mask of the largest |delta|; of equal ones the lowest index."""
    count = kept_count(delta.size, density)
    order = np.argsort(-np.abs(delta.ravel()), kind="stable")
    mask = np.zeros(delta.size, bool)
    mask[order[:count]] = True
    return mask.reshape(delta.shape)


def near_threshold(delta, density, error):
    """Elements that rounding errors of this size could move over the threshold.

    Elements exactly at the threshold are sure, by their index, as long as nothing else is near.
    """
    count = kept_count(delta.size, density)
    if count in (0, delta.size):
        return np.zeros(delta.shape, bool)
    size = np.abs(delta)
    threshold = np.sort(size.ravel())[delta.size - count]
    error = error + np.max(error[size == threshold])
    near = np.abs(size - threshold) <= error
    return near if (near & (size != threshold)).any() else np.zeros(delta.shape, bool)


def l1_rescale(delta, mask):
    """The masked delta with the L1 norm of the whole restored."""
    before, after = np.abs(delta).sum(), np.abs(delta * mask).sum()
    factor = before / after if min(before, after) >= 1e-7 else 1.0
    return delta * mask * factor
