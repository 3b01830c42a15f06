"""Cold caches: what is emptied, when, and what may not be measured so."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast

import numpy as np
import pytest

from adapters.base import PHASES, Adapter
from harness.job import Device, Measure
from harness.measure import clock, cold, trial
from harness.measure.clock import measure, warm_up
from harness.measure.cold import GPU_BYTES, TIMES, Cold
from harness.measure.launch import Conditions, Launch
from harness.measure.machine.caches import last_level_bytes
from harness.measure.protocol import Failure, Loaded, Verified
from harness.measure.trial import Measured
from harness.measure.worker import Worker
from harness.paths import ROOT
from tests.measure.conftest import Start

BACKWARD_S = 0.010  # of the fake framework with warm caches
WARM_S, COLD_S, EMPTYING_S = 1.0, 3.0, 50.0  # of a call, and of emptying the caches


class Cached:
    """Adapter and program at once: a call whose data no other call has left in the cache takes three times as long.

    Every call finds what the one before it left; its clock moves by calls alone, and by emptying the cache.
    """

    phases = PHASES

    def __init__(self) -> None:
        self.now = 0.0
        self.is_warm = True

    def read(self) -> float:
        return self.now

    def call(self, *_: Any) -> Any:
        self.now += WARM_S if self.is_warm else COLD_S
        self.is_warm = True
        return {}

    inference = forward = backward = gradient = call

    def empty(self) -> None:
        self.now += EMPTYING_S
        self.is_warm = False

    def wait(self, value: Any) -> None:
        pass


@pytest.fixture
def cached(monkeypatch: pytest.MonkeyPatch) -> Any:
    made = Cached()
    monkeypatch.setattr(clock, "perf_counter", made.read)
    return made


def test_every_phase_finds_the_caches_empty_backward_too_and_emptying_them_is_not_timed(cached: Any) -> None:
    samples = measure(cached, cached, cycles=3, repeat=1, before_call=cached.empty)
    assert samples.seconds == samples.enqueue == {phase: [COLD_S] * 3 for phase in PHASES}
    assert samples.wall == [len(PHASES) * (COLD_S + EMPTYING_S)] * 3
    seconds, _ = warm_up(cached, cached, limit_s=1e9, before_call=cached.empty)
    assert seconds == dict.fromkeys(PHASES, COLD_S)


def test_with_warm_caches_nothing_is_emptied(cached: Any) -> None:
    assert measure(cached, cached, cycles=2, repeat=1).seconds == {phase: [WARM_S] * 2 for phase in PHASES}


def cpu_with(root: Path, cpu: int, *caches: tuple[int, str, str, str]) -> None:
    """Caches of a CPU as (level, kind, size, CPUs that share it)."""
    for index, values in enumerate(caches):
        folder = root / f"sys/devices/system/cpu/cpu{cpu}/cache/index{index}"
        folder.mkdir(parents=True)
        for name, value in zip(("level", "type", "size", "shared_cpu_list"), values, strict=True):
            (folder / name).write_text(f"{value}\n")


def test_last_level_caches_are_counted_once_each_whoever_shares_them(tmp_path: Path) -> None:
    for cpu, sharing in ((0, "0-1"), (1, "0-1"), (2, "2-3")):
        private = [(1, "Data", "48K", str(cpu)), (1, "Instruction", "64K", str(cpu)), (2, "Unified", "2M", str(cpu))]
        cpu_with(tmp_path, cpu, *private, (3, "Unified", "32768K", sharing))
    cpu_with(tmp_path, 4, (1, "Data", "32K", "4"), (2, "Unified", "1024K", "4"))
    assert last_level_bytes([0, 1], tmp_path) == 32 * 2**20
    assert last_level_bytes([0, 1, 2], tmp_path) == 64 * 2**20
    assert last_level_bytes([4], tmp_path) == 2**20
    assert last_level_bytes([5], tmp_path) == 0


@pytest.fixture
def small_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold, "last_level_bytes", lambda cpus: 2**20 * len(cpus))


def test_on_a_cpu_every_cpu_overwrites_a_part_of_a_buffer_larger_than_the_caches(
    small_caches: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[int, int]] = []
    pinned: list[int] = []
    fake = SimpleNamespace(**vars(np) | {"add": lambda part, one, out: written.append((part.nbytes, one))})
    monkeypatch.setattr(cold, "np", fake)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5})
    monkeypatch.setattr(os, "sched_setaffinity", lambda _, cpus: pinned.extend(cpus))
    empty = Cold(cast(Adapter, Cached()), "cpu")
    empty()
    empty()
    assert sorted(pinned) == [3, 3, 5, 5]
    assert written == [(TIMES * 2**20, 1)] * 4
    assert empty.said == "cold: before each timed call, 4 MiB were overwritten"


def test_the_threads_of_this_process_may_still_use_every_cpu(small_caches: None) -> None:
    before = os.sched_getaffinity(0)
    empty = Cold(cast(Adapter, Cached()), "cpu")
    empty()
    empty.release()
    empty()
    assert os.sched_getaffinity(0) == before


def test_on_a_gpu_its_framework_overwrites_and_is_waited_for() -> None:
    events: list[Any] = []

    def overwriting(size: int) -> Callable[[], str]:
        def overwrite() -> str:
            events.append(size)
            return "done"

        return overwrite

    adapter = SimpleNamespace(overwriting=overwriting, wait=events.append)
    Cold(cast(Adapter, adapter), "cuda")()
    assert events == [GPU_BYTES, "done"]


def test_where_the_size_of_the_caches_is_not_known_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold, "last_level_bytes", lambda cpus: 0)
    with pytest.raises(Failure, match="does not say how large its caches are") as caught:
        Cold(cast(Adapter, Cached()), "cpu")
    assert caught.value.outcome == "unsupported"


def test_a_real_worker_times_call_by_call_and_says_what_it_does(start: Start) -> None:
    worker = start.loaded("plain")
    assert worker.cold(60).startswith("cold: before each timed call, ")
    warm = worker.warm(60, 0.5)
    assert warm.repeat == 1 and warm.untimed_s > 0
    assert warm.cycle_s == pytest.approx(sum(warm.seconds.values()) + warm.untimed_s)
    samples = worker.measure(60, 2, 1)
    assert len(samples.wall) == 2 and min(samples.wall) > sum(map(min, samples.seconds.values())) + warm.untimed_s / 4
    assert worker.peak_memory(60).peak_bytes


@pytest.mark.parametrize("emptied", [True, False])
def test_whatever_is_timed_on_a_gpu_is_timed_with_empty_caches_where_that_was_asked_for(
    start: Start, monkeypatch: pytest.MonkeyPatch, emptied: bool
) -> None:
    """By the host, by events and by CUPTI, on a program that takes three times as long without its caches."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests" / "fakes" / "cupti"))
    worker = start()
    worker.open(60, framework="fake", device="cuda", threads=1, precision="fp32")
    worker.load(60, start.folder, "cached")
    if emptied:
        worker.cold(60)
    expected = 3 * BACKWARD_S if emptied else BACKWARD_S
    clocks = worker.device_clock(60)
    assert clocks.device_s["backward"] == pytest.approx(expected / 4, rel=0.01)
    about = [clocks.host_s["backward"], clocks.events_s["backward"] / 0.9, worker.warm(60, 0.3).seconds["backward"]]
    about += worker.measure(60, 2, 1).seconds["backward"]
    assert all(expected <= seconds < 2 * expected for seconds in about)
    worker.peak_memory(60)
    assert min(worker.measure(60, 2, 1).seconds["backward"]) >= expected, "which gave the buffer back"


@pytest.mark.parametrize(("cache", "said"), [("cold", {"cache": "it is cold"}), ("warm", {})])
def test_a_trial_has_the_caches_emptied_if_that_was_chosen_and_the_record_says_so(
    cache: Literal["warm", "cold"], said: dict[str, str]
) -> None:
    verified = Verified(1.0, 0.0, {}, 0)
    worker = SimpleNamespace(
        open=lambda *_, **__: None,
        load=lambda *_: Loaded({"forward": 1.0}, {}, "an oracle"),
        verify=lambda _: verified,
        count=lambda _: {},
        cold=lambda _: "it is cold",
    )
    arrays: Future[Path] = Future()
    arrays.set_result(Path("arrays"))
    settings = Measure("test", 1, 0.02, 1.0, 1.0, 60.0, cache=cache)
    conditions = Conditions(Device("cpu", 1, "kept"), settings, "fp32", [0], Path("cache"))
    result, launch = Measured(), Launch("fake", "plain", {}, "python", Path("log"))
    trial._load_and_verify(cast(Worker, worker), launch, result, conditions, arrays)
    assert result.described == said


def test_a_phase_that_is_too_short_to_be_timed_alone_says_so(small_caches: None) -> None:
    empty = Cold(cast(Adapter, Cached()), "cpu")
    empty.check({"forward": 20e-6, "backward": 1.0})
    with pytest.raises(Failure) as caught:
        empty.check({"forward": 3e-6, "backward": 1.0})
    assert caught.value.outcome == "unsupported"
    assert caught.value.reason.startswith("forward takes 3.0 µs, and with cold caches each call is timed alone")
