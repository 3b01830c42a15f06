"""What differs between two sweeps beside their times: named where it may, refused where it may not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.errors import UserError
from harness.records.calibration import Calibration, assumed
from harness.records.record import Record
from harness.views.compare import compare, compare_all, lines
from harness.views.matching import match, remarks
from tests.helpers.jobs import PLAIN

SIZES = {"batch": 32, "depth": 3, "width": 64, "inputs": 5}
QUIET = assumed("anywhere")


def test_cells_are_named_by_what_tells_their_workloads_apart(
    measured: Callable[..., Record], sharp: Calibration
) -> None:
    pairs = []
    for depth in (2, 4):
        before, after = (measured(seed, cell=f"depth {depth}") for seed in (1, 2))
        for made in (before, after):
            made.workload = made.workload | {"sizes": {"depth": depth}}
        pairs.append((before, after))
    assert [cell.name for cell in compare_all(pairs, sharp)] == ["mlp depth=2 torch eager", "mlp depth=4 torch eager"]


def test_what_cannot_be_told_is_followed_by_what_to_do(measured: Callable[..., Record], sharp: Calibration) -> None:
    advice = "measure=standard"
    assert advice in lines([compare(measured(1), measured(2, slower=1.02), QUIET)])[-1]
    assert advice not in lines([compare(measured(1), measured(2), sharp)])[-1]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"measure": {"name": "quick", "trials": 3}}, "measure.trials is 1 in A and 3 in B"),
        ({"versions": {"torch": "2.14"}}, "torch is not known in A and 2.14 in B"),
        ({"versions": {"code": "0123"}}, "the digest of the code that runs it is not known in A and 0123 in B"),
        ({"described": {"torch": "2.13", "onednn": "off"}}, "torch's onednn is not known in A and off in B"),
        ({"harness": {"version": "0.1.0", "commit": "beef"}}, "twofold's commit is c0ffee in A and beef in B"),
    ],
)
def test_other_settings_versions_and_commits_are_named_and_compared(
    measured: Callable[..., Record], changes: dict[str, dict[str, int | str]] | dict[str, dict[str, str]], named: str
) -> None:
    a, b = measured(1), measured(2, **changes)
    assert remarks(match([a], [b], force=False)) == [named]


def test_a_version_that_the_framework_reports_too_is_named_once(measured: Callable[..., Record]) -> None:
    a, b = (measured(1, versions={"torch": v}, described={"torch": v}) for v in ("2.13", "2.14"))
    assert remarks([(a, b)]) == ["torch is 2.13 in A and 2.14 in B"]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"machine": {"cpu": "Other 1"}}, "machine.cpu is Quick 3000 in A and Other 1 in B"),
        ({"machine": PLAIN.machine | {"instructions": "avx"}}, "machine.instructions is avx avx2 in A and avx in B"),
        ({"machine": {"cpu": "Quick 3000"}}, "machine.instructions is avx avx2 in A and not known in B"),
        ({"choices": PLAIN.choices | {"fusion": "single"}}, "choices.fusion is native in A and single in B"),
        ({"threads": 1}, "threads is 2 in A and 1 in B"),
        ({"memory": "returned"}, "memory is kept in A and returned in B"),
        ({"device": "cuda", "cell": "other"}, "device is cpu in A and cuda in B"),
    ],
)
def test_what_differs_is_refused_by_name_unless_forced(
    measured: Callable[..., Record], changes: dict[str, Any], named: str
) -> None:
    a, b = measured(1), measured(2, **changes)
    with pytest.raises(UserError, match=named):
        match([a], [b], force=False)
    assert match([a], [b], force=True) == [(a, b)]
    assert any(named in remark for remark in remarks([(a, b), (a, b)]))


def test_another_environment_is_compared_and_named_once(measured: Callable[..., Record]) -> None:
    before = [measured(1, environment={}), measured(1, environment={"OMP_NUM_THREADS": "1"}, cell="other")]
    after = [measured(2, environment={"TF_X": "0"}), measured(2, environment={"OMP_NUM_THREADS": "1"}, cell="other")]
    pairs = match(before, after, force=False)
    assert remarks(pairs + pairs) == ["TF_X is not set in A and 0 in B"]
    assert remarks([(measured(1, environment=None), after[0])]) == ["environment is not known in A and known in B"]
    assert remarks([(measured(1, environment=None), measured(2, environment=None))]) == []


def test_other_sizes_are_refused_by_name(measured: Callable[..., Record]) -> None:
    b = measured(2, cell="other")
    b.workload = b.workload | {"sizes": b.workload["sizes"] | {"depth": 8}}
    with pytest.raises(UserError, match=r"model\.depth is 3 in A and 8 in B"):
        match([measured(1)], [b], force=False)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 8}, "seed is 7 in A and 8 in B"),
        ({"gradients": "both"}, "gradients is params in A and both in B"),
        ({"precision": "bf16"}, "precision is fp32 in A and bf16 in B"),
        ({"sizes": {"batch": 32, "depth": 3, "width": 64}}, "model.inputs is 5 in A and None in B"),
        ({"sizes": {"inputs": 5, "loop": "scan"}}, "model.loop is None in A and scan in B"),
    ],
)
def test_other_work_is_refused_by_name(measured: Callable[..., Record], changes: dict[str, Any], named: str) -> None:
    b = measured(2, cell="other")
    b.workload = {**PLAIN.workload, "sizes": SIZES, **changes}
    with pytest.raises(UserError, match=named):
        match([measured(1, workload=PLAIN.workload | {"sizes": SIZES})], [b], force=False)


def test_a_part_of_the_machine_that_one_side_does_not_know_may_differ(measured: Callable[..., Record]) -> None:
    a, b = measured(1), measured(2)
    for one, other in ((a, b), (b, a)):
        one.machine, other.machine = {"cpu": "Quick 3000"}, {"cpu": "Quick 3000", "kernels": "avx2"}
        with pytest.raises(UserError, match=r"machine\.kernels is (not known|avx2) in A"):
            match([a], [b], force=False)
