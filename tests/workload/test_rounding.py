"""Limits: as tight as float32 allows, workload by workload and gradient by gradient, and no tighter."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.workload import primitives, rounding
from harness.workload.agreement import agreement
from harness.workload.backprop import run_backward, run_forward
from harness.workload.ops import CATALOGUE, norm
from harness.workload.oracle import Reference, reference
from harness.workload.rounding import GRADIENT_AT_MOST, LOSS_AT_LEAST, UNIT, answer_in_float32, gradient_limit
from harness.workload.trace import Graph
from harness.workload.workload import Workload

GPT2 = {"batch": 2, "tokens": 16, "layers": 2, "width": 32, "heads": 2, "vocabulary": 50, "context": 16}
CONVNEXT = {"batch": 2, "image": 64, "classes": 10, "blocks": 1, "width": 8}


def test_a_gradients_limit_grows_with_the_root_of_its_sum_and_with_the_rules_own_error() -> None:
    assert gradient_limit(0.0, 4 * 10**6) == pytest.approx(10 * gradient_limit(0.0, 4 * 10**4))
    assert gradient_limit(2e-5) == pytest.approx(2 * gradient_limit(1e-5))
    assert gradient_limit() == gradient_limit(1e-9, 2) < 4e-6


@pytest.mark.parametrize("own", [1.0, math.inf, math.nan])
def test_a_gradient_of_which_float32_keeps_less_than_three_digits_is_not_verified(own: float) -> None:
    assert gradient_limit(own) == GRADIENT_AT_MOST


def test_a_loss_of_a_million_squares_may_be_off_further_than_one_of_few() -> None:
    """XLA's loss of this op is off by 2e-4."""
    million, few = (
        reference(w.graph, w.sample())
        for w in (
            Workload.of("op", {"op": "mse", "batch": 64}),
            Workload.of("mlp", {"batch": 4, "depth": 3, "width": 8}),
        )
    )
    assert 2e-4 < million.allowed.loss < 5e-4
    assert few.allowed.loss == LOSS_AT_LEAST


def gelu(call: Any) -> Any:
    """The tanh form for the exact one, and the other way round."""
    return call.attrs | {"approximate": not call.attrs.get("approximate", True)} if call.op == "gelu" else call.attrs


def epsilon(call: Any) -> Any:
    return call.attrs | {"eps": call.attrs["eps"] / 10} if "eps" in call.attrs else call.attrs


def scores(monkeypatch: pytest.MonkeyPatch) -> None:
    right = primitives.softmax
    monkeypatch.setattr(primitives, "softmax", lambda x: right(np.float32(1.001) * x))


def unbiased_variance(monkeypatch: pytest.MonkeyPatch) -> None:
    right = norm._normalise

    def wrong(xp: Any, x: Any, axes: Any, eps: Any) -> Any:
        n = math.prod(x.shape[axis] for axis in axes)
        normalised, deviation = right(xp, x, axes, eps * (n - 1) / n)
        factor = np.float32(math.sqrt((n - 1) / n))
        return normalised * factor, deviation * factor

    monkeypatch.setattr(norm, "_normalise", wrong)


@pytest.mark.parametrize(
    ("model", "sizes", "change"),
    [
        pytest.param("gpt2", GPT2, gelu, id="exact gelu"),
        pytest.param("convnext", CONVNEXT, gelu, id="tanh gelu"),
        pytest.param("resnet18", {"batch": 4, "image": 96}, epsilon, id="batch norm's eps", marks=pytest.mark.slow),
        pytest.param("gpt2", GPT2, epsilon, id="layer norm's eps"),
        pytest.param("gpt2", GPT2, scores, id="scores off by 1e-3"),
        pytest.param("op", {"op": "batch_norm"}, unbiased_variance, id="variance over n - 1"),
    ],
)
def test_a_program_that_is_slightly_wrong_is_found_by_its_gradients(
    monkeypatch: pytest.MonkeyPatch, model: str, sizes: dict[str, Any], change: Callable[..., Any]
) -> None:
    """With what rounding adds in float32."""
    workload = Workload.of(model, sizes)
    graph, arrays = workload.graph, workload.sample()
    expected = reference(graph, arrays)
    if change in (gelu, epsilon):
        graph = dataclasses.replace(graph, calls=tuple(dataclasses.replace(c, attrs=change(c)) for c in graph.calls))
    else:
        change(monkeypatch)
    assert "gradient of" in judged(expected, answer_in_float32(graph, arrays)[1])


def judged(expected: Reference, gradients: dict[str, np.ndarray]) -> str:
    return agreement([expected.loss], [gradients], expected).failure("fp32") or ""


@pytest.mark.parametrize("name", ["b1", "b2", "w1"])
def test_a_gradient_that_is_left_out_or_a_mean_over_one_less_is_found(mlp: Workload, name: str) -> None:
    expected = reference(mlp.graph, mlp.sample())
    _, gradients = answer_in_float32(mlp.graph, mlp.sample())
    for wrong in (np.zeros_like(gradients[name]), gradients[name] * np.float32(4 / 3)):
        assert name in judged(expected, gradients | {name: wrong})


@pytest.mark.slow
def test_mobilenets_scales_before_a_depthwise_convolution_are_ill_conditioned(monkeypatch: pytest.MonkeyPatch) -> None:
    """The norm behind the convolution takes a scale out again, all but what shifts and relu6 leave of it.

    So the terms of its gradient cancel: they are hundreds of times as large as their sum, and so is the rounding of
    each. The rules' own error in float32 is this cancellation times the unit of rounding.
    """
    workload = Workload.of("mobilenet_v2", {"batch": 4, "image": 64, "classes": 10})
    graph, arrays = workload.graph, workload.sample()
    exact = reference(graph, arrays)
    own = exact.gradient_errors(answer_in_float32(graph, arrays)[1])
    doubles = {name: a.astype(np.float64) if a.dtype.kind == "f" else a for name, a in arrays.items()}
    cancelled = cancellation(monkeypatch, graph, doubles)
    before = [n for n in cancelled if n.endswith("expand.scale")] + ["stem.scale"]
    others = [n for n in cancelled if n.endswith(("project.scale", "depthwise.scale", "last.scale"))]
    assert len(before) == 17 and len(before) + len(others) == len(cancelled)
    assert min(cancelled[n] for n in before) > 100 > 2 * max(cancelled[n] for n in others)
    assert all(1e-5 < own[n] < 5 * UNIT * cancelled[n] for n in before)
    assert max(own, key=lambda n: own[n]) in before


def cancellation(monkeypatch: pytest.MonkeyPatch, graph: Graph, arrays: dict[str, np.ndarray]) -> Any:
    """For the scale of each batch norm, the sum of its gradient's absolute terms over that of its terms, in norm."""
    names = {id(arrays[name]): name for name in graph.params}
    found = {}
    right = norm.batch_norm.backward

    def backward(self: Any, xp: Any, grad: Any, local: Any, inputs: Any, wants: Any, **attrs: Any) -> Any:
        terms, axes = grad * local[0], tuple(range(grad.ndim - 1))
        found[names[id(inputs[1])]] = np.linalg.norm(np.abs(terms).sum(axes)) / np.linalg.norm(terms.sum(axes))
        return right(self, xp, grad, local, inputs, wants, **attrs)

    with monkeypatch.context() as patched:
        patched.setattr(type(CATALOGUE["batch_norm"]), "backward", backward)
        _, steps = run_forward(primitives, graph, arrays)
        run_backward(primitives, graph, steps, np.float64(1))
    return found


def test_overflow_in_float32_shows_in_the_limit_alone(mlp: Workload) -> None:
    arrays = mlp.sample() | {"w1": np.full_like(mlp.sample()["w1"], 1e38)}
    expected = reference(mlp.graph, arrays)
    assert math.isfinite(expected.loss)
    assert expected.allowed.gradients["w2"] == rounding.GRADIENT_AT_MOST
