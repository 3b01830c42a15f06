"""Several replicas of a workload: this process is the first of them, and leads the others from phase to phase."""

from __future__ import annotations

import os
import statistics
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.distributed as distributed
from torch import Tensor

from harness.workload.trace import Graph

from ..base import Executed, Unsupported
from ..choices import Choices
from ..common.program import Plain
from ..common.replicas import check_places, parts
from ..replicated import REPLICATED_PHASES
from .counting import count_phases
from .peers import Assignment, Leader, Peers
from .replica import Replica

_RECORDED_PASSES = 20


class Replicated(Plain):
    """Leads the replicas. What a phase returns is the first replica's; the others keep theirs until they are asked."""

    repeatable = False

    def __init__(self, replica: Replica, peers: Peers) -> None:
        self.phases = REPLICATED_PHASES
        self.replicas, self.processes = 1 + len(peers.ids), peers.ids
        self._replica, self.peers = replica, peers

    def inference(self) -> Any:
        return self._together("inference")

    def forward(self) -> tuple[Any, Any]:
        return self._together("forward")

    def backward(self, kept: tuple[Any, Any]) -> Mapping[str, Tensor]:
        return self._together("backward", kept)

    def gradient(self) -> tuple[Any, Mapping[str, Tensor]]:
        return self._together("gradient")

    def forward_local(self) -> tuple[Any, Any]:
        return self._together("forward_local")

    def backward_local(self, kept: tuple[Any, Any]) -> Mapping[str, Tensor]:
        return self._together("backward_local", kept)

    def parameters(self) -> Mapping[str, Tensor]:
        return self._replica.parameters()

    def export(self, gradients: Mapping[str, Any]) -> dict[str, np.ndarray]:
        return self._replica.export(gradients)

    def residual_bytes(self, kept: tuple[Any, Any]) -> int:
        return self._replica.residual_bytes(kept)

    def losses(self, loss: Any) -> list[float]:
        return [float(loss), *self.peers.ask("losses")]

    def export_each(self, gradients: Mapping[str, Any]) -> list[dict[str, np.ndarray]]:
        own = {name: array.copy() for name, array in self._replica.export(gradients).items()}
        return [own, *self.peers.ask("gradients_now")]

    def spoil(self, result: Any) -> None:
        self._replica.spoil(result)
        self.peers.ask("spoil")

    def reduction(self) -> dict[str, float]:
        """Medians over passes of their own: to keep this record takes time."""
        self._replica.record_every_pass()
        passes = []
        for _ in range(1 + _RECORDED_PASSES):
            kept = self.forward()
            passes.append(self._replica.recorded())
            self.backward(kept)
        return {name: statistics.median(noted[name] for noted in passes[1:]) for name in passes[0]}

    def executed(self) -> dict[str, Executed]:
        return count_phases(self)

    def _together(self, phase: str, *given: Any) -> Any:
        self.peers.tell(phase)
        try:
            return getattr(self._replica, phase)(*given)
        except RuntimeError as error:
            if complaint := self.peers.complaint():
                raise RuntimeError(f"a replica failed: {complaint}") from error
            raise


_running: Peers | None = None


def load(
    leader: Leader,
    device: str,
    precision: str,
    graph: Graph,
    arrays: Mapping[str, np.ndarray],
    execution: str,
    choices: Choices,
) -> Replicated:
    """Start the processes of the other replicas, meet them, and make the first replica. Raises Unsupported.

    Those of an earlier program are ended: a process belongs to one group of replicas. The CPUs are shared evenly.
    """
    global _running
    if execution != "eager":
        raise Unsupported("torch: several replicas run eagerly here, as DDP's own hooks do; choose execution eager")
    replicas, threads = choices.replicas, torch.get_num_threads()
    check_places("torch", replicas, device, threads, torch.cuda.device_count() if device == "cuda" else threads)
    if _running is not None:
        _running.close()
        distributed.destroy_process_group()
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # all are on this machine, whatever its name resolves to
    torch.set_num_threads(max(1, threads // replicas))
    own = type(leader), device, torch.get_num_threads(), precision, graph
    # In memory: whatever ends this process ends that too.
    meeting = f"/proc/{os.getpid()}/fd/{os.memfd_create('replicas')}"
    assignments = [
        Assignment(number, replicas, meeting, *own, part, choices)
        for number, part in enumerate(parts(graph, arrays, replicas))
    ]
    _running = Peers(assignments[1:])
    assignments[0].join()
    return Replicated(leader.replica(graph, assignments[0].arrays, choices), _running)
