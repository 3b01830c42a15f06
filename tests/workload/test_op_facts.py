"""What an op's class says of it beside its maths: an example, its weights, its corners, its products."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.workload import primitives
from harness.workload.ops import CATALOGUE, Sizes
from tests.helpers.op_cases import CASES, Case, example

BIASED = [case for case in CASES if CATALOGUE[case.op].bias_position in range(len(case.arguments))]
SCALARS = [op for op in CATALOGUE if CATALOGUE[op].elementwise]


def forward(case: Case, arrays: list[np.ndarray]) -> Any:
    return CATALOGUE[case.op].forward(primitives, *arrays, **case.attrs)


@pytest.mark.parametrize("op", CATALOGUE)
@pytest.mark.parametrize("sizes", [Sizes(), Sizes(batch=1, tokens=2, width=8, image=5, channels=8, groups=2)], ids=str)
def test_an_example_fits_whatever_the_sizes(op: str, sizes: Sizes) -> None:
    made = CATALOGUE[op].example(sizes)
    assert CATALOGUE[op].shape(*(drawn.spec for drawn in made.arguments.values()), **made.attrs)


@pytest.mark.parametrize("op", CATALOGUE)
def test_weights_are_arguments_that_can_be_learnt(op: str) -> None:
    rule, arguments = CATALOGUE[op], example(op).arguments
    assert all(arguments[position].differentiable for position in rule.weights)
    assert all(len(arguments[position].spec.shape) in (2, 4) for position in rule.matrices)
    assert {*rule.matrices, *([] if rule.bias_position is None else [rule.bias_position])} <= set(rule.weights)


@pytest.mark.parametrize("case", BIASED, ids=str)
def test_a_bias_moves_its_channel_by_as_much_as_it_moves(case: Case) -> None:
    arrays, position = case.arrays(), CATALOGUE[case.op].bias_position
    assert position is not None
    before, _ = forward(case, arrays)
    arrays[position][0] += 0.5
    after, _ = forward(case, arrays)
    moved = np.zeros_like(before)
    moved[..., 0] = 0.5
    np.testing.assert_allclose(after - before, moved, atol=1e-12)


@pytest.mark.parametrize("op", SCALARS)
def test_the_slope_of_a_scalar_function_jumps_at_its_corners_alone(op: str) -> None:
    x = np.arange(-8, 8, 1e-3) + 5e-4
    slope = forward(example(op), [x])[1]()[0]
    jumps = np.flatnonzero(np.abs(np.diff(slope)) > 0.01)
    np.testing.assert_allclose((x[jumps] + x[jumps + 1]) / 2, CATALOGUE[op].corners, atol=1e-9)


@pytest.mark.parametrize("op", [op for op in CATALOGUE if op not in SCALARS])
def test_only_a_scalar_function_has_corners(op: str) -> None:
    assert not CATALOGUE[op].corners


@pytest.mark.parametrize("case", [case for case in CASES if case.op in SCALARS], ids=str)
def test_a_scalar_function_has_its_slope_for_a_local_gradient(case: Case) -> None:
    (x,) = case.arrays()
    y, local = forward(case, [x])
    (slope,) = local()
    (dx,) = CATALOGUE[case.op].backward(primitives, 3 * np.ones_like(y), (slope,), (x,), [True], **case.attrs)
    np.testing.assert_array_equal(dx, 3 * slope)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_products_are_all_multiplies_of_forward_or_none(case: Case) -> None:
    products = CATALOGUE[case.op].products(case.specs, case.outputs, **case.attrs)
    work = CATALOGUE[case.op].cost(case.specs, case.outputs, **case.attrs).forward
    if products:
        assert sum(product.times for product in products) == work.matmuls
        assert sum(product.flops for product in products) == work.flops


@pytest.mark.parametrize("op", [op for op in CATALOGUE if CATALOGUE[op].has_loop])
def test_a_loop_sees_no_token_before_its_turn(op: str) -> None:
    case = example(op)
    arrays = case.arrays()
    before, _ = forward(case, arrays)
    arrays[0][:, 1] += 1
    after, _ = forward(case, arrays)
    np.testing.assert_array_equal(after[:, 0], before[:, 0])
    assert (after[:, 1:] != before[:, 1:]).all()
