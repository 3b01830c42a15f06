"""A program whose passes execute other multiplies than they should is told what that looks like."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.base import Executed
from adapters.choices import DEFAULT
from harness.measure.multiply_check import counted
from harness.measure.protocol import Failure
from harness.workload.cost import phase_work
from harness.workload.expected import Departures
from harness.workload.trace import trace
from tests.helpers.tiny import TINY_MLP

GRAPH = trace(TINY_MLP)
WORK = phase_work(GRAPH)
ONE = WORK["forward"].flops // WORK["forward"].matmuls  # FLOPs of one of the equal layers


class Fake:
    """A framework's program that executes so many multiplies more in forward and in backward."""

    def __init__(self, forward: int, backward: int) -> None:
        self._more = {"forward": forward, "backward": backward}

    def executed(self) -> dict[str, Executed]:
        return {
            name: Executed(WORK[name].matmuls + more, WORK[name].flops + more * ONE)
            for name, more in self._more.items()
        }


def reason(forward: int, backward: int) -> str:
    program: Any = Fake(forward, backward)
    with pytest.raises(Failure) as raised:
        counted(program, GRAPH, Departures(), DEFAULT)
    return raised.value.reason


def test_a_program_that_executes_what_it_should_is_counted() -> None:
    program: Any = Fake(0, 0)
    assert counted(program, GRAPH, Departures(), DEFAULT)["backward"].matmuls == WORK["backward"].matmuls


@pytest.mark.parametrize(("more", "share"), [(1, "33%"), (3, "100%")])
def test_forward_work_that_backward_computes_again_is_named(more: int, share: str) -> None:
    assert reason(0, more).endswith(f"{share} of forward's FLOPs more: it looks like forward work computed again")


def test_gradient_work_that_forward_computes_is_named() -> None:
    assert reason(2, -2).endswith("it looks like gradient work moved into forward")


@pytest.mark.parametrize(("forward", "backward"), [(0, -1), (1, 0), (0, 4)])
def test_what_looks_like_neither_is_not_guessed(forward: int, backward: int) -> None:
    assert "looks like" not in reason(forward, backward)
