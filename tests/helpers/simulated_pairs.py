"""Simulated measurements: pair noise, slow drift, bursts and process offsets."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from harness.measure.stats import within


def simulate(
    rng: np.random.Generator,
    processes: tuple[int, ...],
    pairs: int,
    offset: float = 0.0,
    every: int = 1,
    noise: float = 0.085,
    wander: float = 0.013,
    bursts: float = 0.02,
) -> np.ndarray:
    """ln ratios [*processes, pairs] as measured: AR(1) drift over about 28 pairs, and rare bursts that hit one phase.

    `every`: only n-th pair belongs to this cell, the others to cells interleaved with it.
    """
    shape = (*processes, pairs)
    phi = math.exp(-every / 28)
    slow = rng.standard_normal(shape)
    for i in range(1, pairs):
        slow[..., i] = phi * slow[..., i - 1] + math.sqrt(1 - phi**2) * slow[..., i]
    burst = (rng.random(shape) < bursts) * rng.choice([-1, 1], shape) * rng.exponential(0.5, shape)
    place = offset * rng.standard_normal((*processes, 1))
    return noise * rng.standard_normal(shape) + wander * slow + burst + place


def centres_and_errors(trials: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    each = [within(x) for x in trials]
    return np.array([e.centre for e in each]), np.array([e.se for e in each])


def differences(old: Iterable[np.ndarray], new: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    (a, se_a), (b, se_b) = centres_and_errors(old), centres_and_errors(new)
    return b - a, np.hypot(se_a, se_b)
