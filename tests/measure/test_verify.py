"""What is wrong is not measured: the loss and every gradient of each phase, each spoilt in turn."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.measure.protocol import Failure
from harness.measure.verify import verify
from harness.workload.agreement import WHOLE_LIMIT
from harness.workload.oracle import Reference, reference
from tests.helpers.spoilt_programs import (
    GRADIENTS,
    LOSSES,
    SOURCES,
    SOURCES_OF,
    WORKLOAD,
    Changes,
    Spoilt,
    in_second_call,
    judge,
    off_gradient,
    off_loss,
)

OFF, SLIGHTLY_OFF = 1.01, 1 + 2e-6  # rounding is about 1e-7


@pytest.fixture(scope="module")
def expected() -> Reference:
    return reference(WORKLOAD.graph, WORKLOAD.sample())


def test_what_is_right_is_verified_with_its_numbers(expected: Reference) -> None:
    program = Spoilt()
    found = judge(program, expected)
    assert found.loss == pytest.approx(expected.loss, rel=1e-6)
    assert 0 <= found.loss_error < 1e-6
    assert found.gradient_errors.keys() == SOURCES.keys()
    assert all(0 < error < 1e-6 for error in found.gradient_errors.values())
    assert found.residual_bytes == program.residual_bytes(program.forward()) > 0


@pytest.mark.parametrize("phase", LOSSES)
@pytest.mark.parametrize("factor", [OFF, 1 / OFF, math.nan], ids=["more", "less", "nan"])
def test_a_wrong_loss_of_any_phase_is_invalid(expected: Reference, phase: str, factor: float) -> None:
    wrong = off_loss(phase, factor)
    judge(Spoilt(**wrong), expected, "the loss is off by")
    judge(Spoilt(**in_second_call(wrong)), expected, "the loss is off by")


@pytest.mark.parametrize(("phase", "source"), [(phase, source) for phase in GRADIENTS for source in SOURCES_OF[phase]])
def test_a_wrong_gradient_of_any_phase_is_invalid(expected: Reference, phase: str, source: str) -> None:
    for factor in (OFF, -1, math.nan):
        judge(Spoilt(**off_gradient(phase, source, factor)), expected, f"the gradient of {source} is off by")
    wrong = off_gradient(phase, source, OFF)
    judge(Spoilt(**in_second_call(wrong)), expected, f"the gradient of {source} is off by")


@pytest.mark.parametrize("phase", LOSSES)
def test_the_error_of_the_loss_is_the_worst_of_all_phases(expected: Reference, phase: str) -> None:
    found = judge(Spoilt(**off_loss(phase, SLIGHTLY_OFF)), expected)
    assert found.loss_error == pytest.approx(2e-6, rel=0.2)


@pytest.mark.parametrize("phase", GRADIENTS)
def test_the_error_of_each_gradient_is_the_worst_of_all_phases(expected: Reference, phase: str) -> None:
    source = next(iter(SOURCES_OF[phase]))
    errors = judge(Spoilt(**off_gradient(phase, source, SLIGHTLY_OFF)), expected).gradient_errors
    assert errors.pop(source) == pytest.approx(2e-6, rel=0.2)
    assert max(errors.values()) < 1e-6


def with_tangent(expected: Reference, factor: float) -> Changes:
    """The program with a tangent, off by a factor."""

    def change(program: Any) -> Callable[..., Any]:
        return lambda: (program.inference(), factor * expected.along(WORKLOAD.directions()))

    return {"tangent": change}


def test_a_right_tangent_is_verified(expected: Reference) -> None:
    judge(Spoilt(**with_tangent(expected, 1.0)), expected)


@pytest.mark.parametrize("phase", ["backward", "gradient"])
def test_what_is_to_be_deterministic_has_the_same_bits_in_every_call(expected: Reference, phase: str) -> None:
    program = Spoilt(**in_second_call(off_gradient(phase, "w1", 1 + 1e-7)))
    verify(program, WORKLOAD, expected, "sgd")
    verify(Spoilt(), WORKLOAD, expected, "sgd", deterministic=True)
    program = Spoilt(**in_second_call(off_gradient(phase, "w1", 1 + 1e-7)))
    with pytest.raises(Failure, match=f"^{phase} is not deterministic: the gradient of w1"):
        verify(program, WORKLOAD, expected, "sgd", deterministic=True)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("share", "good"), [(0.9, True), (1.1, False)])
def test_a_tangent_may_be_off_by_its_limit_of_the_whole_gradient(
    expected: Reference, share: float, good: bool, sign: int
) -> None:
    assert expected.norm > 1.5, "else a share of it could not be told from a multiple"
    along = expected.along(WORKLOAD.directions())
    off = sign * share * WHOLE_LIMIT["fp32"] * expected.norm
    judge(Spoilt(**with_tangent(expected, 1 + off / along)), expected, "" if good else "the tangent is off by")


@pytest.mark.parametrize("factor", [OFF, 0.99, -1.0, math.nan])
def test_a_wrong_tangent_is_invalid(expected: Reference, factor: float) -> None:
    judge(Spoilt(**with_tangent(expected, factor)), expected, "the tangent is off by")


@pytest.mark.parametrize(("rate", "good"), [(1e-2, True), (1.01e-2, False), (-1e-2, False), (0.0, False)])
def test_a_step(expected: Reference, rate: float, good: bool) -> None:
    def update(program: Any) -> Callable[..., Any]:
        copies = {name: array.copy() for name, array in WORKLOAD.sample().items() if array.dtype == np.float32}

        def step(pair: tuple[Any, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
            for name, gradient in pair[1].items():
                copies[name] -= np.float32(rate) * gradient
            return copies

        return step

    judge(Spoilt(update=update), expected, "" if good else "a step of sgd is off by")
