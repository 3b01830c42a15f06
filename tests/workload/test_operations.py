"""Operations on single elements against counts derived by hand from the formulas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from harness.workload import draw, primitives
from harness.workload.operations import count
from harness.workload.ops import CATALOGUE
from tests.helpers.op_cases import CASES, Case, case

N = 24
IMAGE = (2, 6, 4, 3)  # 144 elements

# For an element of the output: forward, then the local gradient's operations and the one multiplication with it.
SCALAR_NODES = [
    (case("relu", (4, 6)), 1, 1 + 1),  # max; a step
    (case("relu6", (4, 6)), 2, 4 + 1),  # max, min; two steps, 6 - x, their product
    (case("leaky_relu", (4, 6), slope=0.1), 2, 3 + 1),  # slope x, max; a step, a product, a sum
    (case("hard_swish", (4, 6)), 5, 8 + 1),  # x + 3, max, min, / 6, x gate; + - step step * * / +
    (case("gelu", (4, 6)), 9, 12 + 1),  # c x x x + * tanh, and 0.5 x (1 + t); slope 4, 1 + t, 0.5 (..), 6 more
    (case("gelu", (4, 6), approximate=False), 5, 6 + 1),  # c x, erf, 1 +, 0.5 *, x *; -0.5 x x, exp, x *, /, +
    (case("sigmoid", (4, 6)), 4, 2 + 1),  # 0.5 x, tanh, 1 +, 0.5 *; 1 - y, y *
    (case("tanh", (4, 6)), 1, 2 + 1),  # y y, 1 -
    (case("silu", (4, 6)), 5, 4 + 1),  # sigmoid, x y; 1 - y, x *, 1 +, y *
]


def counted(case: Case, wanted: Sequence[int] | None = None) -> tuple[int, int]:
    wants = [i in (case.floats if wanted is None else wanted) for i in range(len(case.specs))]
    found = count(case.op, case.specs, wants, **case.attrs)
    return found.forward, found.backward


@pytest.mark.parametrize(("case", "forward", "backward"), SCALAR_NODES, ids=str)
def test_a_scalar_node_takes_what_its_formula_says(case: Case, forward: int, backward: int) -> None:
    assert counted(case) == (forward * N, backward * N)


@pytest.mark.parametrize(
    ("case", "forward", "backward"),
    [
        (case("add", (4, 6), (4, 6)), N, 0),
        (case("add", (4, 6), (6,)), N, N - 6),  # the sum over the axis that b lacks
        (case("multiply", (4, 6), (6,)), N, N + N + (N - 6)),
        (case("dropout", (4, 6), draw.kept(4, 6, rate=0.5), rate=0.5), 2 * N, 2 * N),  # select, divide
        (case("linear", (4, 3), (3, 6)), 0, 0),
        (case("linear", (4, 3), (3, 6), (6,)), N, N - 6),  # the bias alone
        (case("conv2d", IMAGE, (3, 3, 3, 3), (3,), padding=1), 144, 144 - 3),
        (case("mse", (4, 6), (4, 6)), 3 * N, 4 * N),  # -, square, mean; 2 d, /, grad *, and negated for b
        (case("cross_entropy", (4, 6), draw.integers(4, high=6)), 5 * N + 1, 4 * N),
        (case("mean_tokens", (2, 3, 4)), N, 2 * 4),
        (case("global_avg_pool", IMAGE), 144, 2 * 3),
        (case("avg_pool", IMAGE, size=2, stride=2), 144, 144 * 2),  # NumPy's divides and adds for every tap
        (case("max_pool", IMAGE, size=2, stride=2), 144 - 36, 36 * 4 * 6),  # a tap: ==, and, *, +, not, and
        (case("upsample", IMAGE, factor=2), 0, 4 * 144 - 144),
        (case("embedding", (5, 6), draw.integers(4, high=5)), 0, N),
        (case("split", (4, 6), parts=3), 0, 0),
        (case("transpose_tokens", (2, 3, 4)), 0, 0),
        # Mean, x - mean, its square's mean, + eps, rsqrt, normalise, scale, shift; then Ioffe & Szegedy's.
        (case("layer_norm", (4, 6), (6,), (6,), eps=1e-5), 7 * N + 2 * 4, (3 * N + 5 * N) + (2 * N - 6) + (N - 6)),
        # Scores of one head: scaled, masked and softmaxed; the sum over each row, -, two * and a /.
        (case("attention", (1, 4, 6), (1, 4, 6), (1, 4, 6), heads=1, causal=True), 7 * 16 - 2 * 4, 5 * 16 - 4),
    ],
    ids=str,
)  # fmt: skip
def test_other_ops_take_what_their_formulas_say(case: Case, forward: int, backward: int) -> None:
    assert counted(case) == (forward, backward)


def test_a_gradient_that_is_not_wanted_takes_nothing() -> None:
    product = case("multiply", (4, 6), (4, 6))
    assert [counted(product, wanted) for wanted in ([0], [1], [0, 1])] == [(N, N), (N, N), (N, 2 * N)]


@pytest.mark.parametrize("one", CASES, ids=str)
def test_every_op_can_be_counted_and_moving_values_is_free(one: Case) -> None:
    forward, backward = counted(one)
    moving = {"split", "concatenate", "flatten", "image_tokens", "transpose_tokens", "unstack_tokens", "stack_tokens"}
    assert min(forward, backward) >= 0
    assert (forward + backward == 0) == (one.op in moving | {"first_token", "tied_linear"} or only_multiplies(one))


def only_multiplies(one: Case) -> bool:
    return one.op in ("linear", "conv2d", "conv_transpose2d") and len(one.specs) == 2


def test_an_operation_more_in_a_rule_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forward and backward of tanh, each with a sum more."""
    rule = CATALOGUE["tanh"]

    def forward(xp: Any, x: Any) -> Any:
        y = xp.tanh(x)
        return y + 0, lambda: (1 - y * y,)

    before = counted(case("tanh", (4, 6)))
    monkeypatch.setattr(rule, "forward", forward)
    monkeypatch.setattr(rule, "backward", lambda xp, grad, local, inputs, wants: (grad * local[0] + 0,))
    assert counted(case("tanh", (4, 6))) == (before[0] + N, before[1] + N)


def test_a_primitive_counts_as_what_numpy_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Softmax without the shift by the row's maximum has a maximum and a subtraction less."""
    scores = case("attention", (1, 4, 6), (1, 4, 6), (1, 4, 6), heads=1, causal=False)
    before = counted(scores)
    monkeypatch.setattr(primitives, "softmax", lambda x: np.exp(x) / np.sum(np.exp(x), axis=-1, keepdims=True))
    assert counted(scores)[0] == before[0] - (16 - 4) - 16 + 16
