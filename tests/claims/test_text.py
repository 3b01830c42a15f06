"""A claim's verdicts as a file and as text, and what takes that file for something else: nothing."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.claims import text
from harness.claims.verdicts import StudyVerdict, read, write
from harness.errors import UserError
from harness.records.record import Record, records
from harness.views.find import open_sweep
from harness.views.terminal import Terminal


def test_what_is_written_is_read_back(judged: StudyVerdict, tmp_path: Path) -> None:
    assert read(tmp_path) is None
    write(tmp_path, judged)
    verdict = read(tmp_path)
    assert verdict is not None and verdict == judged
    assert verdict.records == {"torch": "0123", "jax": "0123", "tf": "0123"}


def test_verdicts_are_no_record_of_a_variant(
    judged: StudyVerdict, record: Callable[..., Record], tmp_path: Path
) -> None:
    path = record().write(tmp_path)
    write(tmp_path, judged)
    assert list(records(tmp_path)) == [path]
    assert [found.cell for found in open_sweep(str(tmp_path), tmp_path)] == [record().cell]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"schema": "one"}', '{"schema": 1}', "null"])
def test_a_broken_file_of_verdicts_is_told_in_a_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "verdicts.json").write_text(content)
    with pytest.raises(UserError, match="run its study again"):
        read(tmp_path)


def test_verdicts_of_a_newer_program_are_refused(tmp_path: Path) -> None:
    (tmp_path / "verdicts.json").write_text('{"schema": 1000}')
    with pytest.raises(UserError, match="newer"):
        read(tmp_path)


def test_the_table_has_a_row_for_each_prediction_at_each_place(judged: StudyVerdict) -> None:
    columns, rows = text.table(judged)
    assert columns == ["prediction", "depth", "predicted", "torch eager", "jax jit", "tf eager"]
    assert rows[:3] == [
        ["backward", "3", "5", "5 holds", "", "unsupported"],
        ["backward", "4", "7", "", "5 fails", ""],
        ["backward", "", "", "holds", "fails", ""],
    ]
    assert [row[2] for row in rows] == ["5", "7", "", "at most 2", "at most 2", "", *["at least 1.5"] * 2, ""]
    assert rows[6][3].startswith("2.00 [1.8")


@pytest.mark.parametrize(
    ("ends", "words"),
    [([11, 11], "11"), ([1.5, 2.5], "1.5 to 2.5"), ([None, 2], "at most 2"), ([0, None], "at least 0"), ([0, 0], "0")],
)
def test_a_band_reads_as_one_says_it(ends: list[Any], words: str) -> None:
    assert text.band(ends) == words


def test_each_prediction_has_a_sentence_with_its_verdict_and_why(judged: StudyVerdict) -> None:
    backward, flops, clock = text.sentences(judged)
    assert backward == (
        "backward, by count: FAILS. It takes 2 L - 1. 1 of 2 lie within, 1 outside, such as jax jit depth=4: 5, "
        "1 unsupported, x is missing."
    )
    assert flops.startswith("at_most, by count: CANNOT TELL.")  # one is missing
    assert clock.startswith("clock, by the clock: CANNOT TELL.")


def test_the_digest_is_one_line_with_both_verdicts(judged: StudyVerdict) -> None:
    assert text.one_line(judged) == "A layer takes two. by count FAILS; by the clock CANNOT TELL."


def test_the_terminal_shows_claim_table_and_sentences(judged: StudyVerdict) -> None:
    file = io.StringIO()
    Terminal(Console(file=file, width=80, highlight=False)).verdicts(judged)
    shown = file.getvalue()
    assert "Claim: A layer takes two. (a comment)" in shown
    for row in text.table(judged)[1]:
        assert any(all(cell in line for cell in row) for line in shown.splitlines()), row
    assert all(line in shown for line in text.sentences(judged))


def test_markdown_has_the_same(judged: StudyVerdict) -> None:
    lines = text.markdown(judged).splitlines()
    assert lines[0] == "**Claim: A layer takes two. (a comment)**"
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + len(text.table(judged)[1])
    assert {line.count("|") for line in table} == {7}
    assert all(f"- {line}" in lines for line in text.sentences(judged))
