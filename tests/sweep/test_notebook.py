"""`from harness import measure`, in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UserError

BRIEF = ("measure.trials=1", "measure.budget_s=0.2", "measure.warm_s=0.1")
TINY = ("variants=numpy", "device=cpu", "tracking=off", *BRIEF, "model.batch=2")


def test_measure_is_a_package_and_a_function_that_returns_records_and_a_report(tmp_path: Path) -> None:
    from harness import measure
    from harness.measure.trial import run_trial

    assert run_trial.__module__ == "harness.measure.trial"
    findings = measure(*TINY, "model.depth=1,2", "model.width=4", f"results='{tmp_path}'", model="mlp")  # type: ignore[operator]  # a package that can be called
    assert [record.workload["sizes"]["depth"] for record in findings.records] == [1, 2]
    assert all(record.outcome == "ok" for record in findings.records)
    assert findings.report.startswith(findings.answer)
    assert "| workload | variant |" in findings._repr_markdown_()
    again = measure(*TINY, "model.depth=1,2", "model.width=4", f"results='{tmp_path}'", model="mlp")  # type: ignore[operator]  # a package that can be called
    assert [record.id for record in again.records] == [record.id for record in findings.records]


def test_a_mistake_is_an_exception_with_one_sentence(tmp_path: Path) -> None:
    from harness import measure

    with pytest.raises(UserError, match=r"model=own: no model was given"):
        measure(*TINY[:-1], f"results='{tmp_path}'", model="own")  # type: ignore[operator]
