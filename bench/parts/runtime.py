"""Evaluation by the runtime beside the same model in PyTorch."""

from runtime_speed import ABOUT, NEEDS_INPUTS, markdown, run, targets

__all__ = ["ABOUT", "NEEDS_INPUTS", "markdown", "run", "targets"]
