"""Runs a user's own model as a worker does, in this process: its reference, then load, verify and count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from adapters.profiled import OpTimes
from harness.measure.child import Session
from harness.workload.own import OwnWorkload, write_own

MODELS = Path(__file__).parents[1] / "own"


@dataclass
class Run:
    """What a worker answers."""

    loaded: dict[str, Any]
    verified: dict[str, Any]
    counted: dict[str, Any]


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """The current directory, which is where models are looked for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


def written(
    folder: Path, factories: dict[str, str], frozen: str = "", precision: str = "fp32", **arguments: Any
) -> OwnWorkload:
    """The workload of some factories, in its folder; the current directory of its user is `tests/own`."""
    with inside(MODELS):
        workload = OwnWorkload.of({**factories, "arguments": arguments}, frozen=frozen, precision=precision)
    write_own(workload, folder)
    return workload


def session(framework: str, precision: str = "fp32") -> Session:
    """A worker that has imported its framework."""
    made = Session()
    made.open(framework, "cpu", 1, precision)
    return made


def run(
    folder: Path,
    framework: str,
    factory: str,
    execution: str,
    library: str = "",
    frozen: str = "",
    precision: str = "fp32",
    **arguments: Any,
) -> Run:
    """From the reference to the counts, as a sweep does it. Raises Failure."""
    written(folder, {library or framework: factory}, frozen, precision, **arguments)
    session(framework, "fp64").reference(str(folder), draw=True)
    return measured(folder, framework, execution, precision=precision)


def least(runs: Sequence[Sequence[OpTimes]]) -> list[OpTimes]:
    """The ops of several runs with the least of their times: what nothing interrupted. Each run must have the same."""
    assert len({tuple((op.op, op.shape, op.count) for op in ops) for ops in runs}) == 1
    return [
        replace(times[0], forward_s=min(op.forward_s for op in times), backward_s=min(op.backward_s for op in times))
        for times in zip(*runs, strict=True)
    ]


def measured(
    folder: Path,
    framework: str,
    execution: str,
    choices: dict[str, Any] | None = None,
    precision: str = "fp32",
) -> Run:
    """The same, once its reference is there. What is wrong in a call of torch.compile is refused as a worker does."""
    worker = session(framework, precision)
    loaded = worker.load(str(folder), execution, choices)
    return Run(loaded, worker.verify(), worker.count())
