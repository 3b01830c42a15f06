"""The page of a user's own model that was explained."""

from __future__ import annotations

from harness.explain.own import COLUMNS, OpRow, OwnExplanation
from harness.records.record import write_json
from harness.report.findings import Findings
from harness.report.page import sections_of, write


def test_the_ops_are_a_table_and_a_variant_that_shows_none_says_so(findings: Findings) -> None:
    row = OpRow("aten::linear", "4x8 8x8", ("h.# (Linear)",), 2, 1.0, 2.0, 0.5, 0.4)
    explained = OwnExplanation((row,), ("the ops add up to 50% of forward",))
    first, second, third = findings.records[:3]
    write_json(findings.folder / f"{first.cell}.explain.json", explained.as_dict())
    write_json(findings.folder / f"{second.cell}.explain.json", OwnExplanation((), ("not explained (no)",)).as_dict())
    (findings.folder / f"{third.cell}.explain.json").write_text("[]")
    (section,) = (section for section in sections_of(findings) if section.key in ("why", "own_ops"))
    assert section.says == [
        f"{findings.full_name(0)}: the ops add up to 50% of forward.",
        f"{findings.full_name(1)}: not explained (no).",
    ]
    (figure,) = section.figures
    assert (figure.grid.columns, figure.grid.rows) == (COLUMNS, [row.cells()])
    assert "aten::linear" in write(findings).read_text()
