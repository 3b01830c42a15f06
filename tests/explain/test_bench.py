"""A bench keeps every program of a variant; one that fails takes no other with it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.explain import bench
from harness.explain.bench import Bench, Source
from harness.job import Device, Measure
from harness.measure.launch import Conditions, Launch
from harness.measure.protocol import Failure
from harness.workload.workload import Workload, save

OPS = ("linear", "relu", "tanh")

Made = Callable[[str], Bench[str]]  # of an execution


@pytest.fixture
def make(fake_python: str, tmp_path: Path) -> Made:
    def run(execution: str) -> Bench[str]:
        launch = Launch("planted", execution, {}, fake_python, tmp_path / "log")
        cpus = sorted(os.sched_getaffinity(0))
        measure = Measure("quick", 1, 0.02, 8.0, 5.0, 60.0)
        return Bench(launch, Conditions(Device("cpu", 1, "kept"), measure, "fp32", cpus, tmp_path))

    return run


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Source]:
    workloads = {op: Workload.of("op", {"op": op}) for op in OPS}
    return {
        op: Source(save(workload, tmp_path / op, solve=False), workload.graph) for op, workload in workloads.items()
    }


def test_every_program_that_was_loaded_can_be_timed_in_any_order(make: Made, sources: dict[str, Source]) -> None:
    with make("honest") as programs:
        programs.load(sources)
        seconds = {op: programs.warm(op).seconds["forward"] for op in (*OPS, *OPS)}
    assert len(set(seconds.values())) == len(OPS), "each has its own time"


def test_one_that_cannot_be_loaded_is_told_when_it_is_required(make: Made, sources: dict[str, Source]) -> None:
    with make("no_relu") as programs:
        programs.load(sources)
        programs.require("tanh")
        with pytest.raises(Failure, match="no relu alone"):
            programs.require("relu")
        assert programs.warm("linear").seconds and programs.warm("tanh").seconds


@pytest.mark.parametrize("takes_turns", [False, True])
def test_the_other_programs_of_a_process_that_dies_are_loaded_anew(
    takes_turns: bool, make: Made, sources: dict[str, Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "OP_BY_OP", ("dies",) if takes_turns else ())
    with make("dies") as programs:
        assert programs.takes_turns == takes_turns
        programs.load(sources)
        assert "exit code 1" in programs.in_place("relu", 1).reason
        assert set(programs.failures) == {"relu"}
        assert programs.warm("linear").seconds and programs.warm("tanh").seconds


def test_programs_take_turns_where_ops_are_called_one_by_one_on_a_cpu_only(fake_python: str, tmp_path: Path) -> None:
    measure = Measure("quick", 1, 0.02, 8.0, 5.0, 60.0)
    takes_turns = {
        (execution, device): Bench[str](
            Launch("planted", execution, {}, fake_python, tmp_path / "log"),
            Conditions(Device(device, 1, "kept"), measure, "fp32", [0], tmp_path),
        ).takes_turns
        for execution in ("eager", "jit")
        for device in ("cpu", "cuda")
    }
    assert [pair for pair, turns in takes_turns.items() if turns] == [("eager", "cpu")]
