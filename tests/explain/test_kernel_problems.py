"""Below a table, explanations tell their flags again, of the records that they belong to."""

from __future__ import annotations

import json
from pathlib import Path

from harness.explain.kernel_problems import problems
from harness.records.record import EXPLAINED, records
from tests.helpers.jobs import PLAIN


def test_an_explanation_is_no_record_and_its_flags_are_told_again(tmp_path: Path) -> None:
    path = tmp_path / f"{PLAIN.cell}{EXPLAINED}"
    path.write_text(json.dumps({"flags": ["likely a kernel problem: dW of conv2d"]}))
    assert problems(tmp_path, [PLAIN]) == ["mlp torch eager: likely a kernel problem: dW of conv2d"]
    assert not list(records(tmp_path))
    path.write_text("{")
    assert not problems(tmp_path, [PLAIN])
