"""Checks that this machine has the device, the threads and the memory that a config requests."""

from __future__ import annotations

from ..errors import UserError
from ..job import Device
from ..measure.machine.gpu import gpus
from ..measure.machine.resources import cpus, memory_bytes
from ..workload.work import Work
from . import schema


def present(requested: schema.Device, workload: Work) -> Device:
    """Decide the device's name and number of threads. Raises UserError if this machine lacks what is requested."""
    name = requested.name
    if name == "auto":
        name = "cuda" if gpus() else "cpu"
    if name == "cuda" and not gpus():
        raise UserError("device=cuda: no NVIDIA GPU answers here (its driver lists none); choose device=cpu")
    if name == "cpu" and workload.precision == "tf32":
        raise UserError("precision=tf32: TF32 needs a GPU with tensor cores; choose precision=fp32 or device=cuda")
    _check_memory(workload)
    cpu_count = len(cpus())
    threads = requested.threads or cpu_count
    if threads > cpu_count:
        raise UserError(f"device.threads={threads}: this process may use {cpu_count} CPUs; choose at most that many")
    return Device(name, threads, requested.memory)


def _check_memory(workload: Work) -> None:
    """Raise UserError if the machine cannot hold every value of the trace in float64, as the oracle does."""
    if workload.graph is None:  # nobody knows how large a user's own model is until it is built
        return
    needed_bytes = 8 * sum(spec.size for spec in workload.graph.specs)
    available_bytes = memory_bytes()
    if needed_bytes > available_bytes:
        raise UserError(
            f"model={workload.name}: the reference answer alone takes {needed_bytes // 2**30} GiB, and this machine "
            f"has {available_bytes // 2**30} GiB; choose a smaller model.batch"
        )
