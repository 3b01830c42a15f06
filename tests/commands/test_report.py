"""What `make report` prints, and what it answers where there is nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.commands.report import main
from harness.records.record import Record


def test_it_prints_the_path_of_the_page(
    tmp_path: Path, record: Callable[..., Record], capsys: pytest.CaptureFixture[str]
) -> None:
    record().write(tmp_path / "records" / "study" / "main")
    assert main(["study/main", "--results", str(tmp_path)]) == 0
    page = Path(capsys.readouterr().out.strip())
    assert page == tmp_path / "records" / "study" / "main" / "report.html" and "1.81" in page.read_text()


def test_without_records_it_says_so_and_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--results", str(tmp_path)]) == 2
    assert "there are no sweeps yet" in capsys.readouterr().err


def test_a_page_that_cannot_be_written_is_a_sentence(
    tmp_path: Path, record: Callable[..., Record], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "records" / "study" / "main"
    record().write(folder)
    (folder / "report.html").mkdir()
    assert main(["--results", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("twofold: ") and "report.html: cannot be written" in said and said.count("\n") == 1
