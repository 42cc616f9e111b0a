"""Figures as the tables write them."""

import statistics

MIB = 1 << 20


def gigabytes(value):
    return f"{value / 1e9:.1f} GB"


def spread(values, digits=2):
    """The median, and the smallest and largest."""
    values = list(values)
    middle = f"{statistics.median(values):.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def ratios(rows, mode, against="R"):
    """Of wall times, turn by turn."""
    return [ours["wall"] / theirs["wall"] for ours, theirs in zip(rows[mode], rows[against])]


def verdict(met, wrong=False):
    return "**wrong output**" if wrong else "met" if met else "**missed**"
