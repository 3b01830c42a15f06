"""`from harness import measure`, in this process."""

from __future__ import annotations

import pytest

from harness.errors import UserError

TINY = ("variants=numpy", "device=cpu", "tracking=off", "measure.budget_s=0.2", "measure.warm_s=0.1", "model.batch=2")


def test_measure_is_a_package_and_a_function_that_returns_records_and_a_report(tmp_path):
    import harness.measure.trial
    from harness import measure

    assert harness.measure.trial.run_trial
    findings = measure(*TINY, "model.depth=1,2", "model.width=4", f"results='{tmp_path}'", model="mlp")
    assert [record.workload["sizes"]["depth"] for record in findings.records] == [1, 2]
    assert all(record.outcome == "ok" for record in findings.records)
    assert findings.report.startswith(findings.answer)
    assert "| workload | variant |" in findings._repr_markdown_()
    again = measure(*TINY, "model.depth=1,2", "model.width=4", f"results='{tmp_path}'", model="mlp")
    assert [record.id for record in again.records] == [record.id for record in findings.records]


def test_a_mistake_is_an_exception_with_one_sentence(tmp_path):
    from harness import measure

    with pytest.raises(UserError, match=r"model=own: no model was given"):
        measure(*TINY[:-1], f"results='{tmp_path}'", model="own")
