"""A comparison for continuous integration: one verdict a cell, JUnit XML, a Markdown table, and bad input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from harness.commands.compare import main
from harness.measure.comparison import Answer
from harness.measure.machine.description import identity
from harness.records.calibration import Calibration, Spread, store
from harness.views.compare import CellComparison, compare, compare_all, lines
from harness.views.gate import junit, markdown, summary, verdict


@pytest.fixture
def three(measured: Callable[..., Any], sharp: Calibration) -> list[CellComparison]:
    """A cell whose backward is slower, one that is the same, and one that was disturbed."""
    cases: dict[str, dict[str, Any]] = {
        "slow": {"slower": 1.05},
        "same": {},
        "odd": {"slower": 1.5, "noise": "trial 1: a neighbour"},
    }
    pairs = []
    for seed, (name, changes) in enumerate(cases.items()):
        a, b = measured(seed), measured(seed + 10, **changes)
        for made in (a, b):
            made.model = name
        pairs.append((a, b))
    return compare_all(pairs, sharp)


def test_a_cell_is_slower_if_any_phase_is_and_the_same_only_if_all_are(
    three: list[CellComparison], measured: Callable[..., Any], sharp: Calibration
) -> None:
    assert [verdict(cell) for cell in three] == [Answer.SLOWER, Answer.SAME, Answer.CANNOT_TELL]
    assert verdict(compare(measured(1, slower=1.05), measured(2), sharp)) is Answer.FASTER
    assert summary(three).startswith(
        "3 cells: 1 slower, 0 faster, 1 cannot tell, 1 same; slow torch eager (backward slower +"
    )


def found(element: ElementTree.Element, path: str) -> ElementTree.Element:
    """The first element at a path, which must be there."""
    first = element.find(path)
    assert first is not None, path
    return first


def test_junit_fails_what_is_slower_and_skips_what_cannot_be_told(three: list[CellComparison]) -> None:
    suite = ElementTree.fromstring(junit(three, 'B = "b" against A', ["torch is 1 in A & 2 in B"]))[0]
    assert [suite.get(name) for name in ("tests", "failures", "skipped", "errors")] == ["3", "1", "1", "0"]
    slow, same, odd = suite.findall("testcase")
    assert (slow.get("classname"), slow.get("name")) == ("slow", "torch eager")
    assert "backward slower +" in found(slow, "failure").get("message", "")
    assert same.find("failure") is None and same.find("skipped") is None
    assert found(odd, "skipped").get("message") == "cannot tell; trial 1: a neighbour"
    assert "ratio: higher" in str(found(slow, "system-out").text)
    assert found(suite, "properties/property").get("value") == "torch is 1 in A & 2 in B"


def test_markdown_shows_what_changed_and_folds_away_what_is_the_same(three: list[CellComparison]) -> None:
    text = markdown(three, "B = b against A = a", ["torch is 1 in A and 2 in B"])
    shown, folded = text.split("<details>")
    assert "| slow | torch eager | slower |" in shown and "| odd | torch eager | cannot tell |" in shown
    assert "| same | torch eager | same |" in folded and "1 cell: same" in folded
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows}) == 1
    assert "- torch is 1 in A and 2 in B" in shown and "!: disturbed" in folded


def test_what_stands_out_only_by_itself_has_a_mark_that_is_explained(record: Callable[..., Any]) -> None:
    def exact(backward_s: Any, cell: Any) -> Any:
        seconds = {"forward": [0.007] * 48, "backward": [backward_s] * 48}
        return record(samples=[{"seconds": seconds}] * 2, cell=cell)

    pairs = [(exact(0.013, name), exact(0.013 * factor, name)) for name, factor in (("a", 1.03), ("b", 1), ("c", 1))]
    sigma = dict.fromkeys(("forward", "backward", "ratio"), 0.012)
    a = pairs[0][0]
    checked = Calibration("m", "2026", a.workload, a.threads, {a.variant: Spread(sigma, 20, 19)}, "")
    shown = lines(compare_all(pairs, checked))
    assert [line.split()[3:6] for line in shown if line.endswith("]*")] == [
        ["backward", "cannot", "tell"],
        ["ratio", "cannot", "tell"],
    ]
    assert any(line.startswith("*: by itself") for line in shown)
    assert any("(Holm, over 9 comparisons)" in line for line in shown)


@pytest.fixture
def written(measured: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """`written(sweep, seed, **changes)`: a record in a sweep of the study default; returns the results folder."""

    def write(sweep: str, seed: int, **changes: Any) -> Any:
        record = measured(seed, **changes)
        record.cell = f"mlp-0.cpu.{record.variant}"
        record.write(tmp_path / "records" / "default" / sweep)
        return tmp_path

    return write


def test_the_files_are_written_and_the_exit_code_is_that_of_the_comparison(
    written: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written("before", 1)
    results = written("after", 2, slower=1.5)
    files = [f"--junit={tmp_path / 'new' / 'r.xml'}", f"--markdown={tmp_path / 'r.md'}"]
    assert main(["before", "after", "--results", str(results), *files]) == 1
    assert "1 slower" in capsys.readouterr().out.splitlines()[-1]
    assert ElementTree.parse(tmp_path / "new" / "r.xml").getroot()[0].get("failures") == "1"
    assert "| mlp | torch eager | slower |" in (tmp_path / "r.md").read_text()


@pytest.mark.parametrize(("option", "key"), [("--junit", "JUNIT"), ("--markdown", "MARKDOWN")])
def test_a_file_that_cannot_be_written_is_one_sentence(
    written: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, key: str
) -> None:
    written("before", 1)
    results = written("after", 2)
    (tmp_path / "file").touch()
    assert main(["before", "after", "--results", str(results), option, str(tmp_path / "file" / "r.xml")]) == 2
    said = capsys.readouterr()
    assert (
        said.err == f"twofold: {key}={tmp_path}/file/r.xml: cannot be written (Not a directory); choose another file\n"
    )
    assert not said.out


def test_two_machines_in_one_comparison_are_one_sentence(
    written: Callable[..., Any], measured: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    written("before", 1)
    results = written("after", 2, machine=measured(1).machine | {"cpu": "Slow 1000"})
    assert main(["before", "after", "--results", str(results)]) == 2
    said = capsys.readouterr().err
    assert "machine.cpu is Quick 3000 in A and Slow 1000 in B; FORCE=1 compares all the same" in said
    assert said.count("\n") == 1


def test_environments_of_one_sweep_are_two_sides(
    written: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    together = {"rounds": "r1", "framework": "jax", "execution": "jit"}
    written("main", 1, environment_name="old", versions={"jax": "0.9.2"}, **together)
    results = written("main", 2, slower=1.1, environment_name="new", versions={"jax": "0.10.2"}, **together)
    assert main(["main@old", "main@new", "--results", str(results)]) == 1
    said = capsys.readouterr().out
    assert "jax is 0.9.2 in A and 0.10.2 in B" in said
    assert "mlp jax jit  backward  slower" in said
    assert main(["main@old", "main@other", "--results", str(results)]) == 2
    assert "main@other: no environment other in main; there are new, old" in capsys.readouterr().err


def test_in_the_same_rounds_what_disturbs_both_alike_is_no_difference(measured: Callable[..., Any]) -> None:
    """Both take half as long again in the second half of each trial; only pairs of neighbours do not see it."""
    a, b = measured(1), measured(2, slower=1.06)
    for made in (a, b):
        for trial in made.samples:
            trial["seconds"] = {
                name: [t * (1.0 if i < 90 else 1.5) for i, t in enumerate(times)]
                for name, times in trial["seconds"].items()
            }

    def half_width(rounds: Any) -> Any:
        a.rounds = b.rounds = rounds
        a.samples, b.samples = a.samples[:1], b.samples[:1]
        sigma = dict.fromkeys(("forward", "backward", "ratio"), 0.001)
        calm = Calibration("m", "2026", a.workload, 2, {a.variant: Spread(sigma, 20, 19)}, "")
        change = compare(a, b, calm).quantities["backward"].change
        return change.high - change.low

    assert half_width("r1") < 0.5 * half_width("")


def test_the_self_check_is_that_of_the_machine_that_measured(
    written: Callable[..., Any], measured: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    results = written("before", 1)
    written("after", 2, slower=1.05)
    checked = measured(1)
    sigma = dict.fromkeys(("ratio", "marginal", "inference", "forward", "backward", "gradient"), 0.002)
    spreads = {checked.variant: Spread(sigma, 20, 19)}
    for machine, code in ((identity(checked.machine), 1), ("another", 0)):
        store(results, Calibration(machine, "2026", checked.workload, 2, spreads, "noise floor: low"))
        assert main(["before", "after", "--results", str(results)]) == code
    capsys.readouterr()
