"""Checks that this machine has the device, the threads and the memory that a config requests."""

from __future__ import annotations

from ..errors import UserError
from ..job import Device
from ..measure.machine.gpu import gpus
from ..measure.machine.resources import cpus, memory_bytes
from ..workload.any_workload import AnyWorkload
from . import schema


def resolved_device(requested: schema.Device, workload: AnyWorkload, here: bool) -> Device:
    """Decide the device's name and number of threads. Raises UserError if this machine lacks what is requested.

    If the job is to run on another machine (not `here`), that one checks what it has. The number of threads is then 0
    unless it is requested.
    """
    name = requested.name
    if name == "auto" and not here:
        raise UserError("device=auto: what a cluster's nodes have is not known here; choose device=cpu or device=cuda")
    if name == "auto":
        name = "cuda" if gpus() else "cpu"
    if name == "cuda" and here and not gpus():
        raise UserError("device=cuda: no NVIDIA GPU answers here (its driver lists none); choose device=cpu")
    if name == "cpu" and workload.precision == "tf32":
        raise UserError("precision=tf32: TF32 needs a GPU with tensor cores; choose precision=fp32 or device=cuda")
    if not here:
        return Device(name, requested.threads or 0, requested.memory)
    _check_memory(workload)
    cpu_count = len(cpus())
    threads = requested.threads or cpu_count
    if threads > cpu_count:
        raise UserError(f"device.threads={threads}: this process may use {cpu_count} CPUs; choose at most that many")
    return Device(name, threads, requested.memory)


def _check_memory(workload: AnyWorkload) -> None:
    """Raise UserError if the machine cannot hold every value of the trace in float64, as the oracle does."""
    if workload.graph is None:  # nobody knows how large a user's own model is until it is built
        return
    needed_bytes = 8 * sum(spec.size for spec in workload.graph.specs)
    total_bytes = memory_bytes()
    if needed_bytes > total_bytes:
        raise UserError(
            f"model={workload.name}: the reference answer alone takes {needed_bytes // 2**30} GiB, and this machine "
            f"has {total_bytes // 2**30} GiB; choose a smaller model.batch"
        )
