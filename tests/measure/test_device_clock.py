"""The device's own clock in real workers of the fake framework, whose device works for a quarter of each phase."""

from __future__ import annotations

import pytest

from adapters.base import PHASES
from harness.paths import ROOT
from tests.measure.conftest import Start

# As `tests/fakes/adapters/fake.py` sleeps, and its device works.
SECONDS = {"inference": 0.003, "forward": 0.004, "backward": 0.010, "gradient": 0.012}
SHARE = 0.25


@pytest.fixture
def cupti(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests" / "fakes" / "cupti"))


@pytest.mark.parametrize("execution", ["plain", "deferred"])
def test_the_device_is_busy_for_as_long_as_its_kernels_run_whether_or_not_a_phase_waits(
    start: Start, cupti: None, execution: str
) -> None:
    clock = start.loaded(execution).device_clock(60)
    assert clock.reason == ""
    assert clock.device_s == pytest.approx({phase: SHARE * seconds for phase, seconds in SECONDS.items()}, rel=1e-3)
    assert clock.kernels == dict.fromkeys(PHASES, 2)
    for phase, seconds in SECONDS.items():
        assert seconds <= clock.host_s[phase] and 0.9 * seconds <= clock.events_s[phase]


def test_without_cupti_the_hosts_clock_and_the_events_remain_with_the_reason(start: Start) -> None:
    clock = start.loaded("plain").device_clock(60)
    assert clock.device_s == clock.kernels == {}
    assert clock.reason == "cupti-python is not installed (no module 'cupti')"
    assert clock.host_s.keys() == clock.events_s.keys() == set(PHASES)


def test_a_cupti_that_may_not_look_is_a_reason_and_the_worker_goes_on(
    start: Start, cupti: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_CUPTI", "activity_enable")
    worker = start.loaded("plain")
    assert "INSUFFICIENT_PRIVILEGES" in worker.device_clock(60).reason
    assert worker.measure(60, 1, 1).wall


def test_a_cupti_that_sees_nothing_is_not_a_device_that_does_nothing(
    start: Start, cupti: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_CUPTI", "blind")
    assert start.loaded("plain").device_clock(60).reason == "CUPTI saw no work on the device"
