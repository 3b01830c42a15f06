"""What the page of a sweep says, in HTML, Markdown and CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness.claims.verdicts import StudyVerdict
from harness.records.calibration import assumed
from harness.records.record import Record, write_json
from harness.report.findings import Findings
from harness.report.page import html, sections_of, write
from harness.report.papers import markdown_of
from harness.report.section import MOST_LISTED, Section


def section(findings: Findings, key: str) -> Section:
    return next(made for made in sections_of(findings) if made.key == key)


class Outline(HTMLParser):
    """The ids of a page, and whether every element that was opened was closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone_and_is_well_formed(findings: Findings) -> None:
    page = write(findings).read_text()
    outline = Outline(page)
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    assert not re.search(r'(src|href)="(https?:)?//', re.sub(r"<td.*?</td>", "", page))  # sources are linked in tables
    assert set(re.findall(r'<a href="#([\w-]+)"', page)) <= set(outline.ids)


def test_the_answer_stands_first_and_what_cannot_be_told_after_what_can(findings: Findings) -> None:
    page = write(findings).read_text()
    sentence = (
        "it takes 1.50 to 2.00 times as long: of 7 variants, 4 lie below 2, 0 above, and 3 cannot be told apart from 2"
    )
    places = [page.index(text) for text in (sentence, 'id="ratio"', 'id="fastest"', 'id="untold"', 'id="method"')]
    assert places == sorted(places)


def test_what_a_record_says_cannot_become_markup(findings: Findings) -> None:
    page = write(findings).read_text()
    assert "it has &lt;no&gt; such kernel &amp; says so" in page
    assert "<no>" not in page


def test_a_ratio_that_cannot_be_told_is_in_no_plot_but_named(findings: Findings) -> None:
    plot = section(findings, "ratio").figures[0].plot
    assert sum(len(trace.x) for trace in plot.data if trace.marker.symbol != "line-ns") == 7
    assert "1 measured ratio cannot be told" in section(findings, "untold").says[0]


def test_the_fastest_is_named_with_those_that_cannot_be_told_from_it(findings: Findings) -> None:
    first = section(findings, "fastest")
    assert first.says[0].startswith("mlp depth=2: ")
    grid = first.figures[0].grid
    assert [row[3] for row in grid.rows[:4]] == ["1.00", "1.00", "1.33", "1.33"]
    assert "kept MiB" in grid.columns


def test_a_choice_is_told_as_time_and_memory(findings: Findings) -> None:
    said = section(findings, "choices").says[0]
    assert "residuals=blocks instead of store: +33% time" in said and "\N{MINUS SIGN}75% memory." in said


def test_a_checkpoint_that_takes_longer_and_saves_nothing_is_named_as_such(made: list[Record], tmp_path: Path) -> None:
    for record in made[:-1]:
        record.phases["gradient"].peak_mib = 10.0 if record.choices["residuals"] == "blocks" else 9.0
    said = section(Findings.of(tmp_path, made, assumed("here")), "choices").says[0]
    assert "+33% time" in said and said.endswith("+11% memory: slower, and no smaller.")


def test_a_size_of_several_values_becomes_curves(findings: Findings) -> None:
    axes = section(findings, "axes")
    assert axes.says[0].startswith("mlp, depth from 2 to 8: the ratio goes from ")
    assert len({trace.name for trace in axes.figures[0].plot.data if trace.name}) == 4


def test_several_machines_stand_side_by_side(made: list[Record], tmp_path: Path) -> None:
    there = [
        replace(record, machine={**record.machine, "cpu": "Slow 10"}, cell=f"there-{record.cell}") for record in made
    ]
    findings = Findings.of(tmp_path, [*made, *there], assumed("here"))
    labels = findings.by_workload(findings.conclusive)
    assert {"mlp depth=2, Quick 3000 with 2 threads", "mlp depth=2, Slow 10 with 2 threads"} <= labels.keys()
    assert section(findings, "conditions").figures[0].grid.columns[1:] == [
        "Quick 3000 with 2 threads",
        "Slow 10 with 2 threads",
    ]


def test_the_csv_has_every_record_and_the_markdown_every_table(findings: Findings) -> None:
    folder = write(findings).parent
    rows = list(csv.DictReader(io.StringIO((folder / "report.csv").read_text())))
    assert [row["cell"] for row in rows] == [record.cell for record in findings.records]
    assert rows[0]["ratio"] == "2.0" and rows[0]["model.depth"] == "2" and rows[-1]["ratio"] == ""
    text = (folder / "report.md").read_text()
    assert all(f"## {made.title}" in text for made in sections_of(findings))


def test_an_explanation_is_shown_and_a_broken_one_is_not(findings: Findings) -> None:
    record = findings.records[0]
    path = findings.folder / f"{record.cell}.explain.json"
    path.write_text("{")
    assert all(made.key != "why" for made in sections_of(findings))
    part = {"op": "linear", "shape": "2x3", "count": 1, "forward_share": 0.5, "backward_share": 0.5, "gflops": {}}
    part |= dict.fromkeys(("dx_over_forward", "dw_over_forward", "forward_gb_per_s", "backward_gb_per_s"))
    factors = {"flops": [1.6, 1.6, 1.6], "dW": [1.25, 1.2, 1.3]}
    content = {"ratio": 2.0, "factors": factors, "largest": "dW", "forward_share": 1.0, "backward_share": 1.0}
    content |= {"in_place": {"rows": [], "says": []}}
    write_json(path, content | {"parts": [part], "not_replayed": [], "flags": ["likely a kernel problem"]})
    assert len(section(findings, "why").notes) == 1
    beaten = {"beaten": ["forward of relu takes less than its bound"]}
    write_json(path, content | {"parts": [part], "not_replayed": [], "flags": ["likely a kernel problem"]} | beaten)
    why = section(findings, "why")
    assert why.notes[1].endswith(beaten["beaten"][0])
    assert "2.00, where FLOPs say 1.60; the largest other cause is dW (times 1.25)" in why.says[0]
    assert "likely a kernel problem" in why.notes[0]


def test_predictions_are_held_against_what_was_measured(findings: Findings) -> None:
    assert all(made.key != "predicted" for made in sections_of(findings)), "nothing was predicted"
    errors = (0.05, -0.2, 0.5)
    for i, error in zip(findings.conclusive, errors, strict=False):
        metrics = findings.records[i].metrics
        metrics |= {"predicted_ratio": metrics["ratio"] * (1 + error), "predicted_ratio_error": error}
        for name in ("forward", "backward"):
            metrics |= {f"predicted_{name}_s": 0.004, f"predicted_{name}_error": 2 * error}
    shown = section(findings, "predicted")
    assert shown.says[0] == (
        "Of 3 predicted ratios, 1 came within 10 % of the measured one and 2 within 25 %; the median error is 20 %, of "
        "forward's time 40 % and of backward's 40 %."
    )
    assert shown.says[1] == f"Furthest off is {findings.full_name(findings.conclusive[2])}, by +50 %."
    assert [row[4] for row in shown.figures[0].grid.rows] == ["+5%", "-20%", "+50%"]
    assert 'id="predicted"' in write(findings).read_text()


def test_the_verdicts_on_a_claim_are_shown(made: list[Record], tmp_path: Path, judged: StudyVerdict) -> None:
    findings = Findings.of(tmp_path, made, assumed("here"), judged)
    assert "A layer takes two." in section(findings, "claim").says[0]


@pytest.mark.parametrize("outcome", ["unsupported", "crashed"])
def test_a_sweep_without_numbers_still_has_a_page(failed: Callable[..., Record], tmp_path: Path, outcome: str) -> None:
    findings = Findings.of(tmp_path, [failed(outcome, "it broke")], assumed("here"))
    page = html(findings, sections_of(findings))
    assert "Nothing was measured, so there is no answer." in page and "it broke" in page


def test_a_large_sweep_shows_spreads_and_the_head_of_its_tables(made: list[Record], tmp_path: Path) -> None:
    many = [
        replace(record, cell=f"{number}-{record.cell}", workload={**record.workload, "seed": number}, samples=[])
        for number in range(60)
        for record in made
    ]
    findings = Findings.of(tmp_path, many, assumed("here"))
    ratios = section(findings, "ratio").figures[0]
    assert {trace.type for trace in ratios.plot.data} == {"box"}
    assert len(ratios.grid.listed) == MOST_LISTED and ratios.grid.left_out == 7 * 60 - MOST_LISTED
    page = html(findings, sections_of(findings))
    assert len(page) < 4_000_000 and f"{7 * 60 - MOST_LISTED} more rows" in page
    assert len(markdown_of(findings, sections_of(findings)).splitlines()) < 10 * MOST_LISTED
