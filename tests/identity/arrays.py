"""What our side and the other exchange: arrays by name, and an answer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Arrays = Mapping[str, np.ndarray]

# The loss, and the gradient of every parameter by the other side's names and in its layout.
Answer = tuple[float, dict[str, np.ndarray]]
