"""Two sweeps against each other: verdicts from known differences, and what may not be compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.commands.compare import main
from harness.errors import UserError
from harness.measure.comparison import SIGMA_DIFFERENCE_FLOOR, Answer
from harness.measure.stats import moderated, within
from harness.records.calibration import Calibration, Spread, assumed
from harness.records.record import Record
from harness.views.compare import compare, exit_code, lines
from harness.views.matching import match

QUIET = assumed("anywhere")


def test_the_same_program_is_the_same(measured: Callable[..., Record], sharp: Calibration) -> None:
    verdicts = compare(measured(1), measured(2), sharp).quantities
    assert {judged.answer for judged in verdicts.values()} == {Answer.SAME}


def test_a_slower_backward_is_found_in_backward_and_ratio_only(
    measured: Callable[..., Record], sharp: Calibration
) -> None:
    verdicts = compare(measured(1), measured(2, slower=1.05), sharp).quantities
    assert [verdicts[q].answer for q in ("forward", "backward", "ratio")] == [Answer.SAME, Answer.SLOWER, Answer.SLOWER]
    assert verdicts["backward"].change.centre == pytest.approx(1.05, abs=0.01)


def test_a_faster_backward_is_found(measured: Callable[..., Record], sharp: Calibration) -> None:
    assert compare(measured(1, slower=1.05), measured(2), sharp).quantities["backward"].answer is Answer.FASTER


def test_a_machine_of_unknown_noise_cannot_tell_two_percent(measured: Callable[..., Record]) -> None:
    assert compare(measured(1), measured(2, slower=1.02), QUIET).quantities["backward"].answer is Answer.CANNOT_TELL


def test_exit_code_is_one_only_if_something_is_slower(measured: Callable[..., Record], sharp: Calibration) -> None:
    assert exit_code([compare(measured(1), measured(2, slower=1.05), sharp)]) == 1
    assert exit_code([compare(measured(1, slower=1.05), measured(2), sharp)]) == 0


def test_lines_show_every_quantity_and_the_geometric_mean(measured: Callable[..., Record], sharp: Calibration) -> None:
    compared = compare(measured(1), measured(2, slower=1.05), sharp)
    shown = "\n".join(lines([compared, compared]))
    assert "slower" in shown
    assert "geometric mean" in shown and "over 2 cells" in shown
    assert "+5." in shown or "+4." in shown
    assert "geometric mean" not in "\n".join(lines([compared])), "of a single cell there is no mean"


def test_times_are_slower_or_faster_and_ratios_higher_or_lower(
    measured: Callable[..., Record], sharp: Calibration
) -> None:
    def words(slower_before: float, slower_after: float) -> list[list[str]]:
        a, b = measured(1, slower=slower_before), measured(2, slower=slower_after)
        return [line.removeprefix("mlp torch eager").split()[:2] for line in lines([compare(a, b, sharp)])]

    assert words(1.0, 1.05) == [["forward", "same"], ["backward", "slower"], ["ratio", "higher"]]
    assert words(1.05, 1.0) == [["forward", "same"], ["backward", "faster"], ["ratio", "lower"]]


def test_the_training_step_is_compared_where_both_sides_have_it(
    measured: Callable[..., Record], sharp: Calibration
) -> None:
    a, b = measured(1), measured(2)
    for made, slower in ((a, 1.0), (b, 1.1)):
        for trial in made.samples:
            trial["seconds"]["gradient"] = [0.02 * slower * (1 + 0.001 * (i % 7)) for i in range(192)]
    change = compare(a, b, sharp).quantities["gradient"]
    assert change.answer is Answer.SLOWER and change.change.centre == pytest.approx(1.1, abs=0.001)
    assert any("step      slower" in line for line in lines([compare(a, b, sharp)]))
    assert exit_code([compare(a, b, sharp)]) == 0, "it is what forward and backward come to"
    assert "gradient" not in compare(a, measured(3), sharp).quantities


def test_the_memory_kept_is_told_where_it_differs(measured: Callable[..., Record], sharp: Calibration) -> None:
    def told(before: float, after: float) -> list[str]:
        old, new = (measured(seed, metrics={"residual_mib": mib}) for seed, mib in ((1, before), (2, after)))
        return [line for line in lines([compare(old, new, sharp)]) if "MiB" in line]

    assert told(17.0, 17.0) == []
    assert told(20.0, 16.0) == ["mlp torch eager  kept      less         -20.0% (20 to 16 MiB)"]
    assert told(0.0, 16.0) == ["mlp torch eager  kept      more         (0 to 16 MiB)"]


def test_what_has_too_few_pairs_is_no_number_and_no_part_of_the_mean(
    measured: Callable[..., Record], sharp: Calibration
) -> None:
    few = measured(2)
    few.samples = [{"seconds": {name: times[:1] for name, times in few.samples[0]["seconds"].items()}}]
    shown = lines([compare(measured(1), few, sharp), compare(measured(1), measured(2), sharp)])
    assert shown[0].split() == ["mlp", "torch", "eager", "forward", "cannot", "tell", "too", "few", "pairs"]
    assert any("geometric mean" in line and line.endswith("over 1 cell") for line in shown)


def test_nothing_in_common_is_said(measured: Callable[..., Record]) -> None:
    with pytest.raises(UserError, match="nothing to compare"):
        match([measured(1)], [measured(2, model="gpt2", cell="other")], force=False)


def test_two_folders_as_a_user_compares_them(
    measured: Callable[..., Record], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, slower in (("before", 1.0), ("after", 1.10)):
        measured(3, slower=slower).write(tmp_path / "records" / "default" / name)
    assert main(["before", "default/after", "--results", str(tmp_path)]) == 1
    assert "slower" in capsys.readouterr().out
    measured(3, environment={"TF_X": "0"}).write(tmp_path / "records" / "default" / "after")
    assert main(["before", "default/after", "--results", str(tmp_path)]) == 0
    assert "TF_X is not set in A and 0 in B" in capsys.readouterr().out
    assert main(["before", "before", "--results", str(tmp_path)]) == 0
    assert "both have the same settings, versions, environment, machine and commit" in capsys.readouterr().out


def test_a_sweep_that_is_not_there_is_named_beside_those_that_are(
    measured: Callable[..., Record], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured(3).write(tmp_path / "records" / "default" / "before")
    assert main(["before", "later", "--results", str(tmp_path)]) == 2
    assert "later: no records there; there are default/before" in capsys.readouterr().err


def exact(record: Callable[..., Record], trials: list[float], **changes: Any) -> Record:
    """A record of pairs that agree: forward takes 7 ms, backward so many in each trial."""
    samples = [{"seconds": {"forward": [0.007] * 48, "backward": [1e-3 * ms] * 48}} for ms in trials]
    return record(samples=samples, **changes)


def test_two_sweeps_have_the_spread_of_both_sides(record: Callable[..., Record]) -> None:
    """No process is in both, so the difference varies by sqrt(2) of one side; it weighs as the self-check."""
    a, b = exact(record, [13, 13]), exact(record, [14, 14])
    sigma = {"forward": 0.01, "backward": 0.02, "ratio": 0.005}
    checked = Calibration("m", "2026", a.workload, a.threads, {a.variant: Spread(sigma, 20, 19)}, "")
    for quantity, centre in (("forward", 1.0), ("backward", 14 / 13), ("ratio", 14 / 13)):
        found = compare(a, b, checked).quantities[quantity].change
        expected = moderated([np.log(centre)] * 2, [0, 0], np.sqrt(2) * sigma[quantity], 19).interval(0.95, "")
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_the_errors_inside_processes_of_both_sides_count(measured: Callable[..., Record], sharp: Calibration) -> None:
    a, b = measured(1), measured(2)
    one, other = (within(np.log(record.samples[0]["seconds"]["forward"])).se for record in (a, b))
    a.samples, b.samples = a.samples[:1], b.samples[:1]
    change = compare(a, b, sharp).quantities["forward"].change
    half = moderated([0.0], [np.hypot(one, other)], SIGMA_DIFFERENCE_FLOOR, 19).half_width()  # more than is known here
    assert np.log(change.high / change.low) == pytest.approx(2 * half)


def test_the_mean_over_cells_is_geometric(record: Callable[..., Record], sharp: Calibration) -> None:
    found = [compare(exact(record, [10]), exact(record, [ms]), sharp) for ms in (10, 40)]
    (mean,) = [line for line in lines(found) if "mean" in line and "backward" in line]
    assert "+100.0% over 2 cells" in mean


def test_only_what_was_measured_whole_is_compared(measured: Callable[..., Record]) -> None:
    for unfinished in (measured(2, outcome="crashed"), measured(2, outcome="invalid")):
        for before, after in ((measured(1), unfinished), (unfinished, measured(1))):
            with pytest.raises(UserError, match="nothing to compare"):
                match([before], [after], force=True)


def test_cells_of_other_names_are_paired_only_where_there_is_one_on_each_side(measured: Callable[..., Record]) -> None:
    lone, many = measured(1, cell="before"), [measured(2, cell="after"), measured(3, cell="after, larger")]
    assert match([lone], many[:1], force=True) == [(lone, many[0])]
    for sides in (([lone], many), (many, [lone])):
        with pytest.raises(UserError, match="nothing to compare"):
            match(*sides, force=True)
