"""What is told of a Keras model on TensorFlow that has one fault, planted in `planted_keras.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.measure.protocol import Failure, Outcome
from tests.helpers.own import run


@pytest.mark.parametrize(
    ("planted", "precision", "outcome", "says"),
    [
        ("frozen", "fp32", Outcome.INVALID, "no variable is trainable, so there is no backward pass"),
        ("no_scalar", "fp32", Outcome.INVALID, r"its loss has shape \[4, 8\]; it must be a scalar"),
        ("no_model", "fp32", Outcome.ERROR, "its parameters are a list; in Keras they must be a keras.Model"),
        ("two_types", "bf16_mixed", Outcome.ERROR, r"its loss raises InvalidArgumentError: .*; own/planted_keras.py"),
    ],
)
def test_a_model_that_cannot_be_measured_is_refused_in_a_sentence(
    tmp_path: Path, planted: str, precision: str, outcome: Outcome, says: str
) -> None:
    with pytest.raises(Failure, match=says) as raised:
        run(tmp_path, "tensorflow", f"planted_keras:{planted}", "eager", "keras", precision=precision)
    assert raised.value.outcome == outcome
    assert "\n" not in raised.value.reason
