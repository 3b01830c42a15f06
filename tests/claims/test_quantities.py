"""Numbers out of records, by hand: phases added up, and the interval of one record or of two."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from scipy.special import stdtrit

from harness.claims.quantities import flops, time_ratio
from harness.measure.stats import moderated, within
from harness.records.calibration import Calibration, Spread, assumed
from harness.records.record import Record
from tests.helpers.jobs import PLAIN

PACES = [1.0, 1.9, 0.7, 1.3] * 6  # of each pair; all phases of a cycle share it
UNEVEN = [1.0, 1.2, 0.9, 1.1, 1.05, 0.95] * 4  # by which the first phase of a trial is off its pace
KNOWN = Calibration(
    "here", "2026", PLAIN.workload, 2, {"torch-eager": Spread({"ratio": 0.01, "marginal": 0.03}, 20, 19)}, ""
)


def trial(uneven: Sequence[float] = (1.0,), **milliseconds: float) -> dict[str, dict[str, list[float]]]:
    """Seconds of each phase; the first one varies by itself as well."""
    first = next(iter(milliseconds))
    off = {first: list(uneven) * (len(PACES) // len(uneven))}
    return {
        "seconds": {
            phase: [1e-3 * value * pace * by for pace, by in zip(PACES, off.get(phase, [1.0] * 24), strict=True)]
            for phase, value in milliseconds.items()
        }
    }


def bounds(number: Any) -> Any:
    return number.low, number.centre, number.high


def around(centre: float, sigma: float, df: float, processes: int = 1) -> Any:
    """The interval where pairs agree, from what differs between processes: of as many that agree."""
    own = math.sqrt(df * sigma**2 / (df + processes - 1) / processes)
    half = stdtrit(df + processes - 1, 0.975) * own
    return pytest.approx((centre * math.exp(-half), centre, centre * math.exp(half)))


@pytest.mark.parametrize(
    ("of", "over", "ratio", "kind"),
    [
        (("backward",), ("forward",), 5 / 2, "ratio"),
        (("backward", "update"), ("forward",), 12 / 2, "ratio"),
        (("update", "backward"), ("forward",), 12 / 2, "ratio"),
        (("update",), ("forward", "backward"), 7 / 7, "ratio"),
        (("gradient",), ("inference",), 11 / 3, "marginal"),
    ],
)
def test_phases_are_added_up_and_their_spread_is_that_of_their_kind(
    record: Callable[..., Record],
    of: tuple[str, ...],
    over: tuple[str, ...],
    ratio: float,
    kind: str,
) -> None:
    made = record(samples=[trial(inference=3, forward=2, backward=5, gradient=11, update=7)])
    found = time_ratio([made], of, over, KNOWN)
    assert bounds(found) == around(ratio, KNOWN.spreads["torch-eager"].sigma[kind], 19)


def test_the_spread_of_the_programs_inference_is_not_that_of_its_ratio(record: Callable[..., Record]) -> None:
    made = record(samples=[trial(inference=3, forward=2, gradient=11)])
    narrow, wide = (time_ratio([made], ("gradient",), over, KNOWN) for over in (("forward",), ("inference",)))
    assert math.log(wide.high / wide.low) == pytest.approx(3 * math.log(narrow.high / narrow.low))


def test_two_records_have_the_spread_of_both_and_the_lesser_weight(record: Callable[..., Record]) -> None:
    one = record(samples=[trial(forward=2, backward=6)] * 3)
    other = record(samples=[trial(forward=2, backward=5)] * 2, execution="compile")  # which was not checked
    found = time_ratio([one, other], ("backward",), ("forward",), KNOWN)
    assert bounds(found) == around(6 / 5, math.hypot(0.01, 0.02), 4, processes=2)
    swapped = time_ratio([other, one], ("backward",), ("forward",), KNOWN)
    assert bounds(swapped) == around(5 / 6, math.hypot(0.01, 0.02), 4, processes=2)


def test_the_errors_inside_both_processes_count(record: Callable[..., Record]) -> None:
    uneven = record(samples=[trial(UNEVEN, forward=2, backward=6)])
    other = record(samples=[trial(UNEVEN[::-1], forward=2, backward=5)])
    inside = [within([-math.log(by) for by in each]) for each in (UNEVEN, UNEVEN[::-1])]
    expected = moderated(
        [inside[0].centre - inside[1].centre + math.log(6 / 5)],
        [math.hypot(inside[0].se, inside[1].se)],
        math.hypot(0.01, 0.01),
        19,
    ).interval(0.95, "")
    found = time_ratio([uneven, other], ("backward",), ("forward",), KNOWN)
    assert inside[0].se > 0.01
    assert bounds(found) == pytest.approx((expected.low, expected.centre, expected.high))


def test_too_few_pairs_have_no_interval(record: Callable[..., Record]) -> None:
    short = {"seconds": {"forward": [1.0] * 7, "backward": [2.0] * 7}}
    found = time_ratio([record(samples=[short])], ("backward",), ("forward",), assumed("here"))
    assert not found.known and "too few pairs" in found.missing


def test_flops_of_phases_are_added_up_and_a_phase_without_is_named(record: Callable[..., Record]) -> None:
    made = record(metrics={"executed_forward_flops": 300.0, "executed_backward_flops": 500.0})
    assert bounds(flops(made, ("forward", "backward"))) == (800, 800, 800)
    assert bounds(flops(made, ("backward",))) == (500, 500, 500)
    assert flops(made, ("backward", "tangent")).missing == "it has no flops of tangent"
