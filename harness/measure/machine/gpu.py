"""Watches a GPU's clock, temperature and reasons for slowing down while others measure on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from types import TracebackType

EVERY_MS = 500
_QUERY = "clocks.sm,temperature.gpu,clocks_throttle_reasons.active"  # newer drivers take this older name too

# NVML's bits; idle, a set clock and the power limit are how a GPU works, these are not.
SLOWDOWNS = {
    0x08: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "thermal slowdown",
    0x80: "power brake",
}


class GpuWatch:
    """One `nvidia-smi` that prints a line every half second into a file; nothing on a machine without it."""

    def __enter__(self) -> GpuWatch:
        self.process: subprocess.Popen[bytes] | None = None
        self.printed = tempfile.TemporaryFile()
        if tool := shutil.which("nvidia-smi"):
            gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0] or "0"
            asked = ["--id", gpu, f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits", f"--loop-ms={EVERY_MS}"]
            self.process = subprocess.Popen(
                [tool, *asked], stdin=subprocess.DEVNULL, stdout=self.printed, stderr=subprocess.DEVNULL
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
        self.printed.close()

    def seen(self) -> dict[str, list[float]]:
        """All that was seen so far, in order; what the GPU does not show is absent."""
        size = os.fstat(self.printed.fileno()).st_size
        lines = os.pread(self.printed.fileno(), size, 0).decode(errors="replace").split("\n")[:-1]
        seen: dict[str, list[float]] = {}
        for line in lines:
            for name, text in zip(("gpu_mhz", "gpu_celsius", "gpu_slowed"), line.split(","), strict=False):
                try:
                    value = float(int(text, 16) if name == "gpu_slowed" else float(text))
                except ValueError:  # [N/A]
                    continue
                seen.setdefault(name, []).append(value)
        return seen


def slowdowns(masks: list[float]) -> list[str]:
    """In words, what slowed the GPU in any of the looks."""
    return [words for bit, words in SLOWDOWNS.items() if any(int(mask) & bit for mask in masks)]
