"""Claims as a user runs them, through NumPy: counts are exact, so their verdicts are known."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.helpers.sweeps import TINY, Sweep

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

QUICK = ["variants=numpy", *TINY, "measure.budget_s=0.3", "measure.warm_s=0.1"]


def judged(sweep: Sweep, study: str) -> Any:
    return json.loads((sweep.results / "records" / study / "main" / "verdicts.json").read_text())


def test_a_claim_ends_in_verdicts_on_the_console_in_a_file_and_in_mlflow(sweep: Sweep) -> None:
    code, printed = sweep.run("study=why/multiplies", *QUICK)
    assert code == 0, printed
    assert "Claim: A vanilla network of L layers" in printed
    for name in ("forward", "backward", "gradient"):
        assert f"{name}, by count: HOLDS." in printed
    assert "Traceback" not in printed
    found = judged(sweep, "why_multiplies")
    assert found["rulings"] == {"counted": "holds"}
    assert found["records"] == {record.cell: record.id for record in sweep.records("why_multiplies").values()}
    (summary,) = sweep.runs("why_multiplies", "summary")
    assert summary.data.tags["verdict.counted"] == "holds"
    assert "backward, by count: HOLDS" in summary.data.tags["mlflow.note.content"]
    assert "| workload | variant |" in summary.data.tags["mlflow.note.content"]


def test_studies_that_follow_each_other_keep_their_records_apart_and_go_on(sweep: Sweep) -> None:
    both = ["jobs=['study=why/multiplies','study=why/third_operation']", "choices.autodiff=[by_hand]", "tracking=off"]
    code, printed = sweep.run(*both, *QUICK)
    assert code == 0, printed
    assert "2 studies: about" in printed
    assert printed.splitlines()[-2].endswith("by count HOLDS.")
    assert "by count FAILS; by the clock CANNOT TELL." in printed.splitlines()[-1]
    before = {study: sweep.records(study) for study in ("why_multiplies", "why_third_operation")}
    assert all(before.values())
    code, printed = sweep.run(*both, *QUICK)
    assert code == 0
    assert "why_multiplies: 1 of 1 variant already measured" in printed
    after = {study: sweep.records(study) for study in before}
    assert {s: [r.id for r in rs.values()] for s, rs in after.items()} == {
        s: [r.id for r in rs.values()] for s, rs in before.items()
    }
    assert judged(sweep, "why_third_operation")["rulings"] == {"counted": "fails", "timed": "cannot tell"}
