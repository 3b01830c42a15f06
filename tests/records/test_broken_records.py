"""One bad file among good records: every command that reads it says so in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.commands import compare, track
from harness.records.metrics import SCHEMA
from harness.records.record import Record


@pytest.fixture(params=["truncated", "newer"])
def spoilt(request: pytest.FixtureRequest, record: Callable[..., Record], tmp_path: Path) -> tuple[Path, Path, str]:
    """A results folder with two sweeps, one record of which is spoilt, and words that name the fault."""
    for sweep in ("before", "after"):
        for name in ("a", "b"):
            path = record(cell=name, sweep=sweep).write(tmp_path / "records" / "study" / sweep)
    if request.param == "truncated":
        path.write_bytes(path.read_bytes()[:-20])
        return tmp_path, path, "not a whole JSON file"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": SCHEMA + 1}))
    return tmp_path, path, "newer than this program"


def assert_one_sentence(capsys: pytest.CaptureFixture[str], path: Path, words: str) -> None:
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"twofold: {path}: ") and words in line


def test_compare_refuses_it(spoilt: tuple[Path, Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    results, path, words = spoilt
    assert compare.main(["before", "after", "--results", str(results)]) == 2
    assert_one_sentence(capsys, path, words)


def test_track_refuses_it_before_it_logs_anything_of_that_sweep(
    spoilt: tuple[Path, Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    results, path, words = spoilt
    assert track.main("http://127.0.0.1:1", results) == 2
    assert_one_sentence(capsys, path, words)


def test_track_says_that_an_mlflow_does_not_answer(
    record: Callable[..., Record], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record().write(tmp_path / "records" / "study" / "main")
    assert track.main("http://127.0.0.1:1", tmp_path) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("twofold: URI=http://127.0.0.1:1: MLflow does not answer there (")
    assert line.endswith("; start it")


def test_compare_asks_for_a_side_that_is_not_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert compare.main(["a/sweep", ""]) == 2
    assert capsys.readouterr().err == (
        "twofold: B: no sweep is named; write make compare A=study/sweep B=study/sweep\n"
    )
