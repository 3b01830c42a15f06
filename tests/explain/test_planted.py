"""Slowdowns that were planted are named: a whole replay, in real processes of a framework that only takes time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from harness.explain import bench, report
from harness.explain.calls import saved_tiny
from harness.explain.factors import Explained, explain
from harness.explain.in_place import Compared, compare
from harness.explain.parts import Part, distinct_parts
from harness.explain.replay import Replay, replay
from harness.job import Device, Measure, Variant
from harness.measure.launch import Conditions, Launch
from harness.workload.workload import Workload, save

NETWORK = Workload.of("mlp", {"batch": 64, "depth": 3, "width": 64})
CPU = Device("cpu", 1, "kept")

EXECUTIONS = ("honest", "slow_dw", "copies", "multiplies", "fused", "no_relu", "slow_in_place", "blind", "dies")

Measured = Callable[[str], tuple[Replay, Explained]]  # of an execution


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[Part, Path], dict[str, Path]]:
    root = tmp_path_factory.mktemp("workloads")
    parts = distinct_parts(NETWORK)
    return (
        save(NETWORK, root / "whole", solve=False),
        {part: save(part.workload, root / f"part{i}", solve=False) for i, part in enumerate(parts)},
        saved_tiny("fp32", root),
    )


@pytest.fixture(scope="module", params=["again and again", "in turn"])
def measured(
    folders: tuple[Path, dict[Part, Path], dict[str, Path]],
    fake_python: str,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Measured]:
    """Each execution is replayed once: times by the framework's own clock, in a few seconds of this machine's."""
    folder = tmp_path_factory.mktemp("replay")

    @cache
    def run(execution: str) -> tuple[Replay, Explained]:
        launch = Launch("planted", execution, {}, fake_python, folder / f"log-{execution}")
        cpus = sorted(os.sched_getaffinity(0))
        conditions = Conditions(CPU, Measure("quick", 1, 0.02, 8.0, 5.0, 60.0), "fp32", cpus, folder)
        found = replay(launch, conditions, *folders)
        return found, explain(found, list(folders[1]))

    with pytest.MonkeyPatch.context() as patched:
        if request.param == "in turn":
            patched.setattr(bench, "OP_BY_OP", EXECUTIONS)
            patched.setattr("harness.explain.replay.PARTS_S", 0.6)
            patched.setattr("harness.explain.replay.WHOLE_S", 0.2)
        yield run


@pytest.mark.parametrize(("execution", "factor"), [("slow_dw", "dW"), ("copies", "forward"), ("multiplies", "dX")])
def test_a_planted_slowdown_is_the_largest_factor(execution: str, factor: str, measured: Measured) -> None:
    _, explained = measured(execution)
    assert explained.largest.name == factor
    assert explained.largest.part is not None and explained.largest.part.op == "linear"
    said = report.line(explained, Variant("planted", "eager"))
    assert f"largest: {factor}, most of it linear 64x64 64x64 64" in said


def test_parts_of_an_honest_framework_add_up_and_leave_nothing_unexplained(
    measured: Measured,
) -> None:
    found, explained = measured("honest")
    assert explained.forward_share == pytest.approx(1, abs=0.1)
    assert explained.backward_share == pytest.approx(1, abs=0.1)
    (flops, *_, rest) = explained.factors
    assert flops.value == pytest.approx(5 / 3)
    assert rest.value == pytest.approx(1, abs=0.1)
    assert not report.flags(found, explained, Variant("planted", "eager"), CPU)


def test_an_op_that_cannot_be_replayed_is_listed_with_the_reason_and_the_others_are_measured(
    measured: Measured,
) -> None:
    found, explained = measured("no_relu")
    assert {part.op: reason for part, reason in found.failures.items()} == {"relu": "planted: it has no relu alone"}
    assert {part.op for part in found.timed} == {"linear", "cross_entropy"}
    assert explained.forward_share < 1


def test_what_a_compiler_leaves_out_is_fusion(measured: Measured) -> None:
    _, explained = measured("fused")
    assert explained.factors[-1].name == "rest"
    assert explained.forward_share > 1.05
    assert "(fusion)" in report.line(explained, Variant("planted", "jit"))


def rows_of(found: Replay, explained: Explained) -> list[Compared]:
    return list(compare(explained.net, found).rows)


def test_a_dw_that_is_slow_in_the_whole_run_alone_is_the_one_that_differs_in_place(measured: Measured) -> None:
    found, explained = measured("slow_in_place")
    rows = rows_of(found, explained)
    assert {row.direction for row in rows if row.op == "linear"} == {"forward", "dX", "dW"}
    assert {(row.op, row.direction) for row in rows if row.differs} == {("linear", "dW")}
    assert all(row.in_place_ms / row.alone_ms == pytest.approx(2, rel=0.15) for row in rows if row.differs)
    assert any("differ by more than a quarter" in text for text in compare(explained.net, found).says)


def test_a_profiler_that_slows_a_pass_tells_no_difference_of_its_ops(measured: Measured) -> None:
    found, explained = measured("slow_in_place")
    slowed = {
        number: {name: (1 if name == "forward" else 2) * seconds for name, seconds in times.items()}
        for number, times in found.in_place.seconds.items()
    }
    comparison = compare(explained.net, replace(found, in_place=replace(found.in_place, seconds=slowed)))
    assert not any(row.differs for row in comparison.rows if row.direction != "forward")
    assert any(text.startswith("the profiler slows the ops of backward") for text in comparison.says)


def test_an_honest_framework_is_the_same_alone_and_in_place(measured: Measured) -> None:
    found, explained = measured("honest")
    assert rows_of(found, explained)
    assert not any(row.differs for row in rows_of(found, explained))
    (sums,) = compare(explained.net, found).says
    assert "add up to 9" in sums


@pytest.mark.parametrize(
    ("execution", "reason"),
    [("blind", "planted blind does not show the times of its ops"), ("dies", "exit code 1")],
)
def test_a_profiler_that_is_missing_or_fails_costs_what_it_would_show_and_no_more(
    execution: str, reason: str, measured: Measured
) -> None:
    found, explained = measured(execution)
    assert len(found.timed) == len(distinct_parts(NETWORK))
    comparison = compare(explained.net, found)
    assert not comparison.rows
    assert reason in comparison.says[0]
