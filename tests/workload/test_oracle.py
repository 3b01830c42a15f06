"""The oracle and the interpreter over whole models."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest

from harness.workload import draw, primitives
from harness.workload.backprop import run_backward, run_forward
from harness.workload.interpret import interpreter
from harness.workload.models import ResNet18
from harness.workload.ops import CATALOGUE
from harness.workload.oracle import reference
from harness.workload.trace import trace
from harness.workload.workload import Workload
from tests.workload.conftest import TINY


def doubles(workload: Workload) -> dict[str, np.ndarray]:
    return {name: a.astype(np.float64) if a.dtype.kind == "f" else a for name, a in workload.sample().items()}


class Ops:
    """The catalogue's forward rules as an adapter's op namespace."""

    def __getattr__(self, name: str) -> Any:
        return lambda *inputs, **attrs: CATALOGUE[name].forward(primitives, *inputs, **attrs)[0]


@pytest.mark.parametrize("name", ["mlp", "gpt2", pytest.param("resnet18", marks=pytest.mark.slow)])
def test_each_gradient_of_a_whole_model_is_its_directional_derivative(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Along its own direction the loss must rise by the gradient's norm. The step is small: a ResNet has kinks.

    Of a ResNet's stages the first blocks are there: one without a convolution in its shortcut, and three with one.
    """
    monkeypatch.setattr(ResNet18, "blocks", (1, 1, 1, 1))
    workload = Workload.of(name, TINY[name], gradients="params" if name == "gpt2" else "both")
    arrays = doubles(workload)
    gradients = reference(workload.graph, arrays).gradients
    total = np.linalg.norm([np.linalg.norm(g) for g in gradients.values()])
    assert set(gradients) == set(workload.graph.sources)
    for source, gradient in gradients.items():
        norm = np.linalg.norm(gradient)
        if norm < 1e-9 * total:
            continue  # zero in exact arithmetic
        step = 1e-7 * gradient / norm

        def loss(change: Any, source: Any = source) -> Any:
            return run_forward(primitives, workload.graph, arrays | {source: arrays[source] + change}, keep=False)[0]

        assert (loss(step) - loss(-step)) / 2e-7 == pytest.approx(norm, rel=1e-3, abs=1e-7), source


def test_without_keep_the_same_loss_and_nothing_kept(tiny: Workload) -> None:
    arrays = doubles(tiny)
    loss, steps = run_forward(primitives, tiny.graph, arrays)
    again, nothing = run_forward(primitives, tiny.graph, arrays, keep=False)
    assert again == loss
    assert steps
    assert nothing == []


def test_backward_uses_up_what_forward_kept(mlp: Workload) -> None:
    _, steps = run_forward(primitives, mlp.graph, doubles(mlp))
    run_backward(primitives, mlp.graph, steps, np.float64(1))
    assert steps == []


class Unused:
    """A model that splits its values and throws one part away."""

    def batch_arrays(self) -> Any:
        return {"labels": draw.integers(3, high=4)}

    def loss(self, ops: Any, param: Any, labels: Any) -> Any:
        kept, _ = ops.split(param("w", draw.normal(3, 8)), parts=2)
        return ops.cross_entropy(kept, labels)


def test_a_part_that_nothing_uses_has_gradient_zero() -> None:
    graph = trace(Unused())
    arrays = {name: d.sample(0, name) for name, d in graph.draws.items()}
    gradient = reference(graph, arrays).gradients["w"]
    assert gradient[:, :4].all()
    assert not gradient[:, 4:].any()


def test_the_interpreter_gives_the_oracles_loss(tiny: Workload) -> None:
    arrays = doubles(tiny)
    loss = interpreter(tiny.graph, Ops())
    params, inputs = ({n: arrays[n] for n in names} for names in (tiny.graph.params, tiny.graph.inputs))
    assert loss(params, inputs) == pytest.approx(reference(tiny.graph, arrays).loss, rel=1e-12)


def test_the_interpreter_names_an_op_that_a_framework_lacks(mlp: Workload) -> None:
    class OnlyRelu:
        relu = staticmethod(abs)

    with pytest.raises(AttributeError, match="linear"):
        interpreter(mlp.graph, OnlyRelu())


class Tracked(np.ndarray):
    """An array that can be watched as it dies."""


def test_the_interpreter_drops_each_value_after_its_last_use() -> None:
    workload = Workload.of("mlp", {"batch": 4, "depth": 8, "width": 8})
    made, most = [], 0

    class Watching(Ops):
        def __getattr__(self, name: str) -> Any:
            rule = super().__getattr__(name)

            def op(*inputs: Any, **attrs: Any) -> Any:
                nonlocal most
                result = np.array(rule(*inputs, **attrs)).view(Tracked)
                made.append(weakref.ref(result))
                most = max(most, sum(reference() is not None for reference in made))
                return result

            return op

    arrays = doubles(workload)
    params, inputs = ({n: arrays[n] for n in names} for names in (workload.graph.params, workload.graph.inputs))
    interpreter(workload.graph, Watching())(params, inputs)
    assert len(made) == 16
    assert most == 2  # an op's input and its output
