"""What `make show` prints again, and what it answers where there is nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.claims.verdicts import StudyVerdict, write
from harness.commands.show import main
from harness.records.record import Record
from harness.views.terminal import TERMINAL


@pytest.fixture
def shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """`shown(*arguments)`: the exit code and what was printed, with `tmp_path` as the folder of results."""
    monkeypatch.setattr(TERMINAL.console, "_width", 100)

    def show(*arguments: str) -> tuple[int, str]:
        code = main([*arguments, "--results", str(tmp_path)])
        return code, "".join(capsys.readouterr())

    return show


@pytest.fixture
def finished(tmp_path: Path, record: Callable[..., Record]) -> Callable[..., None]:
    """`finished(study, sweep, seconds)`: a sweep of one record whose file is that old."""

    def make(study: str, sweep: str, seconds: int, **changes: Any) -> None:
        path = record(study=study, sweep=sweep, **changes).write(tmp_path / "records" / study / sweep)
        os.utime(path, (seconds, seconds))

    return make


def test_the_sweep_measured_last_is_shown_unless_another_is_named(
    shown: Callable[..., tuple[int, str]], finished: Callable[..., None]
) -> None:
    finished("default", "before", 300, ratio=(1.1, 1.2, 1.3))
    finished("default", "after", 200, ratio=(2.1, 2.2, 2.3))
    finished("why_attention", "main", 100, ratio=(3.1, 3.2, 3.3))
    for arguments, said, ratio in (
        ((), "default/before", "1.20"),
        (("default",), "default/before", "1.20"),
        (("default/after",), "default/after", "2.20"),
        (("after",), "default/after", "2.20"),
        (("why_attention",), "why_attention/main", "3.20"),
        (("why/attention",), "why_attention/main", "3.20"),
    ):
        code, printed = shown(*arguments)
        assert code == 0
        assert printed.startswith(f"{said}, measured until 2026-01-02 03:04 UTC")
        assert f"it takes {ratio} times" in printed


def test_workloads_stand_as_they_were_measured_and_variants_together(
    shown: Callable[..., tuple[int, str]], tmp_path: Path, record: Callable[..., Record]
) -> None:
    folder = tmp_path / "records" / "default" / "main"
    for second, depth, execution in ((1, 8, "eager"), (2, 2, "eager"), (3, 8, "compile"), (4, 2, "compile")):
        made = record(execution=execution, cell=f"{depth}.{execution}", created=f"2026-01-01T00:00:0{second}")
        made.workload = made.workload | {"sizes": {"depth": depth}}
        made.write(folder)
    _, printed = shown()
    rows = [line.split()[:2] for line in printed.splitlines() if line.strip().startswith(("mlp depth", "torch "))]
    variants = [["torch", "compile"], ["torch", "eager"]]
    assert rows == [["mlp", "depth=8"], *variants, ["mlp", "depth=2"], *variants]


def test_the_verdicts_of_a_claim_are_shown_unless_something_was_measured_since(
    shown: Callable[..., tuple[int, str]], tmp_path: Path, record: Callable[..., Record], judged: StudyVerdict
) -> None:
    folder = tmp_path / "records" / "study" / "main"
    made = record()
    made.write(folder)
    write(folder, replace(judged, records={made.cell: made.id}))
    assert "Claim: A layer takes two." in shown()[1]
    record(id="later").write(folder)
    assert "Claim" not in shown()[1]


@pytest.mark.parametrize("name", [(), ("default",), ("default/main",)])
def test_without_records_it_says_so_and_ends_with_2(
    shown: Callable[..., tuple[int, str]], name: tuple[str, ...]
) -> None:
    code, printed = shown(*name)
    assert code == 2
    assert printed.startswith("twofold: ") and "there are no sweeps yet" in printed and printed.count("\n") == 1


def test_a_name_that_is_not_there_is_answered_with_those_that_have_records(
    shown: Callable[..., tuple[int, str]], finished: Callable[..., None], tmp_path: Path
) -> None:
    finished("default", "before", 1)
    (tmp_path / "records" / "default" / "interrupted").mkdir()
    code, printed = shown("interrupted")
    assert (code, printed) == (2, "twofold: interrupted: no records there; there are default/before\n")
