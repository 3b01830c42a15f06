"""The device that a config asks for, held against the machine: does it have it, and how many threads are there?"""

from __future__ import annotations

from ..errors import UserError
from ..job import Device
from ..measure.machine.gpu import gpus
from ..measure.machine.resources import cpus, memory_bytes
from ..workload.workload import Workload
from . import schema


def present(asked: schema.Device, workload: Workload) -> Device:
    """The device with its name and threads decided. Raises UserError for a device or memory that is not there."""
    name = asked.name
    if name == "auto":
        name = "cuda" if gpus() else "cpu"
    if name == "cuda" and not gpus():
        raise UserError("device=cuda: no NVIDIA GPU answers here (its driver lists none); choose device=cpu")
    if name == "cpu" and workload.precision == "tf32":
        raise UserError("precision=tf32: TF32 needs a GPU with tensor cores; choose precision=fp32 or device=cuda")
    _check_memory(workload)
    most = len(cpus())
    threads = asked.threads or most
    if threads > most:
        raise UserError(f"device.threads={threads}: this process may use {most} CPUs; choose at most that many")
    return Device(name, threads, asked.memory)


def _check_memory(workload: Workload) -> None:
    """The oracle keeps every value of the trace in float64, so less than that cannot be enough."""
    needed = 8 * sum(spec.size for spec in workload.graph.specs)
    available = memory_bytes()
    if needed > available:
        raise UserError(
            f"model={workload.name}: the reference answer alone takes {needed // 2**30} GiB, and this machine has "
            f"{available // 2**30} GiB; choose a smaller model.batch"
        )
