"""oneDNN's verbose log: how long its primitives take for each direction of a convolution."""

from __future__ import annotations

import ctypes
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

_GRADIENTS = {"backward_data": "dx", "backward_weights": "dw"}
_RESULTS = {"backward_data": "src", "backward_weights": "wei"}  # what oneDNN calls the result's array


def stdout_of(call: Callable[[], Any]) -> str:
    """Return what `call` makes this process write to stdout, from C too, instead of writing it there."""
    libc = ctypes.CDLL(None)
    libc.fflush(None)
    with tempfile.TemporaryFile() as file:
        stdout = os.dup(1)
        os.dup2(file.fileno(), 1)
        try:
            call()
            libc.fflush(None)
        finally:
            os.dup2(stdout, 1)
            os.close(stdout)
        file.seek(0)
        return file.read().decode(errors="replace")


def convolution_gradients(log: str) -> dict[str, list[float]]:
    """Seconds of each convolution's dx and of each one's dw, in the order in which they ran.

    A change of layout counts with the convolution that it is for: with the one right before it if it begins with the
    layout of that one's result, with the next one otherwise.
    """
    seconds: dict[str, list[float]] = {"dx": [], "dw": []}
    last: list[float] = []
    result, waiting = "", 0.0
    for kind, direction, arrays, taken in _executed(log.splitlines()):
        if kind == "reorder" and result and _layout(arrays, "src") == result:
            last[-1] += taken
        elif kind == "reorder":
            waiting += taken
        else:
            is_gradient = kind in ("convolution", "deconvolution") and direction in _GRADIENTS
            last = seconds[_GRADIENTS[direction]] if is_gradient else []
            result = _layout(arrays, _RESULTS[direction]) if is_gradient else ""
            last.append(waiting + taken)
            waiting = 0.0
    return seconds


def _executed(lines: Iterable[str]) -> Iterator[tuple[str, str, str, float]]:
    """(kind, direction, arrays, seconds) of each primitive that ran."""
    for line in lines:
        fields = line.split(",")
        if len(fields) > 8 and fields[0] == "onednn_verbose" and fields[3] == "exec":
            yield fields[5], fields[7], fields[8], float(fields[-1]) / 1e3


def _layout(arrays: str, name: str) -> str:
    """The layout of an array, such as `aBcd16b`, from `src:f32:a:blocked:aBcd16b::f0 wei:...`."""
    (described,) = (text for text in arrays.split() if text.startswith(f"{name}:"))
    return described.split(":")[4]
