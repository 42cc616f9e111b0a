"""Task arithmetic, TIES and DARE: the base plus a combination of deltas."""

import numpy as np

from reference.answer import Answer, widen
from reference.sparsify import keep_largest, l1_rescale, near_threshold


def deltas(base, inputs):
    (base,) = widen([base])
    return [x - base for x in widen(inputs)]


def delta_errors(base, inputs, epsilon):
    """How far each delta, rounded once in working precision, may be from the exact one."""
    return [epsilon / 2 * np.abs(d) for d in deltas(base, inputs)]


def add_to_base(base, inputs, numerator, divisor, weights, scale):
    (base,) = widen([base])
    value = base + scale * numerator / divisor
    sizes = sum(abs(w) * (np.abs(x) + np.abs(base)) for w, x in zip(weights, widen(inputs)))
    return Answer(value, np.abs(base) + np.abs(scale) * sizes / np.abs(divisor))


def without_consensus(base, inputs, parts, weights, normalize=False, scale=1.0):
    """b + scale * sum(w d) [/ sum(w)]; `parts` are the sparsified deltas."""
    numerator = sum(w * d for w, d in zip(weights, parts))
    total = sum(weights)
    divisor = (total if abs(total) >= 1e-8 else 1.0) if normalize else 1.0
    return add_to_base(base, inputs, numerator, divisor, weights, scale)


def elect(weighted, vote="mass", zero_sign="positive"):
    """The sign each element's models agree on, +1 or -1."""
    signs = sum(np.sign(d) for d in weighted)
    elected = np.sign(sum(weighted)) if vote == "mass" else np.sign(signs)
    if zero_sign == "majority":
        # As the paper's code has it: an element whose vote is tied follows the whole vector.
        rest = np.sign(elected.sum())
    else:
        rest = 1.0
    elected = np.where(elected == 0, rest, elected)
    return np.where(elected == 0, 1.0, elected)


def with_consensus(
    base, inputs, parts, weights, normalize=True, scale=1.0, vote="mass", zero_sign="positive"
):
    """TIES' election and disjoint merge of the sparsified deltas `parts`."""
    weighted = [w * d for w, d in zip(weights, parts)]
    sign = elect(weighted, vote, zero_sign)
    keep = [np.sign(d) == sign for d in weighted]
    numerator = sum(k * d for k, d in zip(keep, weighted))
    divisor = np.ones_like(numerator)
    if normalize:
        total = sum(k * w for k, w in zip(keep, weights))
        divisor = np.where(total == 0, 1.0, total)
    return add_to_base(base, inputs, numerator, divisor, weights, scale)


def task_arithmetic(base, inputs, weights, normalize=False, scale=1.0):
    parts = deltas(base, inputs)
    return without_consensus(base, inputs, parts, weights, normalize, scale)


def trim(base, inputs, densities, rescale=False, epsilon=0.0):
    """The trimmed deltas of one tensor, and the elements whose trimming hangs on rounding."""
    parts, uncertain = [], np.zeros(np.shape(base), bool)
    errors = delta_errors(base, inputs, epsilon)
    for delta, error, density in zip(deltas(base, inputs), errors, densities):
        mask = keep_largest(delta, density)
        uncertain |= near_threshold(delta, density, error)
        parts.append(l1_rescale(delta, mask) if rescale else delta * mask)
    return parts, uncertain


def tied_vote(weighted, epsilon):
    """Elements whose votes cancel to within rounding, but not by being equal and exact."""
    total, size = np.abs(sum(weighted)), sum(np.abs(d) for d in weighted)
    return (total <= 4 * epsilon * size) & (total != 0)


def ties(base, inputs, weights, densities, rescale=False, epsilon=0.0, **options):
    parts, uncertain = trim(base, inputs, densities, rescale, epsilon)
    answer = with_consensus(base, inputs, parts, weights, **options)
    uncertain |= tied_vote([w * d for w, d in zip(weights, parts)], epsilon)
    return answer._replace(uncertain=uncertain)


def ties_together(bases, inputs, weights, densities, epsilon=0.0, **options):
    """TIES with each model's trim (and zero signs) over all tensors as one vector.

    bases: a list of tensors; inputs: for each model such a list.
    """
    flat = lambda tensors: np.concatenate([np.ravel(x) for x in widen(tensors)])
    whole = ties(flat(bases), [flat(x) for x in inputs], weights, densities, False, epsilon,
                 **options)
    answers, first = [], 0
    for base in bases:
        size = int(np.prod(np.shape(base)))
        parts = [field[first : first + size].reshape(np.shape(base)) for field in whole]
        answers.append(Answer(*parts))
        first += size
    return answers
