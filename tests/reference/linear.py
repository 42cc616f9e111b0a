"""Linear merging: y = sum(w x), divided by sum(w) if normalised."""

import numpy as np

from reference.answer import Answer, widen


def linear(inputs, weights, normalize=True):
    inputs = widen(inputs)
    divisor = sum(weights) if normalize else 1.0
    value = sum(w * x for w, x in zip(weights, inputs)) / divisor
    magnitude = sum(np.abs(w * x) for w, x in zip(weights, inputs)) / abs(divisor)
    return Answer(value, magnitude)


def passthrough(tensor, scale=1.0):
    (x,) = widen([tensor])
    return Answer(scale * x, np.abs(scale * x))
