"""A program that is to have some of its phases only."""

from __future__ import annotations

import pytest

from harness.workload.workload import Workload
from tests.helpers.executions import adapter_of


@pytest.mark.parametrize(
    ("gradients", "kept"),
    [("params", ("forward", "backward")), ("both", ("forward", "backward", "backward_inputs"))],
)
def test_it_keeps_those_that_it_has_in_its_own_order(gradients: str, kept: tuple[str, ...]) -> None:
    workload = Workload.of("mlp", {"batch": 2, "depth": 2, "width": 4}, gradients=gradients)
    program = adapter_of("numpy").load(workload.graph, workload.sample(), "by_hand")
    program.restrict({"backward_inputs", "backward", "forward", "update"})
    assert program.phases == kept
