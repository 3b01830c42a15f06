"""Empties the caches before each timed call, so that it finds its arrays in memory alone: `measure.cache=cold`.

Inside the worker. A buffer that is larger than the caches is overwritten, as nvbench and triton's `do_bench` do it on a
GPU. On a CPU a thread on each CPU overwrites a part of it, since each has caches of its own besides those they share.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from adapters.base import Adapter

from .machine.caches import last_level_bytes
from .protocol import Failure, Outcome

TIMES = 2  # the buffer's size over that of the last-level caches, which do not simply keep what was read last
GPU_BYTES = 2**28  # as in `do_bench`: at least twice the L2 of any GPU so far

SHORTEST_ALONE_S = (
    20e-6  # a call is timed alone: of a shorter one, calling it and reading the clock are too large a part
)


class Cold:
    """Overwrites the buffer when called, and returns when that is done. `said` is what a record says of it."""

    def __init__(self, adapter: Adapter, device: str) -> None:
        """Size the buffer. Raises Failure if the size of the caches is not known."""
        self._make = self._on_cpus if device == "cpu" else lambda: adapter.overwriting(GPU_BYTES)
        self._wait = adapter.wait
        self._cpus = sorted(os.sched_getaffinity(0))
        self._overwrite: Callable[[], Any] | None = None
        cache_bytes = last_level_bytes(self._cpus)
        if device == "cpu" and not cache_bytes:
            why = "this system does not say how large its caches are; choose measure.cache=warm"
            raise Failure(Outcome.UNSUPPORTED, why)
        self._part_bytes = TIMES * cache_bytes // len(self._cpus)
        size = TIMES * cache_bytes if device == "cpu" else GPU_BYTES
        self.said = f"cold: before each timed call, {size // 2**20} MiB were overwritten"

    def __call__(self) -> None:
        if self._overwrite is None:
            self._overwrite = self._make()
        self._wait(self._overwrite())

    def release(self) -> None:
        """Give the buffer back until the next call."""
        self._overwrite = None

    def check(self, seconds: dict[str, float]) -> None:
        """Raise Failure if a phase is too short to be timed one call at a time."""
        shortest = min(seconds, key=seconds.__getitem__)
        if seconds[shortest] < SHORTEST_ALONE_S:
            raise Failure(
                Outcome.UNSUPPORTED,
                f"{shortest} takes {1e6 * seconds[shortest]:.1f} µs, and with cold caches each call is timed alone, "
                f"which takes {1e6 * SHORTEST_ALONE_S:.0f} µs; choose measure.cache=warm or a larger model",
            )

    def _on_cpus(self) -> Callable[[], None]:
        threads = ThreadPoolExecutor(len(self._cpus))
        parts = [np.ones(self._part_bytes // 8, np.int64) for _ in self._cpus]

        def overwrite(cpu: int, part: np.ndarray) -> None:
            os.sched_setaffinity(0, [cpu])  # of this thread alone
            np.add(part, 1, out=part)  # reads, too: what only fills memory may write past the caches

        return lambda: list(threads.map(overwrite, self._cpus, parts)).clear()
