"""Decides which workers of one workload are loaded at the same time: as many as fit into the device's memory.

Workers are admitted one after the other, before they load anything. What a worker needs is the most that it held before
(in an earlier trial) or, as long as that is not known, the most that any other one of this workload did. Those that do
not fit wait until the others have been measured and are closed.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from threading import Lock
from typing import Generic

from .machine.free_memory import held_bytes, memory_left
from .protocol import Failure, Outcome
from .rounds import Key
from .worker import Worker

SPARE = 2**28  # bytes that are left to the system, and for what a worker needs beyond what it did before
CONTEXT = 2**29  # bytes of a GPU for each process besides its framework's arrays: the driver's own, kernels, libraries


class Group(Generic[Key]):
    """The workers that are loaded together on a device, and those that must wait.

    Args:
        device: `cpu` or `cuda`.
        peaks: the most bytes that each worker ever held, as far as known; those of prepared ones are added.
        turn: the number of this group, counted from 0.
        queued: how many workers are measured after this group already, whoever fits.

    Attributes:
        waiting: the workers that did not fit; nothing was asked of them.
        crowded: those that ran out of memory beside others; they are to be tried alone.
    """

    def __init__(self, device: str, peaks: MutableMapping[Key, int], turn: int, queued: int) -> None:
        self.turn = turn
        self.queued = queued
        self.waiting: list[Key] = []
        self.crowded: list[Key] = []
        self._device = device
        self._peaks = peaks
        self._loading: dict[Key, Worker] = {}
        self._loaded: dict[Key, Worker] = {}
        self._accompanied: set[Key] = set()
        self._lock = Lock()

    @property
    def later(self) -> list[Key]:
        """The workers that this group leaves to later ones."""
        return self.waiting + self.crowded

    def admits(self, name: Key, worker: Worker) -> bool:
        """Decide whether a worker may be prepared now. The first one may, however much it needs."""
        with self._lock:
            others = self._loading | self._loaded
            if others and not self._has_room(name):
                self.waiting.append(name)
                return False
            if others:
                self._accompanied |= {name, *others}
            self._loading[name] = worker
            return True

    def note_loaded(self, name: Key, deadline_s: float) -> int:
        """Note that a worker is prepared. Returns the most bytes that it held; 0 if not known. Raises Failure."""
        worker = self._loading[name]
        if self._device == "cpu":
            peak = held_bytes(worker.process.pid)[1]
        else:
            counted = worker.peak_memory(deadline_s).peak_bytes
            peak = CONTEXT + max(counted.values()) if counted else 0
        with self._lock:
            self._loaded[name] = self._loading.pop(name)
            self._peaks[name] = peak
        return peak

    def queue_retry(self, name: Key, failure: Failure) -> bool:
        """Note that a worker has failed, and holds nothing any more. Returns whether it is to be tried alone."""
        with self._lock:
            self._loading.pop(name, None)
            self._loaded.pop(name, None)
            retry = failure.outcome is Outcome.OOM and name in self._accompanied
            self.crowded += [name] if retry else []
            return retry

    def sentence(self, names: Iterable[Key], name: Key) -> str:
        """Say with whom one of the workers that are measured now shares its rounds; empty if no other had to wait."""
        if not self.turn and not self.later:
            return ""
        others = ", ".join(str(other) for other in names if other != name)
        beside = f"in the same rounds as {others} alone" if others else "in rounds of its own"
        return f"group {self.turn + 1}, {beside}: not all variants fitted into memory together"

    def _has_room(self, name: Key) -> bool:
        left = memory_left(self._device)
        return left is None or left - self._promised() - SPARE >= self._needs(name)

    def _needs(self, name: Key) -> int:
        return self._peaks.get(name) or max(self._peaks.values(), default=0)

    def _promised(self) -> int:
        """Return the bytes that the workers here may still take: up to what each needs."""
        if self._device == "cpu":
            workers = (self._loading | self._loaded).items()
            return sum(max(0, self._needs(name) - held_bytes(worker.process.pid)[0]) for name, worker in workers)
        return sum(map(self._needs, self._loading))  # a GPU's allocators give nothing back: prepared ones hold it all
