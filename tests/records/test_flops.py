"""FLOPs that ran, and those asked for."""

from __future__ import annotations

import pytest

from harness.records.flops import ratios
from harness.records.record import Phase


@pytest.mark.parametrize(
    ("forward", "backward", "ratio"),
    [
        (None, None, 11 / 6),  # not counted
        (6, 17, 17 / 6),  # a checkpoint
        (6, 4, 11 / 6),  # the rest is no multiply in XLA
    ],
)
def test_the_ratio_is_of_what_ran_beside_what_was_asked(
    forward: int | None, backward: int | None, ratio: float
) -> None:
    phases = {"forward": Phase(flops=forward, asked_flops=6), "backward": Phase(flops=backward, asked_flops=11)}
    assert ratios(phases) == {"ratio_flops": ratio, "ratio_flops_asked": 11 / 6}


def test_what_multiplies_nothing_has_no_ratio() -> None:
    assert ratios({"forward": Phase(asked_flops=0), "backward": Phase(asked_flops=0)}) == {}


def test_a_rate_is_of_what_ran() -> None:
    assert Phase(ms=2.0, flops=5_000_000, asked_flops=4_000_000).gflops == 2.5
    assert Phase(flops=5_000_000).gflops is None


def test_without_a_trace_the_ratio_is_of_what_ran_alone() -> None:
    assert ratios({"forward": Phase(flops=6), "backward": Phase(flops=11)}) == {"ratio_flops": 11 / 6}
