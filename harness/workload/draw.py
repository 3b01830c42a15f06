"""How arrays are born: drawn in NumPy from a seed, one independent stream per name.

Nothing is drawn as all zeros or ones: a gradient that lands on the wrong parameter would go unseen.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .ops import Spec


@dataclass(frozen=True)
class Draw:
    """An array's shape and law.

    Numbers: N(mean, std²), or without a gradient cosines and sines of position times frequency (`high` is the
    longest wavelength over 2π). Integers: below `high`, or 0, 1, 2, ... (range). Truth values: true with
    probability `mean` (bernoulli), or on the first entries of each row, half of them or more (prefix).

    What is `given` for good, such as a running mean, is an input that never gets a gradient.
    """

    shape: tuple[int, ...]
    law: Literal["normal", "cosines", "sines", "integers", "range", "bernoulli", "prefix"] = "normal"
    mean: float = 0.0
    std: float = 1.0
    high: int = 0
    given: bool = False

    @property
    def differentiable(self) -> bool:
        return self.law == "normal" and not self.given

    @property
    def spec(self) -> Spec:
        return Spec(self.shape, _KINDS[self.law])

    def sample(self, seed: int, name: str) -> np.ndarray:
        """The array, float32, int32 or bool; the same for the same seed and name on every machine."""
        key = int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:16], "little")
        generator = np.random.Generator(np.random.Philox(key=key))
        if self.law == "range":
            return np.arange(math.prod(self.shape), dtype=np.int32).reshape(self.shape)
        if self.law == "integers":
            return generator.integers(0, self.high, self.shape, dtype=np.int32)
        if self.law == "bernoulli":
            return generator.random(self.shape, dtype=np.float32) < self.mean
        if self.law == "prefix":
            rows, length = self.shape
            lengths = generator.integers((length + 1) // 2, length + 1, (rows, 1))
            return np.arange(length) < lengths
        if self.law in ("cosines", "sines"):
            rows, columns = self.shape
            angles = np.arange(rows)[:, None] * float(self.high) ** (-np.arange(columns) / columns)
            return (np.cos if self.law == "cosines" else np.sin)(angles).astype(np.float32)
        drawn = generator.standard_normal(self.shape, dtype=np.float32)
        return np.float32(self.mean) + np.float32(self.std) * drawn


_KINDS: dict[str, Literal["float", "constant", "int", "bool"]] = {
    "normal": "float",
    "cosines": "constant",
    "sines": "constant",
    "integers": "int",
    "range": "int",
    "bernoulli": "bool",
    "prefix": "bool",
}


def normal(*shape: int, std: float = 1.0) -> Draw:
    """Zero mean."""
    return Draw(shape, std=std)


def he(*shape: int) -> Draw:
    """Weights before a rectifier: variance 2 / fan-in, the fan-in being all axes but the last (He et al. 2015)."""
    return Draw(shape, std=math.sqrt(2 / math.prod(shape[:-1])))


def lecun(*shape: int) -> Draw:
    """Weights without a rectifier behind them: variance 1 / fan-in (LeCun et al. 1998)."""
    return Draw(shape, std=math.sqrt(1 / math.prod(shape[:-1])))


def bias(n: int) -> Draw:
    """A small shift."""
    return Draw((n,), std=0.02)


def scale(n: int, mean: float = 1.0) -> Draw:
    """A factor around one, or around `mean`."""
    return Draw((n,), mean=mean, std=0.1 * mean)


def running_mean(n: int) -> Draw:
    """What training has left behind, for inference."""
    return Draw((n,), std=0.1, given=True)


def running_variance(n: int) -> Draw:
    """The same around one; ten standard deviations from zero."""
    return Draw((n,), mean=1.0, std=0.1, given=True)


def integers(*shape: int, high: int) -> Draw:
    """Labels or token ids in [0, high)."""
    return Draw(shape, "integers", high=high)


def positions(n: int) -> Draw:
    """0, 1, ..., n - 1."""
    return Draw((n,), "range")


def rotation(tokens: int, pairs: int, base: int) -> tuple[Draw, Draw]:
    """Cosines and sines [tokens, pairs] of the angles t base^(-i / pairs) of rotary embedding (Su et al. 2021)."""
    return Draw((tokens, pairs), "cosines", high=base), Draw((tokens, pairs), "sines", high=base)


def kept(*shape: int, rate: float) -> Draw:
    """What dropout of that rate lets pass."""
    return Draw(shape, "bernoulli", mean=1 - rate)


def padding(rows: int, length: int) -> Draw:
    """Which tokens of a padded batch are real: at least half of each row, from its start."""
    return Draw((rows, length), "prefix")
