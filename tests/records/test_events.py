"""The framework's events on the GPU beside CUPTI's time, in a record and below a table."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.measure.device_numbers import DeviceNumbers
from harness.measure.protocol import DeviceClock
from harness.records.device_time import add_to, events_differ
from harness.records.metrics import METRICS
from harness.records.record import Phase, Record
from harness.views.notes import notes

FORWARD_S, BACKWARD_S = 0.002, 0.004


def measured(forward_s: float, backward_s: float, with_cupti: bool = True) -> tuple[dict[str, Phase], dict[str, float]]:
    """Phases and metrics of a variant, of which the events say these times."""
    busy = {"forward": FORWARD_S, "backward": BACKWARD_S} if with_cupti else {}
    clock = DeviceClock({}, {"forward": forward_s, "backward": backward_s}, busy, dict.fromkeys(busy, 3))
    phases = {"forward": Phase(ms=3.0), "backward": Phase(ms=6.0)}
    return phases, add_to(phases, DeviceNumbers(clock=clock))


@pytest.mark.parametrize("with_cupti", [True, False])
def test_the_times_of_events_are_numbers_of_their_own(with_cupti: bool) -> None:
    phases, metrics = measured(0.0021, 0.005, with_cupti)
    assert metrics["forward_events_ms"] == 2.1 and metrics["backward_events_ms"] == 5.0
    assert phases["backward"].device_ms == (4.0 if with_cupti else None)
    assert metrics.keys() <= METRICS.keys()


@pytest.mark.parametrize(
    ("forward_s", "backward_s", "said"),
    [
        (FORWARD_S, BACKWARD_S, ""),
        (1.09 * FORWARD_S, 0.91 * BACKWARD_S, ""),
        (1.23 * FORWARD_S, BACKWARD_S, "forward +23%"),
        (1.23 * FORWARD_S, 0.8 * BACKWARD_S, "forward +23% and backward -20%"),
    ],
)
def test_a_difference_of_more_than_a_tenth_is_told(
    record: Callable[..., Record], forward_s: float, backward_s: float, said: str
) -> None:
    made = record()
    made.phases, metrics = measured(forward_s, backward_s)
    made.metrics |= metrics
    assert events_differ(made) == said
    told = [note.sentence for note in notes([made], ["mlp torch eager"]) if "events" in note.sentence]
    sentence = f"the framework's events on the GPU do not bear out its time by CUPTI: mlp torch eager, {said}"
    assert told == ([sentence] if said else [])


def test_nothing_is_told_where_one_of_the_two_is_not_known(record: Callable[..., Record]) -> None:
    made = record()
    made.phases, metrics = measured(9 * FORWARD_S, BACKWARD_S, with_cupti=False)
    made.metrics |= metrics
    assert events_differ(made) == events_differ(record()) == ""
