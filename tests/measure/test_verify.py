"""What is wrong is not measured: the loss and every gradient of each phase, each spoilt in turn."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest

from adapters.numpy import Adapter
from harness.measure.protocol import Failure
from harness.measure.verify import verify
from harness.workload.agreement import WHOLE_LIMIT
from harness.workload.oracle import Reference, reference
from harness.workload.workload import Workload

WORKLOAD = Workload.of("mlp", {"batch": 4, "depth": 3, "width": 8}, gradients="both")
OFF, SLIGHTLY_OFF = 1.01, 1 + 2e-6  # rounding is about 1e-7

LOSSES = ("inference", "forward", "gradient", "forward_inputs", "forward_params")
GRADIENTS = ("backward", "gradient", "backward_inputs", "backward_params")
SOURCES = WORKLOAD.graph.sources
SOURCES_OF = dict.fromkeys(GRADIENTS, SOURCES) | {
    f"backward_{side}": WORKLOAD.graph.side(side).sources for side in ("inputs", "params")
}


class Spoilt:
    """NumPy's program, where some phases answer something else: `changes` has a call for each, made of the program."""

    def __init__(self, **changes: Any) -> None:
        self._program = Adapter("cpu", 1, "fp32").load(WORKLOAD.graph, WORKLOAD.sample(), "by_hand")
        self._calls = {phase: change(self._program) for phase, change in changes.items()}
        self.phases = tuple(dict.fromkeys((*self._program.phases, *changes)))

    def __getattr__(self, name: str) -> Any:
        return self._calls[name] if name in self._calls else getattr(self._program, name)


@pytest.fixture(scope="module")
def expected() -> Reference:
    return reference(WORKLOAD.graph, WORKLOAD.sample())


def judge(program: Any, expected: Any, words: str = "") -> Any:
    """Verified if there are no words; else refused, and with these."""
    if not words:
        return verify(program, WORKLOAD, expected, "sgd")
    with pytest.raises(Failure, match=words) as refusal:
        verify(program, WORKLOAD, expected, "sgd")
    assert refusal.value.outcome == "invalid"
    return None


def off_loss(phase: str, factor: Any) -> Any:
    """The phase with another loss, and the same gradients or residuals."""

    def change(program: Any) -> Any:
        def call() -> Any:
            answer = getattr(program, phase)()
            return factor * answer if phase == "inference" else (factor * answer[0], answer[1])

        return call

    return {phase: change}


def off_gradient(phase: str, source: Any, factor: Any) -> Any:
    """The phase with another gradient of one source, and the same loss."""

    def changed(gradients: Any) -> Any:
        return {name: factor * array if name == source else array for name, array in gradients.items()}

    def change(program: Any) -> Any:
        call = getattr(program, phase)
        if phase != "gradient":
            return lambda kept: changed(call(kept))
        return lambda: (lambda loss, gradients: (loss, changed(gradients)))(*call())

    return {phase: change}


def in_second_call(changed: Any) -> Any:
    """As a program that goes wrong after its first call."""

    def change(phase: str, spoil: Any) -> Any:
        def made(program: Any) -> Any:
            right, wrong, calls = getattr(program, phase), spoil(program), []

            def call(*given: Any) -> Any:
                calls.append(phase)
                return (wrong if len(calls) > 1 else right)(*given)

            return call

        return made

    return {phase: change(phase, spoil) for phase, spoil in changed.items()}


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


def cached(phase: str) -> Any:
    """A phase that computes once, and then hands out what it has."""

    def change(program: Any) -> Any:
        answers = []

        def call(*given: Any) -> Any:
            if not answers:
                answers.append(getattr(program, phase)(*given))
            if phase.startswith("forward"):  # backward uses up the list
                return answers[0][0], list(answers[0][1])
            return answers[0]

        return call

    return {phase: change}


def cached_views(phase: str) -> Any:
    """As `cached`, in new objects around the same memory."""

    def change(program: Any) -> Any:
        call = cached(phase)[phase](program)
        views = lambda gradients: {name: array[...] for name, array in gradients.items()}  # noqa: E731
        if phase != "gradient":
            return lambda kept: views(call(kept))
        return lambda: (np.float32(call()[0]), views(call()[1]))

    return {phase: change}


@pytest.mark.parametrize("phase", dict.fromkeys((*LOSSES, *GRADIENTS)))
def test_a_phase_that_hands_out_a_cached_answer_is_invalid(expected: Reference, phase: str) -> None:
    judge(Spoilt(**cached(phase)), expected, f"^{phase} computes nothing when it is called again")


@pytest.mark.parametrize("phase", GRADIENTS)
def test_new_objects_around_cached_gradients_do_not_hide_them(expected: Reference, phase: str) -> None:
    judge(Spoilt(**cached_views(phase)), expected, f"^{phase} computes nothing when it is called again")


def with_tangent(expected: Any, factor: Any) -> Any:
    """The program with a tangent, off by a factor."""

    def change(program: Any) -> Any:
        return lambda: (program.inference(), factor * expected.along(WORKLOAD.directions()))

    return {"tangent": change}


def test_a_right_tangent_is_verified(expected: Reference) -> None:
    judge(Spoilt(**with_tangent(expected, 1.0)), expected)


@pytest.mark.parametrize("phase", GRADIENTS)
def test_cached_arrays_do_not_hide_behind_an_export_that_copies(expected: Reference, phase: str) -> None:
    """As TensorFlow's does."""

    class Copying(Spoilt):
        def export(self, gradients: Any) -> Any:
            return {name: np.array(array) for name, array in gradients.items()}

    judge(Copying(**cached(phase)), expected, f"^{phase} computes nothing when it is called again")
    judge(Copying(), expected)


@pytest.mark.parametrize("phase", ["backward", "gradient"])
def test_what_is_to_be_deterministic_has_the_same_bits_in_every_call(expected: Reference, phase: str) -> None:
    program = Spoilt(**in_second_call(off_gradient(phase, "w1", 1 + 1e-7)))
    verify(program, WORKLOAD, expected, "sgd")
    verify(Spoilt(), WORKLOAD, expected, "sgd", deterministic=True)
    program = Spoilt(**in_second_call(off_gradient(phase, "w1", 1 + 1e-7)))
    with pytest.raises(Failure, match=f"^{phase} is not deterministic: the gradient of w1"):
        verify(program, WORKLOAD, expected, "sgd", deterministic=True)


class Reusing(Spoilt):
    """Each phase writes into the arrays that it has returned before, as a replayed CUDA graph does; `idle` does not."""

    repeatable = False

    def __init__(self, idle: Any = "") -> None:
        super().__init__()
        self._idle = idle
        self._memory = {}

    def __getattr__(self, name: str) -> Any:
        call = super().__getattr__(name)
        return partial(self._replay, name, call) if name in (*LOSSES, *GRADIENTS) else call

    def _replay(self, phase: str, call: Any, *given: Any) -> Any:
        answer = call(*given)
        if phase == "gradient":
            return self._put(phase, "loss", answer[0]), self._put_all(phase, answer[1])
        if phase.startswith("forward"):  # what it keeps is used up before the next call
            return self._put(phase, "loss", answer[0]), answer[1]
        return self._put(phase, "loss", answer) if phase == "inference" else self._put_all(phase, answer)

    def _put_all(self, phase: str, gradients: Any) -> Any:
        return {name: self._put(phase, name, array) for name, array in gradients.items()}

    def _put(self, phase: str, name: str, array: Any) -> Any:
        memory = self._memory.get((phase, name))
        if memory is None:
            memory = self._memory[phase, name] = np.array(array)
        elif phase != self._idle:
            memory[...] = array
        return memory

    def spoil(self, result: Any) -> None:
        loss, gradients = result
        for array in (loss, *gradients.values()):
            array[...] = np.nan


def test_a_program_that_reuses_the_memory_of_its_results_is_verified(expected: Reference) -> None:
    judge(Reusing(), expected)


@pytest.mark.parametrize("phase", dict.fromkeys((*LOSSES, *GRADIENTS)))
def test_what_reuses_its_memory_must_compute_all_the_same(expected: Reference, phase: str) -> None:
    judge(Reusing(idle=phase), expected, "off by nan")


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


def test_a_cached_tangent_is_invalid(expected: Reference) -> None:
    derivative = expected.along(WORKLOAD.directions())
    judge(
        Spoilt(tangent=lambda program: lambda: (program.inference(), derivative)), expected, "tangent computes nothing"
    )


@pytest.mark.parametrize(("rate", "good"), [(1e-2, True), (1.01e-2, False), (-1e-2, False), (0.0, False)])
def test_a_step(expected: Reference, rate: float, good: bool) -> None:
    def update(program: Any) -> Any:
        copies = {name: array.copy() for name, array in WORKLOAD.sample().items() if array.dtype == np.float32}

        def step(pair: Any) -> Any:
            for name, gradient in pair[1].items():
                copies[name] -= np.float32(rate) * gradient
            return copies

        return step

    judge(Spoilt(update=update), expected, "" if good else "a step of sgd is off by")
