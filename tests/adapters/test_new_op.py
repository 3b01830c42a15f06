"""An op that nobody has heard of: its class in the catalogue and a function in each adapter are all that it takes."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from adapters.choices import Choices
from harness.measure.clock import first_calls
from harness.workload import draw
from harness.workload.agreement import agreement
from harness.workload.ops import CATALOGUE, Cost, Example, Op, Work
from harness.workload.oracle import reference
from harness.workload.spec import Spec
from harness.workload.workload import Workload
from tests.helpers.executions import QUICK, adapter_of
from tests.helpers.op_cases import cases
from tests.helpers.tiny import answers, counts

SMALL = {"batch": 3, "tokens": 4, "width": 8}


class scaled_linear(Op):
    """(x w) scale, with x [..., in], w [in, out] and scale [out]."""

    weights = (1, 2)
    matrices = (1,)

    def example(self, sizes: Any) -> Any:
        w = draw.lecun(sizes.width, sizes.width)
        return Example({"x": sizes.sequence, "w": w, "scale": draw.scale(sizes.width)})

    def shape(self, x: Any, w: Any, scale: Any) -> Any:
        return Spec((*x.shape[:-1], w.shape[1]))

    def forward(self, xp: Any, x: Any, w: Any, scale: Any) -> Any:
        product = xp.matmul(x, w)
        return product * scale, lambda: (product,)

    def backward(self, xp: Any, grad: Any, local: Any, inputs: Any, wants: Any) -> Any:
        x, w, scale = inputs
        product, scaled = local[0], grad * scale
        rows, scaled_rows = (xp.reshape(array, (-1, array.shape[-1])) for array in (x, scaled))
        dx = xp.matmul(scaled, xp.transpose(w, (1, 0))) if wants[0] else None
        dw = xp.matmul(xp.transpose(rows, (1, 0)), scaled_rows) if wants[1] else None
        return dx, dw, (xp.sum(grad * product, axis=(0, 1)) if wants[2] else None)

    def cost(self, inputs: Any, outputs: Any) -> Any:
        product = Work(1, 2 * outputs[0].size * inputs[1].shape[0], outputs[0].size)
        return Cost(product, (product, product, Work()))


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue with the new op in it."""
    monkeypatch.setitem(CATALOGUE, "scaled_linear", scaled_linear())


@pytest.mark.usefixtures("catalogue")
@pytest.mark.parametrize("autodiff", ["reverse", "by_hand"])
@pytest.mark.parametrize(("framework", "execution"), [("numpy", "by_hand"), *QUICK])
def test_it_is_a_workload_that_agrees_with_the_oracle_and_whose_multiplies_are_counted(
    framework: str, execution: str, autodiff: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if framework != "numpy":
        ops = importlib.import_module(f"adapters.{framework}.ops")
        monkeypatch.setattr(ops, "scaled_linear", lambda x, w, scale: ops.linear(x, w) * scale, raising=False)
    workload = Workload.of("op", SMALL | {"op": "scaled_linear"}, gradients="both")
    arrays, adapter, choices = workload.sample(), adapter_of(framework), Choices(autodiff=autodiff)
    program = adapter.load(workload.graph, arrays, execution, choices)
    first_calls(adapter, program)
    found = agreement(*answers(program, workload.graph), reference(workload.graph, arrays))
    assert set(found.gradients) == {"x", "w", "scale"}
    assert found.failure("fp32") is None
    assert not any(count.note for count in counts(adapter, program, workload.graph, execution, choices).values())


@pytest.mark.parametrize("framework", ["jax", "tensorflow", "torch"])
def test_a_function_in_the_file_of_its_family_is_listed_nowhere_else(framework: str) -> None:
    ops = importlib.import_module(f"adapters.{framework}.ops")
    for family in ("images", "norms", "recurrent", "sequence"):
        module = importlib.import_module(f"adapters.{framework}.{family}")
        written = [name for name, value in vars(module).items() if _is_written_in(module.__name__, name, value)]
        assert written
        assert [name for name in written if getattr(ops, name, None) is not getattr(module, name)] == []


def _is_written_in(module: str, name: str, value: Any) -> bool:
    return callable(value) and getattr(value, "__module__", "") == module and not name.startswith("_")


@pytest.mark.usefixtures("catalogue")
def test_its_example_is_a_case_of_the_tests_of_ops() -> None:
    (case,) = cases("scaled_linear")
    assert [spec.shape for spec in case.specs] == [(2, 3, 4), (4, 4), (4,)]
