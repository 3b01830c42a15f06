"""How a workload's arrays are drawn: in NumPy, from a seed, with one independent stream per name.

Nothing is drawn as all zeros or ones: a gradient that lands on the wrong parameter would go unseen.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .spec import Spec

Shape = tuple[int, ...]


class Draw(Protocol):
    """How one array of a workload is drawn: one small class for each law, compared by its fields."""

    @property
    def spec(self) -> Spec:
        """The array's shape, and what it holds."""

    @property
    def differentiable(self) -> bool:
        """Whether the array can have a gradient. Only numbers can, and not those that are constant."""
        return self.spec.kind == "float"

    def sample(self, seed: int, name: str) -> np.ndarray:
        """The array, float32, int32 or bool; the same for the same seed and name on every machine."""


def _generator(seed: int, name: str) -> np.random.Generator:
    """The stream of random numbers that belongs to a seed and a name."""
    key = int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key))


def _gaussian(shape: Shape, mean: float, std: float, seed: int, name: str) -> np.ndarray:
    drawn = _generator(seed, name).standard_normal(shape, dtype=np.float32)
    return np.float32(mean) + np.float32(std) * drawn


def _angles(shape: tuple[int, int], base: int) -> np.ndarray:
    """Position times frequency; from pair to pair the frequency falls from 1 towards 1 / base."""
    tokens, pairs = shape
    return np.arange(tokens)[:, None] * float(base) ** (-np.arange(pairs) / pairs)


@dataclass(frozen=True)
class Normal(Draw):
    """Normally distributed numbers."""

    shape: Shape
    mean: float = 0.0
    std: float = 1.0

    @property
    def spec(self) -> Spec:
        return Spec(self.shape)

    def sample(self, seed: int, name: str) -> np.ndarray:
        return _gaussian(self.shape, self.mean, self.std, seed, name)


@dataclass(frozen=True)
class RunningStatistic(Draw):
    """Normally distributed constants, in place of what training has left behind."""

    shape: Shape
    mean: float
    std: float

    @property
    def spec(self) -> Spec:
        return Spec(self.shape, "constant")

    def sample(self, seed: int, name: str) -> np.ndarray:
        return _gaussian(self.shape, self.mean, self.std, seed, name)


@dataclass(frozen=True)
class Constant(Draw):
    """Normally distributed numbers that get no gradient."""

    shape: Shape

    @property
    def spec(self) -> Spec:
        return Spec(self.shape, "constant")

    def sample(self, seed: int, name: str) -> np.ndarray:
        return _gaussian(self.shape, 0.0, 1.0, seed, name)


@dataclass(frozen=True)
class Cotangent(Draw):
    """Normally distributed constants: the gradient that arrives at an output, from which a backward pass starts."""

    shape: Shape

    @property
    def spec(self) -> Spec:
        return Spec(self.shape, "constant")

    def sample(self, seed: int, name: str) -> np.ndarray:
        return _gaussian(self.shape, 0.0, 1.0, seed, name)


@dataclass(frozen=True)
class Cosines(Draw):
    """Cosines [tokens, pairs] of the angles of rotary embedding."""

    shape: tuple[int, int]
    base: int

    @property
    def spec(self) -> Spec:
        return Spec(self.shape, "constant")

    def sample(self, seed: int, name: str) -> np.ndarray:
        cosines: np.ndarray = np.cos(_angles(self.shape, self.base))
        return cosines.astype(np.float32)


@dataclass(frozen=True)
class Sines(Draw):
    """Sines [tokens, pairs] of the angles of rotary embedding."""

    shape: tuple[int, int]
    base: int

    @property
    def spec(self) -> Spec:
        return Spec(self.shape, "constant")

    def sample(self, seed: int, name: str) -> np.ndarray:
        sines: np.ndarray = np.sin(_angles(self.shape, self.base))
        return sines.astype(np.float32)


@dataclass(frozen=True)
class Integers(Draw):
    """Integers in [0, high), all equally likely."""

    shape: Shape
    high: int

    @property
    def spec(self) -> Spec:
        return Spec(self.shape, "int")

    def sample(self, seed: int, name: str) -> np.ndarray:
        return _generator(seed, name).integers(0, self.high, self.shape, dtype=np.int32)


@dataclass(frozen=True)
class Positions(Draw):
    """0, 1, ..., length - 1."""

    length: int

    @property
    def spec(self) -> Spec:
        return Spec((self.length,), "int")

    def sample(self, seed: int, name: str) -> np.ndarray:
        return np.arange(self.length, dtype=np.int32)


@dataclass(frozen=True)
class Mask(Draw):
    """Truth values, each true with that probability."""

    shape: Shape
    probability: float

    @property
    def spec(self) -> Spec:
        return Spec(self.shape, "bool")

    def sample(self, seed: int, name: str) -> np.ndarray:
        return _generator(seed, name).random(self.shape, dtype=np.float32) < self.probability


@dataclass(frozen=True)
class Padding(Draw):
    """Truth values [rows, length] that are true on the first entries of each row, half of them or more."""

    shape: tuple[int, int]

    @property
    def spec(self) -> Spec:
        return Spec(self.shape, "bool")

    def sample(self, seed: int, name: str) -> np.ndarray:
        rows, length = self.shape
        lengths = _generator(seed, name).integers((length + 1) // 2, length + 1, (rows, 1))
        return np.arange(length) < lengths


def normal(*shape: int, std: float = 1.0) -> Normal:
    """Normally distributed numbers with mean zero."""
    return Normal(shape, std=std)


def he(*shape: int) -> Normal:
    """Weights before a rectifier: variance 2 / fan-in, the fan-in being all axes but the last (He et al. 2015)."""
    return Normal(shape, std=math.sqrt(2 / math.prod(shape[:-1])))


def lecun(*shape: int) -> Normal:
    """Weights without a rectifier behind them: variance 1 / fan-in (LeCun et al. 1998)."""
    return Normal(shape, std=math.sqrt(1 / math.prod(shape[:-1])))


def bias(n: int) -> Normal:
    """A bias: normally distributed, small against the values that it shifts."""
    return Normal((n,), std=0.02)


def scale(n: int, mean: float = 1.0) -> Normal:
    """A factor around one, or around `mean`."""
    return Normal((n,), mean=mean, std=0.1 * mean)


def running_mean(n: int) -> RunningStatistic:
    """A batch norm's mean, for inference."""
    return RunningStatistic((n,), mean=0.0, std=0.1)


def running_variance(n: int) -> RunningStatistic:
    """A batch norm's variance, for inference: around one, ten standard deviations from zero."""
    return RunningStatistic((n,), mean=1.0, std=0.1)


def integers(*shape: int, high: int) -> Integers:
    """Labels or token ids in [0, high)."""
    return Integers(shape, high)


def positions(n: int) -> Positions:
    """0, 1, ..., n - 1."""
    return Positions(n)


def rotation(tokens: int, pairs: int, base: int) -> tuple[Cosines, Sines]:
    """Cosines and sines [tokens, pairs] of the angles t base^(-i / pairs) of rotary embedding (Su et al. 2021)."""
    return Cosines((tokens, pairs), base), Sines((tokens, pairs), base)


def kept(*shape: int, rate: float) -> Mask:
    """What dropout of that rate lets pass."""
    return Mask(shape, 1 - rate)


def padding(rows: int, length: int) -> Padding:
    """Which tokens of a padded batch are real: at least half of each row, from its start."""
    return Padding((rows, length))
