"""What a worker makes of a program whose results are overwritten, and of a framework's own refusals in first calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Never

import pytest

from adapters.base import Unsupported
from adapters.numpy import Adapter
from harness.measure.child import Session
from harness.measure.protocol import Failure, Outcome
from harness.workload.workload import Workload, save

WORKLOAD = Workload.of("mlp", {"batch": 2, "depth": 1, "width": 4})


@pytest.fixture(name="session")
def _session() -> Session:
    session = Session()
    session.open("numpy", "cpu", 1, "fp32")
    return session


@pytest.mark.parametrize("repeatable", [True, False])
def test_a_program_that_overwrites_its_results_is_timed_one_call_at_a_time(session: Session, repeatable: bool) -> None:
    session.program = session.adapter.load(WORKLOAD.graph, WORKLOAD.sample(), "by_hand")
    session.program.repeatable = repeatable
    assert (session.warm(limit_s=0.1)["repeat"] > 1) == repeatable


@pytest.mark.parametrize(("known", "outcome"), [(True, Outcome.UNSUPPORTED), (False, None)])
def test_a_first_call_may_say_that_a_kernel_is_missing(
    session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, known: bool, outcome: Outcome | None
) -> None:
    save(WORKLOAD, tmp_path)

    def lacking(self: Any) -> Never:
        raise RuntimeError("No available kernel")

    monkeypatch.setattr("adapters.numpy.Program.gradient", lacking)
    monkeypatch.setattr(Adapter, "refusal", lambda _, error: Unsupported(f"numpy: {error}") if known else None)
    with pytest.raises(Failure if known else RuntimeError, match="No available kernel") as raised:
        session.load(str(tmp_path), "by_hand")
    assert getattr(raised.value, "outcome", None) == outcome
