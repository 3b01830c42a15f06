"""The processes of the other replicas: they run the phase that they are told, and die with the process that tells."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol

import numpy as np
import torch
import torch.distributed as distributed
from torch import Tensor

from harness.workload.trace import Graph

from ..base import AFTER
from ..choices import Choices
from .replica import Replica

_READY, _DONE, _FAILED = "ready", "done", "failed"
_DIED = "its process died"


class Leader(Protocol):
    """An adapter, as far as replicas need it; its type makes it once more in another process."""

    def __init__(self, device: str, threads: int, precision: str) -> None: ...

    def replica(self, graph: Graph, arrays: Mapping[str, np.ndarray], choices: Choices) -> Replica: ...

    def wait(self, value: Any) -> None: ...


@dataclass(frozen=True)
class Assignment:
    """The work of one of several replicas, by its number, and the file where their processes meet."""

    number: int
    replicas: int
    meeting: str
    adapter: type[Leader]
    device: str
    threads: int
    precision: str
    graph: Graph
    arrays: Mapping[str, np.ndarray]
    choices: Choices

    def join(self) -> None:
        """Meet the other replicas' processes: gloo connects those of a CPU, NCCL those of GPUs."""
        store = distributed.FileStore(self.meeting, self.replicas)
        backend = "nccl" if self.device == "cuda" else "gloo"
        distributed.init_process_group(backend, store=store, rank=self.number, world_size=self.replicas)


class Peers:
    """The processes of all replicas but the first, which is this one. They wait until they are told something.

    Every method raises RuntimeError with what a process said when it failed, or that it died.
    """

    def __init__(self, assignments: list[Assignment]) -> None:
        context = multiprocessing.get_context("spawn")
        self._connections, self._processes = [], []
        for assignment in assignments:
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, os.getpid(), assignment), daemon=True)
            process.start()
            theirs.close()
            self._connections.append(ours)
            self._processes.append(process)
        self.ids = tuple(process.pid for process in self._processes if process.pid is not None)
        for connection in self._connections:
            self._answer(connection)

    def tell(self, command: str) -> None:
        """Have every process run a phase, or another command, after those that it was told before."""
        for connection in self._connections:
            try:
                connection.send_bytes(command.encode())
            except OSError:
                self._answer(connection)

    def ask(self, command: str) -> list[Any]:
        """Tell a command, and return what each process answers once it has done all that it was told."""
        self.tell(command)
        return [self._answer(connection) for connection in self._connections]

    def wait(self) -> None:
        """Return when each process has done all that it was told."""
        self.ask(_DONE)

    def complaint(self) -> str:
        """What a process that failed has said, or that one has died; empty if none has."""
        for connection in self._connections:
            with contextlib.suppress(EOFError, OSError):
                while connection.poll(0.5):
                    kind, value = connection.recv()
                    if kind == _FAILED:
                        return str(value)
        return "" if all(process.is_alive() for process in self._processes) else _DIED

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.kill()
            process.join()
        for connection in self._connections:
            connection.close()

    def _answer(self, connection: Connection) -> Any:
        try:
            kind, value = connection.recv()
        except (EOFError, OSError):
            kind, value = _FAILED, _DIED
        if kind == _FAILED:
            raise RuntimeError(f"a replica failed: {value}")
        return value


def _serve(connection: Connection, parent: int, assignment: Assignment) -> None:
    """Be one replica: load its part, then do what is told until the connection or the parent's life ends."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call above
        sys.exit(1)
    try:
        if assignment.device == "cuda":
            torch.cuda.set_device(assignment.number)
        adapter = assignment.adapter(assignment.device, assignment.threads, assignment.precision)
        connection.send((_READY, None))
        assignment.join()
        replica = adapter.replica(assignment.graph, assignment.arrays, assignment.choices)
        follower = _Follower(replica, lambda: adapter.wait(None))
        while True:
            answer = follower.obey(connection.recv_bytes().decode())
            if answer is not None:
                connection.send((_DONE, answer))
    except EOFError:
        return
    except Exception as error:
        with contextlib.suppress(OSError):
            connection.send((_FAILED, f"{type(error).__name__}: {error}"))


class _Follower:
    """A replica that is told its phases by name, and what came of the last ones."""

    def __init__(self, replica: Replica, wait: Callable[[], None]) -> None:
        self._replica, self._wait = replica, wait
        self._kept: Any = None
        self._loss: Tensor = torch.zeros(())
        self._gradients: Mapping[str, Tensor] = {}

    def obey(self, command: str) -> Any:
        """Run a phase, which has no answer, or answer a question."""
        if command not in self._replica.phases:
            return getattr(self, f"_{command}")()
        phase = getattr(self._replica, command)
        if command == "inference":
            self._loss = phase()
        elif command == "gradient":
            self._loss, self._gradients = phase()
        elif AFTER.get(command):
            self._gradients, self._kept = phase(self._kept), None
        else:
            self._kept = phase()
            self._loss = self._kept[0]
        return None

    def _done(self) -> bool:
        self._wait()
        return True

    def _losses(self) -> float:
        return float(self._loss)

    def _gradients_now(self) -> dict[str, np.ndarray]:
        return {name: array.copy() for name, array in self._replica.export(self._gradients).items()}

    def _spoil(self) -> bool:
        self._replica.spoil((self._loss, self._gradients))
        return True
