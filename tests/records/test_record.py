"""The record on disk: whole or not at all, and refused when it is not what it should be."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UserError
from harness.paths import ROOT
from harness.records.metrics import METRICS, SCHEMA
from harness.records.record import Record, read, records, write_json


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_is_read_again(record: Callable[..., Record], tmp_path: Path) -> None:
    written = record(notes={"backward": "ß"}, gradient_errors={"w1": 1e-300})
    path = written.write(tmp_path / "new" / "folders")
    assert path.name == f"{written.cell}.json"
    assert read(path) == written
    assert files(path.parent) == [path.name]


def test_a_record_is_replaced_by_the_next_of_its_cell(record: Callable[..., Record], tmp_path: Path) -> None:
    record(id="old").write(tmp_path)
    path = record(id="new").write(tmp_path)
    assert read(path).id == "new"
    assert len(files(tmp_path)) == 1


def test_every_metric_of_a_record_is_described(record: Callable[..., Record]) -> None:
    assert record().metrics.keys() <= METRICS.keys()


KILLED = """
import os, sys
from pathlib import Path
from harness.records.record import write_json
def die(*_): os.kill(os.getpid(), 9)
setattr(*{"rename": (Path, "replace", die), "sync": (os, "fsync", die)}[sys.argv[2]])
write_json(Path(sys.argv[1]), {"new": "x" * 100_000})
"""


@pytest.mark.parametrize("moment", ["sync", "rename"])
def test_a_writer_killed_half_way_leaves_the_old_record(
    record: Callable[..., Record], tmp_path: Path, moment: str
) -> None:
    path = record().write(tmp_path)
    ended = subprocess.run([sys.executable, "-c", KILLED, str(path), moment], cwd=ROOT, check=False)
    assert ended.returncode == -9
    assert read(path) == record()
    assert list(records(tmp_path)) == [path], "the draft is not taken for a record"


def test_a_full_disk_is_named_and_leaves_the_old_record_and_no_draft(
    record: Callable[..., Record], tmp_path: Path
) -> None:
    path = record().write(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(UserError, match=r"cannot be written \(File too large\); free some space or choose"):
            record(id="new").write(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert read(path) == record()
    assert files(tmp_path) == [path.name]


def test_a_folder_that_cannot_be_made_is_a_users_mistake(record: Callable[..., Record], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file.*cannot be written"):
        record().write(tmp_path / "file")
    with pytest.raises(UserError, match=r"file.*cannot be written"):
        record().write(tmp_path / "file" / "below")


def test_a_folder_where_the_record_should_be_is_a_users_mistake(record: Callable[..., Record], tmp_path: Path) -> None:
    (tmp_path / f"{record().cell}.json").mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        record().write(tmp_path)
    assert len(files(tmp_path)) == 1


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_json_does_not_have_is_refused_and_leaves_no_draft(
    record: Callable[..., Record], tmp_path: Path, number: float
) -> None:
    with pytest.raises(ValueError):
        record(metrics={"ratio": number}).write(tmp_path)
    assert files(tmp_path) == []


def test_what_json_cannot_hold_leaves_no_draft(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"a": "x" * 100_000, "b": object()})
    assert files(tmp_path) == []


def edited(record: Callable[[], Record], **changes: Any) -> str:
    return json.dumps(asdict(record()) | changes)


BROKEN: dict[str, tuple[Callable[[Callable[[], Record]], str | bytes], str]] = {
    "empty": (lambda r: "", "not a whole JSON file.*delete it"),
    "truncated": (lambda r: edited(r)[:-50], "not a whole JSON file.*delete it"),
    "not text": (lambda r: b"\xff\xfe\x00", "not a whole JSON file.*delete it"),
    "a list": (lambda r: "[1, 2]", "not a record of this program"),
    "foreign": (lambda r: '{"benchmark": "other"}', "not a record of this program"),
    "older": (lambda r: edited(r, schema=SCHEMA - 1), rf"schema {SCHEMA - 1} is of an older version"),
    "phases of another kind": (lambda r: edited(r, phases={"forward": {"colour": 1}}), "phases have other fields"),
    "phases that are none": (lambda r: edited(r, phases=[1]), "phases have other fields"),
    "newer": (lambda r: edited(r, schema=SCHEMA + 1), rf"schema {SCHEMA + 1} is newer than this program's {SCHEMA}"),
    "an unknown field": (lambda r: edited(r, colour="blue"), "colour missing or unknown"),
    "a field too few": (lambda r: json.dumps({"schema": SCHEMA, "id": "1"}), "outcome.* missing or unknown"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_that_is_no_record_is_refused_with_its_name_and_what_to_do(
    record: Callable[..., Record], tmp_path: Path, kind: str
) -> None:
    content, message = BROKEN[kind]
    path = tmp_path / "cell.json"
    made = content(record)
    path.write_bytes(made if isinstance(made, bytes) else made.encode())
    with pytest.raises(UserError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_record_that_is_not_there_is_a_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be read \(No such file"):
        read(tmp_path / "cell.json")


def test_the_records_of_a_sweep_are_listed_by_name_without_verdicts_explanations_and_drafts(
    record: Callable[..., Record], tmp_path: Path
) -> None:
    for cell in ("b", "a"):
        replace(record(), cell=cell).write(tmp_path)
    for other in ("verdicts.json", "a.explain.json", ".a.json.123", "notes.txt"):
        (tmp_path / other).write_text("{}")
    assert [path.name for path in records(tmp_path)] == ["a.json", "b.json"]
