"""Backpropagation through explicit Jacobians: a step from layer to layer materialises dz_l / dz_(l-1), then multiplies.

For z_l = φ(z_(l-1)) W the Jacobian is φ'(z_(l-1)) along its rows times W: a matrix for each example, which the
catalogue's rules never form. It is for chains of linear and elementwise layers below a loss.
"""

from __future__ import annotations

from typing import Any

from .backprop import Step, wants
from .ops import CATALOGUE, Array
from .trace import Graph


def is_chain(graph: Graph) -> bool:
    """Whether each call works on nothing but parameters and the call's before it, [rows, n] to [rows, m]."""
    computed = {number for call in graph.calls for number in call.outputs}
    before: tuple[int, ...] = ()
    for call in graph.calls:
        if [n for n in call.inputs if n in computed] != list(before) or len(graph.specs[call.inputs[0]].shape) != 2:
            return False
        before = call.outputs
    *layers, loss = [call.op for call in graph.calls]
    return loss == "cross_entropy" and all(op == "linear" or CATALOGUE[op].elementwise for op in layers)


def run_backward_by_jacobians(xp: Any, graph: Graph, steps: list[Step], one: Array) -> dict[str, Array]:
    """Return the gradient of each source of a chain (`is_chain`), from the steps of `run_forward`, which are used up.

    `one` is the loss's gradient for itself, in the type of the arrays.
    """
    gradients: dict[int, Array] = {}
    loss = steps.pop()
    wanting = wants(graph, loss.call)
    grad: Array = CATALOGUE[loss.call.op].backward(xp, one, loss.local, loss.inputs, wanting)[0]
    while steps:
        step = steps.pop()
        wanting = wants(graph, step.call)
        if CATALOGUE[step.call.op].elementwise:  # above all linear layers, or twice in a row: a diagonal Jacobian
            grad = grad * _slope(step)
            continue
        onward, *rest = wanting
        outgoing = CATALOGUE["linear"].backward(xp, grad, (), step.inputs, [False, *rest])
        gradients.update(zip(step.call.inputs[1:], outgoing[1:], strict=True))
        if onward:
            slope = _slope(steps.pop()) if steps and CATALOGUE[steps[-1].call.op].elementwise else None
            grad = xp.matmul(_jacobian(xp, step.inputs[1], slope, grad), grad[..., None])[..., 0]
            gradients[step.call.inputs[0]] = grad
    return {name: gradients[number] for name, number in graph.sources.items()}


def _slope(step: Step) -> Array:
    assert step.local is not None
    return step.local[0]


def _jacobian(xp: Any, w: Array, slope: Array | None, grad: Array) -> Array:
    """[rows, n, m] of a layer with weight w [n, m] behind an elementwise function of that slope [rows, n]."""
    if slope is None:
        return xp.broadcast_to(w, (grad.shape[0], *w.shape))
    return slope[..., None] * w
