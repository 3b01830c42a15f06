"""What is told of a torch model that has one fault, planted in `planted_torch.py`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from harness.measure.protocol import Failure, Outcome
from tests.helpers.own import Run, run

PLANTED = "planted_torch"


def of(folder: Path, planted: str, execution: str = "eager", **arguments: Any) -> Run:
    """One of the planted models from its reference to its counts."""
    return run(folder, "torch", f"{PLANTED}:{planted}", execution, **arguments)


@pytest.mark.parametrize(
    ("planted", "outcome", "says"),
    [
        ("frozen", Outcome.INVALID, "no parameter requires a gradient"),
        ("own_weights", Outcome.INVALID, "the loss depends on none of the parameters"),
        ("no_scalar", Outcome.INVALID, r"its loss has shape \[4, 8\]; it must be a scalar"),
        ("no_tensor", Outcome.INVALID, "its loss is a float; it must be a scalar of the framework's own"),
        ("dropout", Outcome.INVALID, "is not deterministic: two calls give losses of .* dropout"),
        ("float64_backward", Outcome.INVALID, "backward multiplies in float64 and forward does not"),
        ("nan", Outcome.INVALID, "its loss is nan"),
        ("fixed_type", Outcome.ERROR, "in float64, in which it is checked, its loss raises RuntimeError"),
        ("unseeded", Outcome.INVALID, "other weights or another batch each time"),
        (
            "raises",
            Outcome.ERROR,
            r"raises ValueError: width must be at least 100, not 8; own/planted_torch.py, line \d+",
        ),
        ("returns_a_model", Outcome.ERROR, r"returned a Sequential; it must return \(parameters, batch, loss\)"),
        ("wants_a_gpu", Outcome.ERROR, r"wants_a_gpu raises \w+: .*; own/planted_torch.py, line \d+"),
        ("reads_input", Outcome.ERROR, "raises (EOFError|OSError)"),
        ("quits", Outcome.ERROR, "quits raises SystemExit: 3"),
        ("not_a_function", Outcome.ERROR, "not_a_function is a int; it must be a function"),
        ("misspelt", Outcome.ERROR, "planted_torch has no 'misspelt'; write package.module:function"),
    ],
)
def test_a_model_that_cannot_be_measured_is_refused_in_a_sentence(
    tmp_path: Path, planted: str, outcome: Outcome, says: str
) -> None:
    with pytest.raises(Failure, match=says) as raised:
        of(tmp_path, planted)
    assert raised.value.outcome == outcome
    assert "\n" not in raised.value.reason


@pytest.mark.parametrize(
    ("planted", "phase", "says"),
    [
        ("one_unused", "backward", "spare.weight has no gradient: the loss does not depend on it"),
        ("input_with_gradient", "forward", "an input of the batch requires a gradient"),
        ("reads_a_number", "forward", "forward waits for a number from the device"),
        ("half_detached", "backward", "it executes 512 FLOPs and forward 1,536, so a part of forward has no gradient"),
        ("starts_a_thread", "inference", r"leaves threads running \(loader\)"),
    ],
)
def test_what_a_user_should_know_is_told_beside_the_count(tmp_path: Path, planted: str, phase: str, says: str) -> None:
    assert re.search(says, of(tmp_path, planted).counted[phase]["note"])


@pytest.mark.parametrize("planted", ["honest", "of_tensors", "prints"])
def test_an_honest_model_agrees_with_itself_in_float64(tmp_path: Path, planted: str) -> None:
    measured = of(tmp_path, planted)
    assert 0 < measured.verified["loss_error"] < 1e-5 or measured.verified["loss_error"] == 0
    assert max(measured.verified["gradient_errors"].values()) < 1e-5
    assert not any(count["note"] for count in measured.counted.values())


def test_multiplies_are_counted_and_arguments_passed_on(tmp_path: Path) -> None:
    measured = of(tmp_path, "honest", depth=3, width=16)
    counts = {phase: (count["matmuls"], count["flops"]) for phase, count in measured.counted.items()}
    one = 2 * 4 * 16 * 16
    assert counts == {
        "inference": (3, 3 * one),
        "forward": (3, 3 * one),
        "backward": (5, 5 * one),
        "gradient": (8, 8 * one),
    }
    assert measured.verified["parameters"] == 3 * (16 * 16 + 16)


def test_a_module_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        Failure,
        match=r"nowhere:build: nowhere cannot be imported .ModuleNotFoundError: No module .*; looked for in .*own and",
    ):
        run(tmp_path, "torch", "nowhere:build", "eager")


def test_wrong_arguments_are_told(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"honest raises TypeError: honest.. got an unexpected keyword argument 'widht'"):
        of(tmp_path, "honest", widht=3)


@pytest.mark.slow
def test_compiled_it_executes_the_same_multiplies(tmp_path: Path) -> None:
    eager, compiled = of(tmp_path / "a", "honest"), of(tmp_path / "b", "honest", "compile")
    assert {phase: count["flops"] for phase, count in compiled.counted.items()} == {
        phase: count["flops"] for phase, count in eager.counted.items()
    }


@pytest.mark.slow
def test_a_loss_that_torch_compiles_again_is_told(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="would compile the loss again in a second call"):
        of(tmp_path, "recompiles", "compile")


@pytest.mark.slow
def test_a_loss_that_is_no_single_graph_is_told(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"torch.compile cannot make one graph of the loss"):
        of(tmp_path, "reads_a_number", "compile")
