"""The share of backward that a reduction costs, from cycles in which it is known."""

from __future__ import annotations

import numpy as np
import pytest

from harness.records.calibration import ASSUMED
from harness.records.exposed_communication import by_framework, exposed, share_with_interval


def cycles(share: float, count: int = 80) -> dict[str, list[float]]:
    """Cycles whose backward pass takes between 10 and 20 ms, of which that share is the reduction."""
    drawn = np.random.default_rng(0)
    backward = drawn.uniform(0.01, 0.02, count)
    noise = np.exp(drawn.normal(0, 0.01, count))
    return {"backward": list(backward), "backward_local": list(backward * (1 - share) * noise)}


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_it_is_the_share_that_was_planted_with_an_interval_around_it(share: float) -> None:
    metrics = exposed([cycles(share)], ASSUMED)
    assert metrics["exposed_communication"] == pytest.approx(share, abs=0.01)
    assert metrics["exposed_communication_low"] < share < metrics["exposed_communication_high"]


def test_where_nothing_is_reduced_there_is_none() -> None:
    assert exposed([{"backward": [0.1] * 20}], ASSUMED) == {}
    assert share_with_interval({}) == ""


def test_it_is_written_with_its_ends() -> None:
    metrics = {"exposed_communication": 0.234, "exposed_communication_low": -0.01, "exposed_communication_high": 0.3}
    assert share_with_interval(metrics) == "23% (-1% to 30%)"
    assert share_with_interval({"exposed_communication": 0.234}) == "23%"


def test_the_frameworks_own_share_is_what_outlasts_the_gradients() -> None:
    """Of 30 ms, 20 pass while gradients are still computed, which takes 40 ms in all."""
    own = by_framework({"reduction": 0.03, "overlap": 0.02, "compute": 0.04})
    assert own == pytest.approx({"reduction_ms": 30, "reduction_overlap_ms": 20, "exposed_by_framework": 0.2})
    assert by_framework({}) == {}
