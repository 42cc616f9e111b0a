"""What a reference returns for one tensor."""

from typing import NamedTuple, Optional

import numpy as np


class Answer(NamedTuple):
    value: np.ndarray  # exact, in float64
    # The sum of the sizes of the terms each element was made from: rounding errors scale with it.
    magnitude: np.ndarray
    # Elements whose selection hangs on rounding: within it of a threshold or of a tied vote.
    uncertain: Optional[np.ndarray] = None


def widen(arrays):
    return [np.asarray(array).astype(np.float64) for array in arrays]
