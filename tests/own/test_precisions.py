"""A model of one's own in each precision: what it multiplies in, and what rounding is allowed of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.base import Unsupported
from harness.measure.protocol import Failure, Outcome
from harness.paths import ROOT
from harness.workload.own_truth import read_truth
from harness.workload.rounding import SAFETY, UNITS
from tests.helpers.executions import adapter_of
from tests.helpers.own import run, session, written

PLANTED = {"torch": "planted_torch", "jax": "planted_jax", "tensorflow": "planted_keras"}
LIBRARIES = {"torch": "torch", "jax": "jax", "tensorflow": "keras"}
QUICK = [
    *(("torch", "eager", precision) for precision in ("bf16_mixed", "bf16", "fp64")),
    *(("jax", "jit", precision) for precision in ("bf16_mixed", "bf16", "fp64")),
    *(("tensorflow", "eager", precision) for precision in ("bf16_mixed", "fp64")),
    ("tensorflow", "graph", "bf16_mixed"),
]


@pytest.fixture(autouse=True)
def settings_as_they_were() -> Any:
    """Jax's and Keras's types are settings of the process."""
    yield
    if jax := sys.modules.get("jax"):
        jax.config.update("jax_enable_x64", False)
    if keras := sys.modules.get("keras"):
        keras.utils.clear_session()
        keras.config.set_floatx("float32")


def skip_without_fast_bf16() -> None:
    """Skip the test where torch refuses bf16, which it does on a CPU without its instructions."""
    try:
        adapter_of("torch", precision="bf16")
    except Unsupported as refusal:
        assert "bf16" in str(refusal)
        pytest.skip(str(refusal))


def of(folder: Path, framework: str, execution: str, planted: str, precision: str) -> tuple[Any, dict[str, str]]:
    """What a worker answers, and the notes of its phases."""
    if framework == "torch" and precision.startswith("bf16"):
        skip_without_fast_bf16()
    factory = f"{PLANTED[framework]}:{planted}"
    told = run(folder, framework, factory, execution, LIBRARIES[framework], precision=precision)
    return told, {phase: count["note"] for phase, count in told.counted.items()}


@pytest.mark.parametrize(("framework", "execution", "precision"), QUICK)
def test_it_is_computed_in_the_precision_that_is_chosen(
    tmp_path: Path, framework: str, execution: str, precision: str
) -> None:
    """By its errors: no float32 is off as much as bf16, or as little as float64. Multiplies are the same ones."""
    told, notes = of(tmp_path, framework, execution, "honest", precision)
    worst = max(told.verified["gradient_errors"].values())
    assert (worst < 1e-14) if precision == "fp64" else (1e-3 < worst < 0.05)
    assert [told.counted[phase]["matmuls"] for phase in ("forward", "backward", "gradient")] == [2, 3, 5]
    assert not any(notes.values())


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16_mixed", "fp64"])
def test_compiled_too(tmp_path: Path, precision: str) -> None:
    told, _ = of(tmp_path, "torch", "compile", "honest", precision)
    worst = max(told.verified["gradient_errors"].values())
    assert (worst < 1e-14) if precision == "fp64" else (1e-3 < worst < 0.05)


@pytest.mark.parametrize("framework", ["torch", "jax", "tensorflow"])
def test_in_mixed_precision_parameters_and_gradients_are_float32(tmp_path: Path, framework: str) -> None:
    if framework == "torch":
        skip_without_fast_bf16()
    execution = {"torch": "eager", "jax": "jit", "tensorflow": "eager"}[framework]
    factory = {LIBRARIES[framework]: f"{PLANTED[framework]}:honest"}
    written(tmp_path, factory, precision="bf16_mixed")
    session(framework, "fp64").reference(str(tmp_path), draw=True)
    worker = session(framework, "bf16_mixed")
    worker.load(str(tmp_path), execution)
    arrays = [*worker.program.parameters().values(), *worker.program.gradient()[1].values()]
    assert all("float32" in str(array.dtype) for array in arrays)


def test_what_rounding_may_do_in_bf16_is_a_multiple_of_what_it_does_op_by_op(tmp_path: Path) -> None:
    told, _ = of(tmp_path, "torch", "eager", "honest", "bf16_mixed")  # which is what the reference ran
    allowed = read_truth(tmp_path, "torch").reference.allowed
    least = SAFETY * UNITS["bf16_mixed"]
    assert allowed.precision == "bf16_mixed"
    for name, error in told.verified["gradient_errors"].items():
        assert allowed.gradients[name] == pytest.approx(max(SAFETY * error, least))
    assert allowed.loss == pytest.approx(max(SAFETY * told.verified["loss_error"], least))


@pytest.mark.parametrize("precision", ["bf16_mixed", "bf16"])
def test_a_wrong_gradient_is_found_in_bf16(tmp_path: Path, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Off by a tenth: far inside what serves the whole catalogue, far outside of what this model's rounding does."""
    from adapters.torch.own import Own

    backward = Own.backward
    monkeypatch.setattr(Own, "backward", lambda self, kept: {n: 1.1 * g for n, g in backward(self, kept).items()})
    with pytest.raises(Failure, match=rf"is off by 0\.\d+ of its norm; {precision} allows 0\.0\d+"):
        of(tmp_path, "torch", "eager", "honest", precision)


def test_a_gradient_that_bf16_leaves_nothing_of_is_told(tmp_path: Path) -> None:
    """The others are compared all the same."""
    told, notes = of(tmp_path, "torch", "eager", "one_cancels", "bf16_mixed")
    assert notes["backward"].startswith("bf16_mixed leaves too little of the gradient of w to compare it with float64")
    assert told.verified["gradient_errors"]["w"] > 0.2 > told.verified["gradient_errors"]["v"]


def test_where_nothing_is_left_it_is_not_measured(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"op by op in bf16_mixed, the whole gradient is off by .* too little is left"):
        of(tmp_path, "torch", "eager", "cancels", "bf16_mixed")


@pytest.mark.parametrize(
    ("planted", "precision", "says"),
    [
        ("own_types", "bf16_mixed", "precision=bf16_mixed changes nothing: its own code multiplies in float32"),
        ("casts_back", "fp64", "its own code casts from float64 to float32, so it is compared as float32 is"),
    ],
)
def test_code_that_casts_by_itself_is_told(tmp_path: Path, planted: str, precision: str, says: str) -> None:
    assert of(tmp_path, "torch", "eager", planted, precision)[1]["forward"] == says


def test_keras_in_float64_is_refused_where_keras_has_none(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="jax: Keras multiplies float64 in float32 there") as raised:
        run(tmp_path, "jax", "planted_keras:honest", "jit", "keras", precision="fp64")
    assert raised.value.outcome == Outcome.UNSUPPORTED


def test_a_step_in_bf16_is_refused_as_for_the_catalogue(tmp_path: Path) -> None:
    of(tmp_path, "torch", "eager", "honest", "bf16")
    with pytest.raises(Failure, match="a step of training is lost in the rounding of bf16 parameters"):
        session("torch", "bf16").load(str(tmp_path), "eager", {"optimizer": "sgd"})


def test_adam_steps_in_float64(tmp_path: Path) -> None:
    of(tmp_path, "torch", "eager", "honest", "fp64")
    worker = session("torch", "fp64")
    worker.load(str(tmp_path), "eager", {"optimizer": "adam"})
    worker.verify()
    assert {array.dtype for array in worker.program.export(worker.program.parameters()).values()} == {
        np.dtype(np.float64)
    }


@pytest.mark.slow
def test_what_keras_is_compared_with_is_float64_on_torch_too(tmp_path: Path) -> None:
    """Keras itself would multiply in float32 there. It has one backend a process, so this is one of its own."""
    written(tmp_path, {"keras": "planted_keras:honest"})
    script = f"from tests.helpers.own import session; session('torch', 'fp64').reference({str(tmp_path)!r}, draw=True)"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
    gradients = read_truth(tmp_path, "torch").reference.gradients
    assert all((gradient != gradient.astype(np.float32)).any() for gradient in gradients.values())
