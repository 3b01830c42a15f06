"""Of an op measured alone, a pass that is three times slower than the best one is likely a kernel problem."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.records.kernels import is_slow, remark
from harness.records.record import Phase, Record
from harness.workload.workload import Workload
from tests.helpers.jobs import PLAIN

LINEAR = Workload.of("op", {"op": "linear"}, gradients="both").as_dict()


def of_op(**ms: float) -> Record:
    times = {"forward": 1.0, "backward": 2.0, "backward_inputs": 1.0, "backward_params": 1.0} | ms
    return replace(PLAIN, model="linear", workload=LINEAR, phases={name: Phase(ms=n) for name, n in times.items()})


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        ({}, ""),
        ({"backward_params": 2.9}, ""),
        ({"backward_params": 3.1}, "backward_params runs at"),
        ({"backward_inputs": 9.0}, "backward_inputs runs at"),
        ({"forward": 9.0}, "forward runs at"),
    ],
)
def test_a_direction_below_a_third_of_the_best_is_told(ms: dict[str, float], said: str) -> None:
    told = remark(of_op(**ms))
    assert said in told
    assert is_slow(of_op(**ms)) == bool(told) == bool(said)


def test_noise_and_ops_without_multiplies_tell_nothing() -> None:
    assert not is_slow(replace(of_op(forward=9.0), noise="others took the CPUs"))
    relu = Workload.of("op", {"op": "relu"}).as_dict()
    assert not is_slow(replace(of_op(forward=9.0), workload=relu))
    assert not is_slow(PLAIN), "a whole model"


def test_a_pass_that_waits_for_the_host_is_judged_by_the_devices_own_time() -> None:
    record = of_op(backward_params=9.0)
    for phase in record.phases.values():
        phase.device_ms = 0.1
    assert not is_slow(record)
    record.phases["backward_params"].device_ms = 0.4
    assert "backward_params runs at" in remark(record)
