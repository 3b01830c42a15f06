"""Records without a measurement, and records and a self-check of a simulated program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.records.calibration import Calibration, Spread
from harness.records.record import Record
from tests.helpers.records import failed, judged, record, variant

__all__ = ["failed", "judged", "record", "variant"]


@pytest.fixture
def measured(record: Callable[..., Record]) -> Callable[..., Record]:
    """A record of five trials of 192 pairs: forward 7 ms, backward 13 ms times `slower`, 1 % between processes."""

    def make(seed: int, slower: float = 1.0, **changes: Any) -> Record:
        generator = np.random.default_rng(seed)
        trials = []
        for _ in range(5):
            offset = generator.normal(0, 0.003)
            forward = 0.007 * np.exp(generator.normal(0, 0.03, 192))
            backward = 0.013 * slower * np.exp(offset + generator.normal(0, 0.03, 192))
            trials.append({"seconds": {"forward": list(forward), "backward": list(backward)}})
        return record(samples=trials, **changes)

    return make


@pytest.fixture
def sharp(measured: Callable[..., Record]) -> Calibration:
    """A self-check of that program on a machine whose processes hardly differ."""
    checked = measured(1)
    sigma = dict.fromkeys(("ratio", "marginal", "inference", "forward", "backward", "gradient"), 0.002)
    spreads = {checked.variant: Spread(sigma, 20, 19)}
    return Calibration("m", "2026", checked.workload, checked.threads, spreads, "noise floor: low")
