"""Parameters of one's own model that the config freezes, and whether a framework leaves out what they save."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.measure.protocol import Failure
from harness.workload.ops import WorkloadError
from harness.workload.own import OwnWorkload
from tests.helpers.own import run

pytestmark = pytest.mark.slow

TORCH, JAX = "planted_torch:honest", "planted_jax:honest"  # two layers each


def passes(folder: Path, framework: str, factory: str, execution: str, frozen: str) -> tuple[int, int, set[str]]:
    """Multiplies forward and backward, and the names that were compared with float64."""
    told = run(folder, framework, factory, execution, frozen=frozen)
    counts = {phase: told.counted[phase]["matmuls"] for phase in ("forward", "backward")}
    return counts["forward"], counts["backward"], set(told.verified["gradient_errors"])


@pytest.mark.parametrize(
    ("frozen", "backward", "left"),
    [("", 3, {"0.weight", "0.bias", "2.weight", "2.bias"}), (r"0\..*", 1, {"2.weight", "2.bias"}), (r"2\..*", 2, None)],
)
def test_torch_requires_no_gradient_of_them(tmp_path: Path, frozen: str, backward: int, left: set[str] | None) -> None:
    told = passes(tmp_path, "torch", TORCH, "eager", frozen)
    assert told == (2, backward, left or {"0.weight", "0.bias"})


@pytest.mark.parametrize(("frozen", "backward"), [("", 3), (r"layers\.0\..*", 1), (r"layers\.1\..*", 2)])
def test_jax_does_not_differentiate_by_them(tmp_path: Path, frozen: str, backward: int) -> None:
    assert passes(tmp_path, "jax", JAX, "jit", frozen)[:2] == (2, backward)


@pytest.mark.parametrize(("execution", "backward"), [("graph", 1), ("eager", 3)])
def test_keras_on_tensorflow_leaves_them_out_in_a_graph_alone(tmp_path: Path, execution: str, backward: int) -> None:
    """A tape watches every variable that is read, frozen or not, and computes for it what nobody asks for."""
    told = run(tmp_path, "tensorflow", "planted_keras:honest", execution, "keras", ".*first/.*")
    assert (told.counted["forward"]["matmuls"], told.counted["backward"]["matmuls"]) == (2, backward)
    assert {name.rpartition("second.")[2] for name in told.verified["gradient_errors"]} == {"kernel", "bias"}


@pytest.mark.parametrize(
    ("frozen", "says"),
    [
        ("stage.*", r"planted_torch:honest: frozen=stage.*: no parameter has such a name; there are 0.weight, 0.bias"),
        (".*", "leaves no parameter that is trained; freeze fewer"),
    ],
)
def test_a_pattern_for_none_or_for_all_is_a_sentence(tmp_path: Path, frozen: str, says: str) -> None:
    with pytest.raises(Failure, match=says):
        run(tmp_path, "torch", TORCH, "eager", frozen=frozen)


@pytest.mark.parametrize(("frozen", "says"), [("first:1", "choose a regular expression"), ("w[", "no regular expr")])
def test_what_can_be_said_before_it_is_built_is_said_then(frozen: str, says: str) -> None:
    with pytest.raises(WorkloadError, match=says):
        OwnWorkload.of({"torch": TORCH}, frozen=frozen)


def test_it_is_a_part_of_its_identity() -> None:
    plain, frozen = (OwnWorkload.of({"torch": TORCH}, frozen=setting) for setting in ("", "0.*"))
    assert plain.id != frozen.id
    assert "frozen" not in plain.as_dict()
    assert OwnWorkload.from_dict(frozen.as_dict()).frozen == "0.*"
