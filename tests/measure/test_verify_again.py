"""A phase must compute whenever it is called: answers that are kept are refused, memory that is reused is not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from harness.workload.oracle import Reference, reference
from tests.helpers.spoilt_programs import GRADIENTS, LOSSES, WORKLOAD, Changes, Spoilt, judge


@pytest.fixture(scope="module")
def expected() -> Reference:
    return reference(WORKLOAD.graph, WORKLOAD.sample())


def cached(phase: str) -> Changes:
    """A phase that computes once, and then hands out what it has."""

    def change(program: Any) -> Callable[..., Any]:
        answers: list[Any] = []

        def call(*given: Any) -> Any:
            if not answers:
                answers.append(getattr(program, phase)(*given))
            if phase.startswith("forward"):  # backward uses up the list
                return answers[0][0], list(answers[0][1])
            return answers[0]

        return call

    return {phase: change}


def cached_views(phase: str) -> Changes:
    """As `cached`, in new objects around the same memory."""

    def change(program: Any) -> Callable[..., Any]:
        call = cached(phase)[phase](program)

        def views(gradients: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            return {name: array[...] for name, array in gradients.items()}

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


@pytest.mark.parametrize("phase", GRADIENTS)
def test_cached_arrays_do_not_hide_behind_an_export_that_copies(expected: Reference, phase: str) -> None:
    """As TensorFlow's does."""

    class Copying(Spoilt):
        def export(self, gradients: Any) -> Any:
            return {name: np.array(array) for name, array in gradients.items()}

    judge(Copying(**cached(phase)), expected, f"^{phase} computes nothing when it is called again")
    judge(Copying(), expected)


class Reusing(Spoilt):
    """Each phase writes into the arrays that it has returned before, as a replayed CUDA graph does; `idle` does not."""

    repeatable = False

    def __init__(self, idle: str = "") -> None:
        super().__init__()
        self._idle = idle
        self._memory: dict[tuple[str, str], np.ndarray] = {}

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

    def _put_all(self, phase: str, gradients: dict[str, Any]) -> dict[str, np.ndarray]:
        return {name: self._put(phase, name, array) for name, array in gradients.items()}

    def _put(self, phase: str, name: str, array: Any) -> np.ndarray:
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


def test_a_cached_tangent_is_invalid(expected: Reference) -> None:
    derivative = expected.along(WORKLOAD.directions())
    judge(
        Spoilt(tangent=lambda program: lambda: (program.inference(), derivative)), expected, "tangent computes nothing"
    )
