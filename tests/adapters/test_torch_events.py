"""torch's events around a call whose kernels a slow host launches, on a GPU that a fake queue stands for."""

from __future__ import annotations

import pytest
import torch

from adapters.torch import events

KERNELS, KERNEL_S, LAUNCH_S = 5, 0.001, 0.004
CYCLE_S = 1 / 2e9


class Queue:
    """A GPU that works off what the host has launched, in order; times in seconds."""

    def __init__(self) -> None:
        self.host_s = self.free_s = 0.0

    def launch(self, seconds: float) -> float:
        """Queue work, which takes the host `LAUNCH_S`. Returns when it is done."""
        self.host_s += LAUNCH_S
        self.free_s = max(self.free_s, self.host_s) + seconds
        return self.free_s


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Queue:
    made = Queue()

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing

        def record(self) -> None:
            self.done_s = max(made.free_s, made.host_s)

        def synchronize(self) -> None:
            made.host_s = max(made.host_s, self.done_s)

        def elapsed_time(self, end: Event) -> float:
            return 1e3 * (end.done_s - self.done_s)

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "_sleep", lambda cycles: made.launch(cycles * CYCLE_S))
    return made


def test_a_full_queue_leaves_no_gaps_between_kernels(queue: Queue) -> None:
    """By themselves the kernels of this host are four launches apart for each millisecond of work."""

    def call() -> str:
        for _ in range(KERNELS):
            queue.launch(KERNEL_S)
        return "result"

    result, seconds = events.device_seconds(call)
    assert result == "result" and seconds == pytest.approx(KERNELS * KERNEL_S)
