"""Candidate merges in memory beside evaluation alone."""

from tune_speed import ABOUT, NEEDS_INPUTS, markdown, run, targets

__all__ = ["ABOUT", "NEEDS_INPUTS", "markdown", "run", "targets"]
