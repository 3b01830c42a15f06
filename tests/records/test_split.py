"""When forward and backward are marked as not what a training step runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.records.record import Record
from harness.records.split import differs, remark
from tests.helpers.claims import split


@pytest.mark.parametrize(
    ("bounds", "marked"),
    [
        ((0.95, 1.00, 1.05), False),
        ((1.16, 1.20, 1.24), True),
        ((1.14, 1.20, 1.26), False),  # it may lie inside
        ((0.80, 0.85, 0.89), True),
        ((0.85, 0.88, 0.91), False),
    ],
)
def test_it_is_marked_where_all_of_its_interval_lies_outside(
    record: Callable[..., Record], bounds: tuple[float, float, float], marked: bool
) -> None:
    assert differs(record(metrics=split(*bounds))) == marked


@pytest.mark.parametrize(("gradient_ms", "marked"), [(0.5, False), (0.6, True)])
def test_what_a_second_call_takes_by_itself_is_no_difference(
    record: Callable[..., Record], gradient_ms: float, marked: bool
) -> None:
    """A quarter of a millisecond of 0.5 ms is half of it, and of 0.6 ms less than is seen here."""
    assert differs(record(metrics=split(1.45, 1.5, 1.55, gradient_ms))) == marked
    assert differs(record(metrics=split(0.45, 0.5, 0.55, gradient_ms))) == marked


def test_a_record_without_an_interval_is_not_marked(record: Callable[..., Record]) -> None:
    assert not differs(record())


def test_the_reason_is_given_where_other_multiplies_run(record: Callable[..., Record]) -> None:
    """A checkpoint that a compiler merges where forward and backward are one program."""
    made = record(metrics=split(1.2, 1.3, 1.4) | {"executed_backward_matmuls": 7, "executed_gradient_matmuls": 8})
    assert remark(made).endswith("apart they execute 3 + 7 multiplies, and 8 in one program")
    made.phases["gradient"].matmuls = 10
    assert remark(made).endswith("why is not known")
