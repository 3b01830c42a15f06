"""The device's record of its own work, on a fake of cupti-python."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from harness.measure.machine.cupti import Recording, Span, Unavailable, busy_s
from harness.paths import ROOT


@pytest.fixture
def cupti(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The fake, imported afresh: nothing is enabled."""
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "fakes" / "cupti"))
    for name in ("cupti", "cupti.cupti"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield importlib.import_module("cupti.cupti")
    for name in ("cupti", "cupti.cupti"):
        sys.modules.pop(name, None)


def test_kernels_and_copies_are_recorded_while_it_lasts_and_taken_once(cupti: ModuleType) -> None:
    cupti.run(cupti.ActivityKind.CONCURRENT_KERNEL, 1, 2)
    with Recording() as recording:
        cupti.run(cupti.ActivityKind.MEMCPY, 3, 4)
        cupti.run(cupti.ActivityKind.CONCURRENT_KERNEL, 5, 6)
        cupti.run(cupti.ActivityKind.CONCURRENT_KERNEL, 0, 0)
        assert recording.take() == [Span(3 * 10**9, 4 * 10**9, False), Span(5 * 10**9, 6 * 10**9, True)]
        assert recording.take() == []
    cupti.run(cupti.ActivityKind.MEMSET, 7, 8)
    assert not cupti._buffer and not cupti._enabled


def test_time_in_which_kernels_overlap_counts_once_and_gaps_do_not() -> None:
    spans = [(10, 20, True), (0, 5, True), (12, 15, False), (18, 30, True), (40, 41, False)]
    assert busy_s(Span(*span) for span in spans) == pytest.approx(26e-9)
    assert busy_s([]) == 0


@pytest.mark.parametrize("function", ["activity_register_callbacks", "activity_enable"])
def test_a_failure_at_the_start_switches_everything_off_again(
    cupti: ModuleType, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    monkeypatch.setenv("FAKE_CUPTI", function)
    with pytest.raises(Unavailable, match=r"^CUPTI failed \(cuptiError: CUPTI_ERROR_INSUFFICIENT_PRIVILEGES\)$"):
        Recording().__enter__()
    assert not cupti._enabled


def test_a_failure_later_is_told_in_the_same_way(cupti: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unavailable, match="CUPTI failed"), Recording() as recording:
        monkeypatch.setenv("FAKE_CUPTI", "activity_flush_all")
        recording.take()
    assert not cupti._enabled


def test_what_cannot_be_switched_off_is_no_failure(cupti: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    with Recording() as recording:
        monkeypatch.setenv("FAKE_CUPTI", "activity_disable")
        cupti.run(cupti.ActivityKind.CONCURRENT_KERNEL, 1, 2)
        assert len(recording.take()) == 1


def test_without_the_package_it_says_so() -> None:
    with pytest.raises(Unavailable, match=r"^cupti-python is not installed \(no module 'cupti'\)$"):
        Recording()


def test_without_nvidias_libraries_it_says_so(cupti: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_CUPTI", "import")
    monkeypatch.delitem(sys.modules, "cupti.cupti")
    with pytest.raises(Unavailable, match=r"could not be loaded \(ImportError: libcupti\.so\.13: cannot open"):
        Recording()
