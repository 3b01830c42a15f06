"""Models that this project did not write, each from its reference to its counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.workload.workload import Workload, save
from tests.helpers import own
from tests.helpers.own import inside, measured, run, session, written

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "MODELS", own.MODELS.parent / "examples")


@pytest.mark.parametrize("execution", ["eager", "compile"])
@pytest.mark.parametrize(("factory", "arguments"), [("gpt2:build", {"layers": 1}), ("plain:build", {})])
def test_torch(tmp_path: Path, factory: str, arguments: dict[str, Any], execution: str) -> None:
    told = run(tmp_path, "torch", factory, execution, **arguments)
    counts = told.counted
    assert counts["gradient"]["flops"] == counts["forward"]["flops"] + counts["backward"]["flops"]
    assert max(told.verified["gradient_errors"].values()) < 1e-4


def test_flax(tmp_path: Path) -> None:
    counts = run(tmp_path, "jax", "flax_module:build", "jit").counted
    assert (counts["forward"]["matmuls"], counts["backward"]["matmuls"]) == (3, 5)


def test_keras_on_tensorflow(tmp_path: Path) -> None:
    """Keras has one backend a process; the other two are measured beside it by a sweep."""
    written(tmp_path, {"keras": "keras_network:build"})
    session("tensorflow", "fp64").reference(str(tmp_path), draw=True)
    assert measured(tmp_path, "tensorflow", "graph").counted["backward"]["flops"]


@pytest.mark.parametrize(
    ("framework", "execution"),
    [("numpy", "by_hand"), ("torch", "eager"), ("jax", "jit"), ("tensorflow", "eager"), ("tensorflow", "graph")],
)
def test_a_model_over_the_catalogue(tmp_path: Path, framework: str, execution: str) -> None:
    """Written once; each framework is compared with the oracle, and must execute what the trace says."""
    with inside(own.MODELS):
        save(Workload.of("own", {"catalogue": "gated:Gated"}), tmp_path)
    told = measured(tmp_path, framework, execution)
    assert (told.counted["forward"]["matmuls"], told.counted["backward"]["matmuls"]) == (7, 12)
    assert told.loaded["reference"].startswith("oracle")
