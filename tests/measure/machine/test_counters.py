"""What is seen of load, clocks, heat and throttling, on a made-up kernel and a made-up driver."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.base import PHASES
from harness.measure.clock import Samples
from harness.measure.machine.counters import between, look, spent_s
from harness.records.metrics import METRICS
from harness.records.noise import noise, surroundings

TICKS = os.sysconf("SC_CLK_TCK")


@pytest.fixture
def kernel(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    """`kernel(path=content)` writes files of a file system that shows what a kernel on metal shows."""

    def write(files: dict[str, str]) -> Path:
        for path, content in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(content)
        return tmp_path

    cpus = "sys/devices/system/cpu"
    write(
        {
            "proc/loadavg": "1.50 0.70 0.30 2/345 678\n",
            "proc/stat": f"cpu  1 2 3 4 5 6 7 {3 * TICKS} 0 0\ncpu0 1 2 3\n",
            "proc/cpuinfo": "cpu MHz\t\t: 1000.0\ncpu MHz\t\t: 2000.0\n",
            f"{cpus}/cpu0/cpufreq/scaling_cur_freq": "3000000\n",
            f"{cpus}/cpu1/cpufreq/scaling_cur_freq": "2000000\n",
            f"{cpus}/cpu0/thermal_throttle/core_throttle_count": "7\n",
            "sys/class/thermal/thermal_zone0/temp": "41000\n",
            "sys/class/thermal/thermal_zone1/temp": "63500\n",
        }
    )
    return write


def test_everything_that_a_kernel_shows_is_seen(kernel: Callable[[dict[str, str]], Path]) -> None:
    assert look(kernel({})) == {"load": 1.5, "steal_s": 3.0, "cpu_mhz": 2500, "cpu_celsius": 63.5, "throttles": 7}


def test_counters_count_from_the_start_of_a_visit_and_gauges_are_those_of_its_end(
    kernel: Callable[[dict[str, str]], Path],
) -> None:
    before = look(kernel({}))
    later = {
        "proc/stat": f"cpu  1 2 3 4 5 6 7 {4 * TICKS} 0 0\n",
        "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "9\n",
        "sys/class/thermal/thermal_zone0/temp": "90000\n",
    }
    seen = between(before, look(kernel(later)))
    assert seen == {"load": [1.5], "steal_s": [1.0], "cpu_mhz": [2500], "cpu_celsius": [90.0], "throttles": [2]}


def test_a_sensor_that_refuses_is_absent(kernel: Callable[[dict[str, str]], Path]) -> None:
    root = kernel({"sys/class/thermal/thermal_zone0/temp": "", "sys/class/thermal/thermal_zone1/temp": "?"})
    assert "cpu_celsius" not in look(root)


def test_a_virtual_machine_shows_its_clock_elsewhere(kernel: Callable[[dict[str, str]], Path], tmp_path: Path) -> None:
    root = kernel({})
    for path in root.glob("sys/devices/system/cpu/*/cpufreq/*"):
        path.unlink()
    assert look(root)["cpu_mhz"] == 1500


def test_this_machine_can_be_looked_at() -> None:
    seen = between(look(), look())
    assert seen["load"][0] >= 0 and seen["steal_s"][0] >= 0


def measured(cycles: int = 40, slower: float = 1.0, **seen: list[float]) -> Samples:
    """A quiet trial of cycles of 0.1 s on one thread, whose second half takes `slower` times as long."""
    half = cycles // 2
    times = [0.02 + 1e-6 * (i % 3) for i in range(cycles)]
    times = times[:half] + [slower * t for t in times[half:]]
    return Samples(
        seconds={phase: list(times) for phase in PHASES},
        switches=[1] * cycles,
        cpu=[0.1] * cycles,
        others=[0.001] * cycles,
        wall=[0.1] * cycles,
        surroundings=seen,
    )


def test_a_quiet_trial_is_not_noisy_and_its_numbers_are_in_the_schema() -> None:
    trials = [measured(load=[1.0, 1.2], steal_s=[0.0, 0.4], cpu_mhz=[2000, 3000], throttles=[0], gpu_slowed=[0x05])]
    assert noise(trials, 1) == ""
    found = surroundings(trials, 1)
    assert found.keys() <= METRICS.keys()
    assert found["load"] == 1.2
    assert found["steal_share"] == pytest.approx(0.1)
    assert found["others_share"] == pytest.approx(0.01)
    assert found["switches_per_s"] == pytest.approx(10)
    assert found["cpu_mhz"] == 2500
    assert (found["throttles"], found["drift_significant"]) == (0, 0)
    assert abs(found["drift"]) < 1e-3


def test_throttling_makes_a_cell_noisy_and_says_why() -> None:
    trials = [measured(), measured(throttles=[0, 2]), measured(gpu_slowed=[0, 0x44, 0x08])]
    assert noise(trials, 1) == (
        "trial 2: the CPU was throttled 2 times; trial 3: the GPU was slowed by hardware slowdown, thermal slowdown"
    )


def test_a_drift_is_measured_and_tested() -> None:
    found = surroundings([measured(), measured(slower=1.2)], 1)
    assert found["drift"] == pytest.approx(0.2, abs=0.01)
    assert found["drift_significant"] == 1


def test_one_cycle_has_no_drift() -> None:
    assert "drift" not in surroundings([measured(cycles=1)], 1)


def test_the_processor_time_of_other_processes_is_read_by_their_ids() -> None:
    before = time.process_time()
    own, twice = spent_s([os.getpid()]), spent_s([os.getpid()] * 2)
    assert before <= own <= time.process_time()
    assert 2 * own <= twice <= 2 * time.process_time()
    assert spent_s([]) == 0
