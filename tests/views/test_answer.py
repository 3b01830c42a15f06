"""The sentence that answers the question, from records whose numbers are known."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.records.record import Record
from harness.views.answer import answer
from harness.views.table import Table

BELOW, ABOVE, STRADDLING = (1.7, 1.8, 1.9), (2.2, 2.4, 2.6), (1.9, 2.05, 2.2)
WIDE = (0.38, 9.8, 253.0)


@pytest.mark.parametrize(
    ("ratios", "found"),
    [
        ([BELOW, BELOW], "of 2 variants, 2 lie below 2, 0 above, and 0 cannot be told apart from 2"),
        ([ABOVE, ABOVE, ABOVE], "of 3 variants, 0 lie below 2, 3 above, and 0 cannot be told apart from 2"),
        ([STRADDLING], "it takes 2.05 times as long, which may or may not be 2 (95 % interval 1.90 to 2.20)"),
        ([BELOW], "it takes 1.80 times as long, which is below 2 (95 % interval 1.70 to 1.90)"),
        ([ABOVE], "it takes 2.40 times as long, which is above 2 (95 % interval 2.20 to 2.60)"),
        ([ABOVE, BELOW, STRADDLING], "of 3 variants, 1 lies below 2, 1 above, and 1 cannot be told apart from 2"),
    ],
)
def test_the_answer_counts_intervals_not_point_values(
    record: Callable[..., Record], ratios: list[tuple[float, float, float]], found: str
) -> None:
    assert found in answer([record(ratio=ratio) for ratio in ratios])


@pytest.mark.parametrize("bounds", [(2.0, 2.1, 2.2), (1.8, 1.9, 2.0)])
def test_an_interval_that_touches_2_cannot_be_told_from_it(
    record: Callable[..., Record], bounds: tuple[float, float, float]
) -> None:
    assert "which may or may not be 2" in answer([record(ratio=bounds)])
    assert "0 lie below 2, 0 above, and 2 cannot be told" in answer([record(ratio=bounds), record(ratio=bounds)])


def test_what_has_no_telling_interval_is_named_in_the_answer_and_not_counted(record: Callable[..., Record]) -> None:
    few = record(execution="few")
    del few.metrics["ratio_low"], few.metrics["ratio_high"]
    said = Table.of([record(ratio=BELOW), few, record(ratio=ABOVE), record(ratio=WIDE, execution="wide")]).answer
    assert "takes 1.80 to 2.40 times as long: of 2 variants, 1 lies below 2, 1 above, and 0 cannot be told" in said
    assert said.endswith("Left out: 2 variants without a usable interval (mlp torch few and mlp torch wide).")
    assert "Left out: 1 variant without" in answer([record(ratio=BELOW), few])
    assert answer([few, few]).startswith("Nothing was measured long enough")


def test_the_answer_gives_the_range_of_ratios_the_flops_and_the_machine(record: Callable[..., Record]) -> None:
    records = [record(ratio=ABOVE, metrics={"ratio_flops": 1.9, "ratio_flops_asked": 1.9}), record(ratio=BELOW)]
    said = answer(records)
    assert "By FLOPs it is 1.67 to 1.90 times;" in said
    assert "takes 1.80 to 2.40 times" in said
    assert "measured on Quick 3000 with 2 threads, it takes" in said
    assert "By FLOPs it is 1.67 times;" in answer([records[1]])
    assert "it takes 1.80 times as long, which is below 2" in answer([records[1]])


def test_on_a_gpu_the_answer_names_it(record: Callable[..., Record]) -> None:
    made = record(device="cuda", machine={"cpu": "Quick 3000", "gpus": ["Big 1"]})
    assert "measured on Big 1, it" in answer([made])


@pytest.mark.parametrize("outcome", ["invalid", "unsupported", "oom", "timeout", "crashed", "error"])
def test_only_what_was_measured_counts(
    record: Callable[..., Record], failed: Callable[..., Record], outcome: str
) -> None:
    failure = failed(outcome, "a reason")
    assert answer([failure, record(ratio=BELOW)]) == answer([record(ratio=BELOW)])
    assert answer([failure]) == answer([]) == "Nothing was measured, so there is no answer."
