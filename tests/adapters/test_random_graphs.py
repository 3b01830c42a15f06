"""Random small networks of the catalogue's ops: the same loss and gradients in three frameworks and the oracle."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adapters.base import Unsupported
from harness.workload import draw, primitives
from harness.workload.backprop import run_forward
from harness.workload.oracle import Reference, reference
from harness.workload.trace import trace
from tests.helpers.executions import adapter_of
from tests.helpers.tiny import sample

BATCH, TOKENS, CLASSES = 2, 3, 5
EPS = 1e-3

# Each takes a sequence [batch, tokens, n] to another; n is even.
Layer = Callable[[Any, Any, str, Any], Any]


def weight(param: Any, name: str, *shape: int) -> Any:
    return param(name, draw.lecun(*shape))


def dense(ops: Any, param: Any, name: str, x: Any, width: int = 4) -> Any:
    return ops.linear(x, weight(param, f"{name}.w", x.shape[-1], width), param(f"{name}.b", draw.bias(width)))


def norm(op: str) -> Layer:
    def layer(ops: Any, param: Any, name: str, x: Any) -> Any:
        n = x.shape[-1]
        shift = [] if op == "rms_norm" else [param(f"{name}.shift", draw.bias(n))]
        return getattr(ops, op)(x, param(f"{name}.scale", draw.scale(n)), *shift, eps=EPS)

    return layer


def activation(op: str, **attrs: Any) -> Layer:
    return lambda ops, param, name, x: getattr(ops, op)(x, **attrs)


def attend(ops: Any, param: Any, name: str, x: Any) -> Any:
    widths = {"q": 8, "k": 4, "v": 4}
    q, k, v = (ops.linear(x, weight(param, f"{name}.{part}", x.shape[-1], n)) for part, n in widths.items())
    return ops.attention(q, k, v, heads=2, kv_heads=1, causal=True)


def gated(ops: Any, param: Any, name: str, x: Any) -> Any:
    return ops.multiply(ops.sigmoid(dense(ops, param, f"{name}.gate", x)), dense(ops, param, f"{name}.value", x))


def halves(ops: Any, param: Any, name: str, x: Any) -> Any:
    a, b = ops.split(x, parts=2)
    return ops.concatenate(b, ops.tanh(a), b, a, axis=2)


def residual(ops: Any, param: Any, name: str, x: Any) -> Any:
    return ops.add(x, dense(ops, param, name, x, x.shape[-1]))


def across(ops: Any, param: Any, name: str, x: Any) -> Any:
    return ops.transpose_tokens(dense(ops, param, name, ops.transpose_tokens(x), TOKENS))


def one_by_one(ops: Any, param: Any, name: str, x: Any) -> Any:
    return ops.stack_tokens(*reversed(ops.unstack_tokens(x)))


LAYERS: dict[str, Layer] = {
    "dense": dense,
    "layer_norm": norm("layer_norm"),
    "rms_norm": norm("rms_norm"),
    "batch_norm": norm("batch_norm"),
    "gelu": activation("gelu", approximate=False),
    "silu": activation("silu"),
    "hard_swish": activation("hard_swish"),
    "attend": attend,
    "gated": gated,
    "halves": halves,
    "residual": residual,
    "across": across,
    "one_by_one": one_by_one,
}


@dataclass(frozen=True)
class Stack:
    """Layers by name, between an embedding and a loss; `branches` are used by the sum at the end as well."""

    layers: tuple[str, ...]
    branches: frozenset[int]

    def batch_arrays(self) -> Any:
        return {"ids": draw.integers(BATCH, TOKENS, high=7), "labels": draw.integers(BATCH, high=CLASSES)}

    def loss(self, ops: Any, param: Any, ids: Any, labels: Any) -> Any:
        x = ops.embedding(param("table", draw.normal(7, 6)), ids)
        seen = [x]
        for i, layer in enumerate(self.layers):
            x = LAYERS[layer](ops, param, f"layer{i}", x)
            seen += [x] if i in self.branches else []
        heads = [dense(ops, param, f"head{i}", ops.mean_tokens(y), CLASSES) for i, y in enumerate([*seen, x])]
        return ops.cross_entropy(functools.reduce(ops.add, heads), labels)


STACKS = st.builds(
    Stack,
    st.lists(st.sampled_from(sorted(LAYERS)), min_size=1, max_size=5).map(tuple),
    st.frozensets(st.integers(0, 4), max_size=2),
)

FRAMEWORKS = (("numpy", "by_hand"), ("torch", "eager"), ("jax", "jit"), ("tensorflow", "eager"))


def answer(framework: str, execution: str, precision: str, model: Stack) -> tuple[float, dict[str, np.ndarray]]:
    graph = trace(model)
    arrays = sample(graph)
    program = adapter_of(framework, precision=precision).load(graph, arrays, execution)
    loss, gradients = program.gradient()
    return float(loss), program.export(gradients)


def largest_logit(model: Stack) -> float:
    """The largest magnitude of what the cross entropy at the end is given, in float64."""
    graph = trace(model)
    arrays = {
        name: array.astype(np.float64) if array.dtype.kind == "f" else array for name, array in sample(graph).items()
    }
    before = replace(graph, calls=graph.calls[:-1], outputs=graph.calls[-1].inputs[:1])
    return float(np.abs(run_forward(primitives, before, arrays, keep=False)[0]).max())


def expected(model: Stack) -> Reference:
    graph = trace(model)
    return reference(graph, sample(graph))


# Of the whole gradient's norm: behind two norms in a row a parameter's own gradient is nearly zero, and means nothing.
LIMIT = {"fp32": 1e-5, "bf16": 0.1}
FEW = settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))


def error(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> float:
    """Distance of a whole gradient from the oracle's, relative to its norm."""
    assert found.keys() == wanted.keys()
    difference, size = (
        np.sqrt(sum(float(np.vdot(x, x)) for x in arrays))
        for arrays in ((found[name] - g for name, g in wanted.items()), wanted.values())
    )
    return difference / size


@pytest.mark.slow
@FEW
@given(model=STACKS)
def test_every_framework_computes_the_same_network(model: Stack) -> None:
    wanted = expected(model)
    for framework, execution in FRAMEWORKS:
        loss, gradients = answer(framework, execution, "fp32", model)
        assert loss == pytest.approx(wanted.loss, rel=1e-5), framework
        assert error(gradients, wanted.gradients) <= LIMIT["fp32"], framework


@pytest.mark.slow
@FEW
@given(model=STACKS)
@example(model=Stack(("hard_swish", "attend", "rms_norm", "attend"), frozenset({0, 1})))  # a logit of 8, a loss of 2
def test_in_bf16_the_network_is_the_same_within_its_rounding(model: Stack) -> None:
    wanted = expected(model)
    for framework, execution in FRAMEWORKS[1:]:
        try:
            loss, gradients = answer(framework, execution, "bf16", model)
        except Unsupported:
            continue  # torch, where the CPU has no bf16 instructions
        # A loss is a difference of logits, which are what is rounded: one of 8 by 0.03, and again by each sum.
        assert abs(loss - wanted.loss) <= 3e-2 * max(wanted.loss, largest_logit(model)), framework
        assert 1e-4 < error(gradients, wanted.gradients) <= LIMIT["bf16"], framework


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_can_be_drawn_and_stands_in_the_trace(name: str) -> None:
    """So that the random networks are not all alike: a layer adds an op to what is there without it."""
    with_it, without = (trace(Stack(layers, frozenset())) for layers in ((name,), ()))
    assert len(with_it.calls) > len(without.calls)
