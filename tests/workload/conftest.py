"""The three models, small enough for a loop over their elements."""

from __future__ import annotations

import pytest

from harness.workload.workload import Workload

TINY = {
    "mlp": {"batch": 4, "depth": 3, "width": 8},
    "resnet18": {"batch": 2, "image": 33, "classes": 10},
    "gpt2": {"batch": 2, "tokens": 8, "layers": 2, "width": 16, "heads": 2, "vocabulary": 50, "context": 8},
}


@pytest.fixture(scope="module", params=TINY)
def tiny(request: pytest.FixtureRequest) -> Workload:
    """Each model in turn, as a workload."""
    return Workload.of(request.param, TINY[request.param])


@pytest.fixture
def mlp() -> Workload:
    return Workload.of("mlp", TINY["mlp"])
