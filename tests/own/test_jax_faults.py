"""What is told of a jax model that has one fault, planted in `planted_jax.py`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.measure.protocol import Failure, Outcome
from tests.helpers.own import Run, run


def of(folder: Path, planted: str) -> Run:
    return run(folder, "jax", f"planted_jax:{planted}", "jit")


@pytest.mark.parametrize(
    ("planted", "says"),
    [
        ("no_parameters", "no parameter is an array of floating-point numbers"),
        ("own_weights", "every gradient is zero; does loss"),
        ("no_scalar", r"its loss has shape \[4, 8\]; it must be a scalar"),
        ("drawn_in_python", "is not deterministic: two calls give losses"),
        ("nan", "its loss is nan"),
    ],
)
def test_a_model_that_cannot_be_measured_is_refused_in_a_sentence(tmp_path: Path, planted: str, says: str) -> None:
    with pytest.raises(Failure, match=says) as raised:
        of(tmp_path, planted)
    assert raised.value.outcome == Outcome.INVALID


def test_a_number_that_is_asked_for_while_tracing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"its loss raises ConcretizationTypeError: .*; own/planted_jax.py, line \d+"):
        of(tmp_path, "reads_a_number")


def test_an_unused_parameter_and_a_callback_are_told(tmp_path: Path) -> None:
    assert re.search("the gradient of spare is zero", of(tmp_path / "a", "one_unused").counted["backward"]["note"])
    assert re.search("calls back into Python", of(tmp_path / "b", "callback").counted["forward"]["note"])


def test_an_honest_model_agrees_with_itself_in_float64(tmp_path: Path) -> None:
    told = of(tmp_path, "honest")
    assert max(told.verified["gradient_errors"].values()) < 1e-5
    assert {phase: count["matmuls"] for phase, count in told.counted.items()} == {
        "inference": 2,
        "forward": 2,
        "backward": 3,
        "gradient": 5,
    }
    assert list(told.verified["gradient_errors"]) == ["layers.0.b", "layers.0.w", "layers.1.b", "layers.1.w"]
    assert told.verified["parameters"] == 2 * (64 + 8)
