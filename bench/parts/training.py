"""Training beside the same steps in PyTorch."""

from train_speed import ABOUT, NEEDS_INPUTS, markdown, run, targets

__all__ = ["ABOUT", "NEEDS_INPUTS", "markdown", "run", "targets"]
