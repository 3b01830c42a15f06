"""The parts of a batch that is split among replicas."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.workload.trace import Graph

from ..base import Unsupported


def split_inputs(graph: Graph, arrays: Mapping[str, np.ndarray]) -> frozenset[str]:
    """The inputs of which a replica, which runs `graph`, takes only a part along the first axis."""
    return frozenset(name for name in graph.inputs if arrays[name].shape != graph.draws[name].spec.shape)


def parts(graph: Graph, arrays: Mapping[str, np.ndarray], replicas: int) -> list[dict[str, np.ndarray]]:
    """The arrays of each replica, in the order of the batch."""
    split = split_inputs(graph, arrays)
    return [
        {
            name: np.split(arrays[name], replicas)[number] if name in split else np.asarray(arrays[name])
            for name in graph.draws
        }
        for number in range(replicas)
    ]


def check_places(framework: str, replicas: int, device: str, threads: int, devices: int) -> None:
    """Raise Unsupported unless there is a device for each replica; of a CPU, a thread of `threads`."""
    if device == "cpu" and threads < replicas:
        raise Unsupported(
            f"{framework}: replicas={replicas} needs a CPU for each and device.threads is {threads}; choose fewer"
        )
    if devices < replicas:
        raise Unsupported(f"{framework}: replicas={replicas} needs as many devices and there are {devices} here")
