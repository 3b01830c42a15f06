"""What is wrong is not measured: the phases beside the four, each spoilt in turn."""

from __future__ import annotations

import numpy as np
import pytest

from adapters.extend import Extended
from adapters.numpy import Adapter
from harness.measure.protocol import Failure
from harness.measure.verify import verify
from harness.workload.reference import reference
from harness.workload.workload import Workload

WORKLOAD = Workload.of("mlp", {"batch": 4, "depth": 3, "width": 8}, gradients="both")


@pytest.fixture(scope="module")
def expected():
    return reference(WORKLOAD.graph, WORKLOAD.sample())


def spoilt(phase, change):
    """NumPy's program with one more phase, or one that answers something else."""
    program = Adapter("cpu", 1, "fp32").load(WORKLOAD.graph, WORKLOAD.sample(), "by_hand")
    return Extended(program, {phase: change(program)}, dict)


@pytest.mark.parametrize(("factor", "good"), [(1.0, True), (1.01, False)])
def test_a_tangent(expected, factor, good):
    derivative = factor * expected.along(WORKLOAD.directions())
    program = spoilt("tangent", lambda program: lambda: (program.inference(), derivative))
    judge(program, expected, good, "tangent")


def test_a_wrong_gradient_of_one_side_is_invalid(expected):
    def off(program):
        return lambda kept: {name: 1.01 * array for name, array in program.backward_inputs(kept).items()}

    judge(spoilt("backward_inputs", off), expected, False, "gradient of x")


@pytest.mark.parametrize(("rate", "good"), [(1e-2, True), (1.01e-2, False)])
def test_a_step(expected, rate, good):
    def update(program):
        copies = {name: array.copy() for name, array in program.arrays.items() if array.dtype == np.float32}

        def step(pair):
            for name, gradient in pair[1].items():
                copies[name] -= np.float32(rate) * gradient
            return copies

        return step

    judge(spoilt("update", update), expected, good, "step of sgd")


def judge(program, expected, good, words):
    if good:
        verify(program, WORKLOAD, expected, "sgd")
    else:
        with pytest.raises(Failure, match=words):
            verify(program, WORKLOAD, expected, "sgd")
