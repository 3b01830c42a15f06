"""What several frameworks say of one model: the same, another model, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.measure.protocol import Failure, Outcome
from harness.sweep import references
from harness.sweep.own_references import OwnReferences
from harness.workload.own import OwnWorkload
from harness.workload.own_truth import Truth, difference, read_refusal, read_truth, truth_of, write_truth
from tests.helpers.jobs import EAGER, JIT, job_of

GRADIENTS = {"w": np.array([[3.0, 4.0]]), "b": np.array([12.0])}


def truth(loss: float = 2.0, gradients: dict[str, np.ndarray] | None = None) -> Truth:
    exact = loss, GRADIENTS if gradients is None else gradients
    return truth_of(exact, exact, "somewhere", "0123", {"backward": "a note"})


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (truth(), ""),
        (truth(2.0 + 1e-7), ""),
        (truth(gradients={"bias": GRADIENTS["b"], "kernel": GRADIENTS["w"].T}), ""),  # other names, other layout
        (truth(2.1), "the loss is 2.1 in float64, against 2"),
        (truth(gradients={"w": np.ones((1, 3)), "b": np.ones(1)}), "4 parameters have a gradient, against 3"),
        (truth(gradients={"w": np.array([[3.0, 5.0]]), "b": np.array([12.0])}), "the norm of the whole gradient is"),
        (truth(gradients={"w": np.array([[12.0, 0.0]]), "b": np.array([5.0])}), ""),
        (truth(gradients={"w": np.array([[13.0, 0.0]]), "b": np.array([0.0])}), "a gradient's norm is 0 in float64"),
    ],
)
def test_two_models_are_the_same_by_what_neither_names_nor_layouts_change(other: Truth, says: str) -> None:
    assert difference(truth(), other).startswith(says)
    assert bool(says) == bool(difference(truth(), other))


def test_a_truth_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_truth(tmp_path, "torch", truth())
    again = read_truth(tmp_path, "torch")
    assert (again.parameters, again.drawn, again.notes) == (3, "0123", {"backward": "a note"})
    assert again.reference.loss == 2.0
    assert {name: array.tolist() for name, array in again.reference.gradients.items()} == {"w": [[3, 4]], "b": [12]}


def test_rounding_is_allowed_five_times_what_float32_is_off_and_never_more_than_a_thousandth() -> None:
    off = {"w": GRADIENTS["w"] * (1 + 1e-5), "b": GRADIENTS["b"] * 1.5}
    allowed = truth_of((2.0, GRADIENTS), (2.0 * (1 + 1e-4), off), "", "", {}).reference.allowed
    assert allowed.gradients["w"] == pytest.approx(5e-5)
    assert allowed.gradients["b"] == 1e-3
    assert allowed.loss == pytest.approx(5e-4)


@pytest.fixture(name="computed")
def _computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`computed(torch=..., jax=...)`: the folder after both were asked, in place of workers that would be started."""

    def run(**answers: Truth | Failure) -> Any:
        workload = OwnWorkload({"torch": "mine:build", "jax": "mine:build_jax"}, {})
        job = job_of(workload, tmp_path / "results", variants=(EAGER, JIT))

        class Scripted:
            process = SimpleNamespace(kill=lambda: None)

            def __init__(self, interpreter: Any, cpus: Any, log: Any, environment: Any) -> None:
                pass

            def __enter__(self) -> Any:
                return self

            def __exit__(self, *_: Any) -> Any:
                pass

            def open(self, deadline_s: float, *, framework: str, device: str, threads: Any, precision: str) -> None:
                self.framework = framework
                assert precision == "fp64"

            def reference(self, deadline_s: float, folder: Path, draw: Any) -> None:
                answer = answers[self.framework]
                if isinstance(answer, Failure):
                    raise answer
                write_truth(folder, self.framework, answer)

        monkeypatch.setattr(references, "Worker", Scripted)
        return OwnReferences(job, ["torch", "jax"], [0], tmp_path / "work", print).save()

    return run


def test_models_that_are_the_same_are_refused_to_nobody(computed: Callable[..., Any]) -> None:
    folder = computed(torch=truth(), jax=truth())
    assert read_refusal(folder, "torch") is None
    assert read_refusal(folder, "jax") is None


def test_a_framework_with_other_weights_is_refused_and_the_first_one_measured(computed: Callable[..., Any]) -> None:
    folder = computed(torch=truth(), jax=truth(2.5))
    assert read_refusal(folder, "torch") is None
    assert read_refusal(folder, "jax") == (
        Outcome.INVALID,
        "jax does not have the model of torch with the same weights: the loss is 2.5 in float64, against 2",
    )


def test_a_model_that_takes_longer_than_the_deadline_is_told_in_its_own_words(computed: Callable[..., Any]) -> None:
    folder = computed(torch=Failure(Outcome.TIMEOUT, "no answer to 'reference' within 60 s"), jax=truth())
    outcome, reason = read_refusal(folder, "torch") or ("", "")
    assert outcome == Outcome.TIMEOUT
    assert reason.startswith(
        "mine:build: to build it, to run it and to run it in float64 took more than measure.deadline_s="
    )


def test_a_framework_that_fails_is_refused_with_its_reason_and_the_other_one_measured(
    computed: Callable[..., Any],
) -> None:
    folder = computed(torch=Failure(Outcome.ERROR, "mine:build raises ValueError: no"), jax=truth(2.5))
    assert read_refusal(folder, "torch") == (Outcome.ERROR, "mine:build raises ValueError: no")
    assert read_refusal(folder, "jax") is None
