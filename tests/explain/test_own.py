"""The table of a user's own model: what is joined, in which order, and what is said below it."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from adapters.profiled import OpTimes
from harness.explain.own import NO_OP, OTHERS, OwnExplanation, explanation
from harness.measure.protocol import OwnInPlace

TIMED = {"forward": 100.0, "backward": 200.0}  # milliseconds


def of(*ops: OpTimes) -> OwnExplanation:
    """The explanation of ops whose seconds are these."""
    return explanation(OwnInPlace([asdict(op) for op in ops]), TIMED)


def op(name: str, forward_ms: float, backward_ms: float, shape: str = "", callers: tuple[str, ...] = ()) -> OpTimes:
    return OpTimes(name, shape, callers, 1, forward_ms / 1e3, backward_ms / 1e3)


def test_the_dearest_come_first_small_ones_are_joined_and_what_belongs_to_no_op_stands_alone() -> None:
    told = of(op("", 0, 1), op("tiny", 1, 1), op("dear", 20, 90), op("cheap", 30, 3), op("other", 1.5, 2))
    assert [row.op for row in told.rows] == ["dear", "cheap", OTHERS, NO_OP]
    assert told.rows[0].cells() == ["dear", "", "1", "20", "20.0", "90", "45.0", "4.50", ""]
    assert (told.rows[2].count, told.rows[2].forward_ms, told.rows[2].backward_ms) == (2, 2.5, 3)
    assert told.rows[3].cells() == [NO_OP, "", "1", "0", "0.0", "1", "0.5", "", ""]


def test_an_op_that_is_small_in_each_of_its_shapes_has_a_row_for_all() -> None:
    told = of(*(op("norm", 1, 1, shape, (shape, "all")) for shape in "abc"), op("tiny", 1, 1))
    assert [row.op for row in told.rows] == ["norm", OTHERS]
    assert told.rows[0].cells()[:4] == ["norm", "3 shapes", "3", "3"]
    assert told.rows[0].cells()[-1] == "a, all, 2 more"


@pytest.mark.parametrize(
    ("forward_ms", "says"),
    [
        (
            126,
            ["the profiler slows the ops of forward, or other programs did so meanwhile"],
        ),
        (124, []),
        (79, ["the rest of forward is spent between the ops"]),
    ],
)
def test_what_the_rows_add_up_to_is_told_and_what_that_means(forward_ms: float, says: list[str]) -> None:
    sums, *rest = of(op("a", forward_ms, 200)).says
    assert sums == f"in place, under a profiler, the ops add up to {forward_ms}% of forward and 100% of backward"
    assert all(text.startswith(start) for text, start in zip(rest, says, strict=True))


def test_shares_are_of_all_ops_where_these_take_longer_than_the_timed_pass() -> None:
    told = of(op("a", 300, 50), op("b", 100, 50))
    assert [(row.forward_share, row.backward_share) for row in told.rows] == [(0.75, 0.25), (0.25, 0.25)]


def test_it_is_read_as_it_was_written() -> None:
    told = of(op("a", 50, 50, "2x3", ("b",)))
    assert OwnExplanation.from_dict(json.loads(json.dumps(told.as_dict()))) == told
