"""The hand-written backward rule of every op against central differences, one input element at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.workload import primitives
from harness.workload.ops import CATALOGUE
from tests.helpers.op_cases import CASES, Case

STEP = 1e-6
AGREES = 1e-7  # of the gradient's norm: truncation and float64 rounding at this step leave about 1e-9


def parts_of(output: Any) -> Any:
    return output if isinstance(output, tuple) else (output,)


def rule(case: Case, arrays: list[np.ndarray], upstream: list[np.ndarray], wants: list[bool]) -> Any:
    op = CATALOGUE[case.op]
    output, local = op.forward(primitives, *arrays, **case.attrs)
    grad = tuple(upstream) if isinstance(output, tuple) else upstream[0]
    return op.backward(primitives, grad, local(), tuple(arrays), wants, **case.attrs)


def upstream_of(case: Case) -> list[np.ndarray]:
    """A different random gradient for each output element, so that no error can cancel."""
    generator = np.random.default_rng(1)
    return [generator.standard_normal(spec.shape) for spec in case.outputs]


def central_differences(case: Case, arrays: list[np.ndarray], upstream: list[np.ndarray], position: int) -> np.ndarray:
    def projected() -> Any:
        output, _ = CATALOGUE[case.op].forward(primitives, *arrays, **case.attrs)
        return sum((part * g).sum() for part, g in zip(parts_of(output), upstream, strict=True))

    array = arrays[position]
    slope = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        kept = array[index]
        array[index] = kept + STEP
        above = projected()
        array[index] = kept - STEP
        slope[index] = (above - projected()) / (2 * STEP)
        array[index] = kept
    return slope


EACH_INPUT = [pytest.param(case, i, id=f"{case}-d{i}") for case in CASES for i in case.floats]


@pytest.mark.parametrize(("case", "position"), EACH_INPUT)
def test_backward_is_the_derivative_of_forward(case: Case, position: int) -> None:
    arrays, upstream = case.arrays(), upstream_of(case)
    found = rule(case, arrays, upstream, [i in case.floats for i in range(len(arrays))])[position]
    expected = central_differences(case, arrays, upstream, position)
    assert found.shape == arrays[position].shape
    assert np.linalg.norm(found - expected) <= AGREES * np.linalg.norm(expected)


@pytest.mark.parametrize(("case", "position"), EACH_INPUT)
def test_a_gradient_asked_for_alone_is_the_same_gradient(case: Case, position: int) -> None:
    arrays, upstream = case.arrays(), upstream_of(case)
    together = rule(case, arrays, upstream, [i in case.floats for i in range(len(arrays))])
    alone = rule(case, arrays, upstream, [i == position for i in range(len(arrays))])
    assert len(alone) == len(arrays)
    np.testing.assert_array_equal(alone[position], together[position])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_inputs_and_incoming_gradient_are_left_as_they_are(case: Case) -> None:
    arrays, upstream = case.arrays(), upstream_of(case)
    before = [array.copy() for array in (*arrays, *upstream)]
    rule(case, arrays, upstream, [i in case.floats for i in range(len(arrays))])
    for array, kept in zip((*arrays, *upstream), before, strict=True):
        np.testing.assert_array_equal(array, kept)


def test_of_equal_values_in_a_pool_the_first_gets_the_gradient() -> None:
    x = np.ones((1, 2, 2, 1))
    op = CATALOGUE["max_pool"]
    y, local = op.forward(primitives, x, size=2, stride=2)
    (dx,) = op.backward(primitives, np.ones_like(y), local(), (x,), [True], size=2, stride=2)
    assert dx is not None
    np.testing.assert_array_equal(dx.ravel(), [1, 0, 0, 0])


def test_padding_never_wins_a_pool_even_against_negative_values() -> None:
    x = np.full((1, 2, 2, 1), -3.0)
    y, _ = CATALOGUE["max_pool"].forward(primitives, x, size=3, stride=2, padding=1)
    np.testing.assert_array_equal(y, np.full((1, 1, 1, 1), -3.0))


def test_a_rectifier_has_slope_zero_at_zero() -> None:
    x = np.array([-1.0, 0.0, 1.0])
    op = CATALOGUE["relu"]
    _, local = op.forward(primitives, x)
    (dx,) = op.backward(primitives, np.ones(3), local(), (x,), [True])
    np.testing.assert_array_equal(dx, [0, 0, 1])


def test_a_row_that_is_looked_up_twice_collects_both_gradients() -> None:
    table, ids = np.zeros((3, 2)), np.array([1, 1])
    grad, _ = CATALOGUE["embedding"].backward(primitives, np.ones((2, 2)), (), (table, ids), [True, False])
    np.testing.assert_array_equal(grad, [[0, 0], [2, 2], [0, 0]])
