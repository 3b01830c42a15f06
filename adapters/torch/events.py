"""Times a call by CUDA's events, between which the GPU has always something to do."""

from collections.abc import Callable
from typing import Any

import torch

AHEAD_CYCLES = 100_000_000  # of the GPU's clock, some 50 ms: by then the host has queued more than the GPU may wait for


def device_seconds(call: Callable[[], Any]) -> tuple[Any, float]:
    """What `call` returns, and the seconds between events before and after it on the GPU.

    The GPU is kept busy first while the host queues the call's kernels, so that it does not wait for the host between
    them.
    """
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda._sleep(AHEAD_CYCLES)
    start.record()
    result = call()
    end.record()
    end.synchronize()
    return result, start.elapsed_time(end) / 1e3
