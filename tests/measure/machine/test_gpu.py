"""What is seen of GPUs, on a fake of the driver's library."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from harness.measure.machine import gpu
from harness.measure.machine.gpu import GpuWatch, gpus
from tests.helpers.nvml import fake_nvml
from tests.helpers.processes import eventually


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ModuleType]]:
    """`driver(*looks)`: a driver that shows these, one after the other; returns the library that is asked."""

    def make(*looks: list[int | None]) -> ModuleType:
        library = fake_nvml()
        monkeypatch.setattr(gpu, "pynvml", library)
        if looks:
            monkeypatch.setenv("FAKE_NVML", json.dumps(looks))
        gpus.cache_clear()
        return library

    yield make
    gpus.cache_clear()


def test_gpus_are_named_with_their_driver(driver: Callable[..., ModuleType]) -> None:
    driver([1980, 41, 0])
    assert gpus() == ["Fake GPU, 600.00"]


def test_without_a_driver_there_are_none_and_nothing_is_seen(driver: Callable[..., ModuleType]) -> None:
    driver()
    assert gpus() == []
    with GpuWatch() as watch:
        time.sleep(0.05)
        assert watch.since(0) == {}


@pytest.mark.parametrize(("visible", "asked"), [("3,1", 3), ("", 0), ("GPU-8f2c", "GPU-8f2c")])
def test_the_gpu_that_is_measured_on_is_watched_until_the_end_and_not_longer(
    driver: Callable[..., ModuleType], monkeypatch: pytest.MonkeyPatch, visible: str, asked: int | str
) -> None:
    library = driver([1980, 41, 0, 120500], [1200, 88, 0x44], [None, 89, None])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(gpu, "EVERY_S", 0.01)
    with GpuWatch() as watch:
        eventually(lambda: len(watch.since(0).get("gpu_celsius", [])) == 3, 10)
        assert watch.since(0) == {
            "gpu_mhz": [1980, 1200],
            "gpu_celsius": [41, 88, 89],
            "gpu_watts": [120.5],
            "gpu_slowed": [0, 0x44],
        }
    assert not watch.thread.is_alive()
    assert library.asked == [asked]


def test_a_visit_has_the_readings_that_were_made_during_it_and_one_at_its_end(
    driver: Callable[..., ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    driver([1980, 41, 0], [1200, 42, 0], [1300, 43, 0])
    monkeypatch.setattr(gpu, "EVERY_S", 3600)
    with GpuWatch() as watch:
        eventually(lambda: watch._readings, 10)  # the first is made while another variant runs
        start = time.monotonic()
        assert watch.since(start)["gpu_mhz"] == [1200]
        assert watch.since(start)["gpu_mhz"] == [1200, 1300]
        assert watch.since(time.monotonic()) == {}
