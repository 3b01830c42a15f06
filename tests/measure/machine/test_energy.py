"""Which counter of energy is read, on a fake of the driver's library and of the kernel's files."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from harness.measure.machine import energy, gpu
from harness.measure.machine.energy import Counter, NoCounter, counter_of
from tests.helpers.nvml import fake_nvml


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    library = fake_nvml()
    for module in (gpu, energy):
        monkeypatch.setattr(module, "pynvml", library)
    monkeypatch.setenv("FAKE_NVML", "[]")
    return library


def test_a_gpus_counter_is_that_of_the_gpu_that_is_measured_on(
    driver: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.setattr(driver, "energy_mj", [5_000_000, 5_001_500])
    counter = counter_of("cuda")
    assert counter.name == "the whole GPU, by NVML"
    assert counter.spent(counter.read(), counter.read()) == pytest.approx(1.5)
    assert set(driver.asked) == {3}


def test_a_gpu_that_shows_none_has_its_reason(driver: ModuleType) -> None:
    with pytest.raises(NoCounter, match=r"^the GPU's energy counter cannot be read \(not shown\)$"):
        counter_of("cuda").read()


def test_without_a_driver_there_is_none(driver: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FAKE_NVML")
    with pytest.raises(NoCounter, match=r"^no NVIDIA driver answers \(no driver\)$"):
        counter_of("cuda")


def test_a_cpu_without_a_counter_has_its_reason(tmp_path: Path) -> None:
    with pytest.raises(NoCounter, match=r"^this machine shows no energy counter of its CPU$"):
        counter_of("cpu", tmp_path)


@pytest.fixture
def packages(tmp_path: Path) -> tuple[Path, Callable[..., None]]:
    """Two packages of a CPU, and the cores of one, which its package counts too: the folder, and how to set them."""

    def set_to(*microjoules: int) -> None:
        for name, value in zip(("intel-rapl:0", "intel-rapl:1", "intel-rapl:0:0"), microjoules, strict=True):
            folder = tmp_path / "sys/class/powercap" / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "energy_uj").write_text(f"{value}\n")
            (folder / "max_energy_range_uj").write_text("10000000\n")

    return tmp_path, set_to


def test_a_cpus_counter_is_that_of_all_packages_and_may_start_again(packages: tuple[Path, Callable[..., None]]) -> None:
    root, set_to = packages
    set_to(1_000_000, 9_500_000, 77)
    counter = counter_of("cpu", root)
    before = counter.read()
    set_to(3_000_000, 500_000, 78)
    assert counter.spent(before, counter.read()) == pytest.approx(2 + 1)


def test_a_cpus_counter_that_only_an_administrator_may_read_has_its_reason(
    packages: tuple[Path, Callable[..., None]],
) -> None:
    root, set_to = packages
    set_to(1, 2, 3)
    counter = counter_of("cpu", root)
    (root / "sys/class/powercap/intel-rapl:1/energy_uj").write_text("no number")
    with pytest.raises(NoCounter, match=r"^the CPU's energy counter cannot be read"):
        counter.read()


def test_a_counter_that_never_starts_again_is_a_difference() -> None:
    assert Counter("c", list, [math.inf]).spent([1e9], [1e9 + 2.5]) == 2.5
