"""The methods of the Stable Diffusion tools: A with what B has over C, and A between others."""

import numpy as np

from reference.answer import Answer, widen


def ratio(x, y):
    """0 for 0/0."""
    return np.divide(x, y, out=np.zeros_like(x), where=y != 0)


def sizes(*arrays, factor=1.0):
    return factor * sum(np.abs(array) for array in arrays)


def add_difference(a, b, c, alpha, clamped=False):
    a, b, c = widen([a, b, c])
    value = a + alpha * (b - c)
    if clamped:
        value = np.clip(value, np.minimum(a, b), np.maximum(a, b))
    return Answer(value, sizes(a, alpha * b, alpha * c))


def train_difference(a, b, c, alpha):
    a, b, c = widen([a, b, c])
    mask = 1.8 * alpha * ratio(np.abs(b - a), np.abs(b - a) + np.abs(b - c))
    # The mask itself has a few roundings more, of differences.
    return Answer(a + mask * (b - c), sizes(a, 2 * b, 2 * c))


def add_perpendicular(a, b, c, alpha):
    a, b, c = widen([a, b, c])
    da, db = a - c, b - c
    along = float(np.sum(da * db) / np.sum(da * da))
    value = a + alpha * (db - along * da)
    return Answer(value, sizes(a, alpha * b, alpha * c) + abs(alpha * along) * sizes(a, c))


def clamp(x, bounds):
    x, *bounds = widen([x, *bounds])
    return Answer(np.clip(x, np.minimum.reduce(bounds), np.maximum.reduce(bounds)), np.abs(x))


def add_cosine_b(a, b, alpha):
    a, b = widen([a, b])
    columns_a, columns_b = np.atleast_1d(a), np.atleast_1d(b)
    lengths = lambda x: np.sqrt(np.sum(x * x, axis=0))
    columns = np.sum(columns_a * columns_b, axis=0) / (lengths(columns_a) * lengths(columns_b))
    whole = np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b))
    k = np.clip((columns + whole) / 2 - alpha, 0, 1)
    # 1 - k is rounded as 1 is.
    return Answer((1 - k) * b + k * a, 2 * sizes(a, b))


def crossover(a, b, alpha):
    """The hard cut, by NumPy's transform."""
    a, b = widen([a, b])
    if a.ndim == 0:
        return Answer((1 - alpha) * a + alpha * b, sizes(a, b))
    axes = []
    for size in a.shape:
        frequency = np.minimum(np.arange(size), size - np.arange(size))
        axes.append(frequency / (size // 2) if size > 1 else 0.0 * frequency)
    squares = sum(grid**2 for grid in np.meshgrid(*axes, indexing="ij"))
    distance = np.sqrt(squares / a.ndim)
    assert not np.any(np.isclose(distance, 1 - alpha)), "a frequency on the cut"
    value = a + np.fft.ifftn((distance > 1 - alpha) * np.fft.fftn(b - a)).real
    # Roundings of the spectrum are spread over all elements.
    return Answer(value, sizes(a, b) + np.abs(b - a).max())


def geometric_median(models, steps=100, eps=1e-6):
    models = widen(models)
    shares = np.full(len(models), 1 / len(models))
    for _ in range(steps):
        median = sum(share * x for share, x in zip(shares, models))
        distances = [np.sqrt(np.sum((x - median) ** 2)) for x in models]
        shares = 1 / np.maximum(distances, eps)
        shares /= shares.sum()
    return Answer(sum(share * x for share, x in zip(shares, models)), sizes(*models))
