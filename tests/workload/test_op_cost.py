"""FLOPs and multiplies of every op against a brute-force count: each scalar product is counted as it happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.workload import draw, primitives
from harness.workload.ops import CATALOGUE, Cost, Spec
from tests.helpers.op_cases import CASES, Case, case


class Token:
    """Stands for a number in an array of objects, and counts what it is multiplied with (padding's zeros too)."""

    products = 0

    def __mul__(self, other: object) -> Token:
        Token.products += 1
        return self

    def __add__(self, other: object) -> Token:
        return self

    __rmul__, __radd__ = __mul__, __add__


class Tally:
    """NumPy's primitives; of each multiply and convolution, every scalar product is counted."""

    def __init__(self) -> None:
        self.matmuls = self.flops = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(primitives, name)
        return self._counted(found) if name == "matmul" or name.startswith("conv2d") else found

    def _counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(a: Any, b: Any, *rest: Any) -> Any:
            Token.products = 0
            function(*(np.full(x.shape, Token(), object) for x in (a, b)), *rest)
            self.matmuls += 1
            self.flops += 2 * Token.products
            return function(a, b, *rest)

        return call


def price(case: Case) -> Cost:
    return CATALOGUE[case.op].cost(case.specs, case.outputs, **case.attrs)


def counted_backward(case: Case, wants: list[bool]) -> Tally:
    op, arrays = CATALOGUE[case.op], tuple(case.arrays())
    output, local = op.forward(primitives, *arrays, **case.attrs)
    upstream = tuple(map(np.ones_like, output)) if isinstance(output, tuple) else np.ones_like(output)
    tally = Tally()
    op.backward(tally, upstream, local(), arrays, wants, **case.attrs)
    return tally


@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward_work_is_what_forward_multiplies(case: Case) -> None:
    tally = Tally()
    CATALOGUE[case.op].forward(tally, *case.arrays(), **case.attrs)
    work = price(case).forward
    assert (work.matmuls, work.flops) == (tally.matmuls, tally.flops)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_work_of_all_gradients_is_what_backward_multiplies(case: Case) -> None:
    tally = counted_backward(case, [i in case.floats for i in range(len(case.arguments))])
    cost = price(case)
    assert len(cost.gradients) == len(case.arguments)
    works = (cost.shared, *cost.gradients) if case.floats else cost.gradients
    assert sum(work.matmuls for work in works) == tally.matmuls
    assert sum(work.flops for work in works) == tally.flops


TOGETHER = ("attention", "dot_interaction")
SEPARATE = [
    pytest.param(case, i, id=f"{case}-d{i}")
    for case in CASES
    if case.op not in TOGETHER
    for i in range(len(case.specs))
]


@pytest.mark.parametrize(("case", "position"), SEPARATE)
def test_work_of_one_gradient_is_what_it_multiplies_alone(case: Case, position: int) -> None:
    """Apart are those that count a product of several gradients with one of them."""
    tally = counted_backward(case, [i == position and i in case.floats for i in range(len(case.arguments))])
    cost = price(case)
    work = cost.gradients[position]
    if position in case.floats:
        work += cost.shared
    assert (work.matmuls, work.flops) == (tally.matmuls, tally.flops)


@pytest.mark.parametrize("case", [c for c in CASES if c.op in ("linear", "conv2d", "tied_linear")], ids=str)
def test_dx_and_dw_each_cost_as_much_as_forward(case: Case) -> None:
    cost = price(case)
    assert cost.forward.flops == cost.gradients[0].flops == cost.gradients[1].flops > 0


@pytest.mark.parametrize("case", [c for c in CASES if c.op == "attention"], ids=str)
def test_attention_multiplies_twice_forward_and_four_times_backward(case: Case) -> None:
    cost = price(case)
    assert cost.forward.matmuls == 2
    assert sum(work.matmuls for work in cost.gradients) == 4
    assert sum(work.flops for work in cost.gradients) == 2 * cost.forward.flops


@pytest.mark.parametrize("case", [c for c in CASES if CATALOGUE[c.op].caches], ids=str)
def test_a_local_gradient_alone_takes_the_multiplies_that_its_values_depend_on(case: Case) -> None:
    """A multiply whose result the local gradient does not hold could be left out: numbers are spoilt where it does."""
    op, cost = CATALOGUE[case.op], price(case)
    needed = cost.forward if cost.local is None else cost.local
    local = op.forward(primitives, *case.arrays(), **case.attrs)[1]()
    matmuls = flops = 0
    for number in range(cost.forward.matmuls):
        spoilt = Spoilt(number)
        expected = op.forward(spoilt, *case.arrays(), **case.attrs)[1]()
        if any(not np.array_equal(a, b) for a, b in zip(local, expected, strict=True)):
            matmuls += 1
            flops += spoilt.flops
    assert (needed.matmuls, needed.flops) == (matmuls, flops)


class Spoilt:
    """NumPy's primitives, but for one multiply that is off; it notes that one's FLOPs."""

    def __init__(self, which: int) -> None:
        self.left, self.flops = which, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(primitives, name)

    def matmul(self, a: Any, b: Any) -> Any:
        product = primitives.matmul(a, b)
        self.left -= 1
        if self.left == -1:
            self.flops = 2 * product.size * a.shape[-1]
            return product + 1.5
        return product


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_work_is_negative_and_every_output_is_written(case: Case) -> None:
    cost = price(case)
    for work in (cost.forward, *cost.gradients):
        assert min(work.matmuls, work.flops, work.elements) >= 0
    assert cost.forward.elements >= sum(spec.size for spec in case.outputs)


def test_the_gradient_of_a_lookup_writes_the_whole_table() -> None:
    cost = price(case("embedding", (1000, 4), draw.integers(2, high=1000)))
    assert cost.forward.elements < 1000 < 4000 <= cost.gradients[0].elements


def test_a_batch_counts_in_proportion() -> None:
    """Twice the rows are twice the FLOPs of one multiply."""
    op = CATALOGUE["linear"]
    one, two = (op.cost((Spec((n, 4)), Spec((4, 2))), (Spec((n, 2)),)).forward for n in (3, 6))
    assert (two.matmuls, two.flops) == (one.matmuls, 2 * one.flops)
