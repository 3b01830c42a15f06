"""The ops of a user's own model as a table of times, from what a profiler saw in each of the two passes."""

from __future__ import annotations

import os
import re
import sysconfig
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..profiled import OpTimes

_ADAPTERS = str(Path(__file__).parents[1]) + os.sep
_LIBRARIES = ("site-packages", "dist-packages", sysconfig.get_path("stdlib"))
_LAYER = re.compile(r"(?<=_)\d+(?=_|$)")


@dataclass(frozen=True)
class OwnOp:
    """One call of an op in the forward pass.

    `scopes` are the parts of the model that it is called in, the outermost first, and `line` is where in its code, as
    in `model.py:12`; both may be empty.
    """

    op: str
    shape: str
    scopes: tuple[str, ...] = ()
    line: str = ""


Ran = tuple[int | None, float]  # the number of the call that something belongs to, if one, and its seconds

_NO_OP = OwnOp("", "")


def op_times(calls: Sequence[OwnOp], passes: Mapping[str, Iterable[Ran]]) -> list[OpTimes]:
    """All calls of an op with the same shapes as one, from what ran in the pass `forward` and in `backward`.

    An op that took time in neither is left out: a compiler has put it into another one.
    """
    seconds: defaultdict[tuple[str, str], dict[str, float]] = defaultdict(lambda: {"forward": 0.0, "backward": 0.0})
    without_op = 0
    for name, ran in passes.items():
        for number, taken in ran:
            call = _NO_OP if number is None else calls[number]
            without_op += number is None
            seconds[call.op, call.shape][name] += taken
    count = Counter((call.op, call.shape) for call in calls)
    count[_NO_OP.op, _NO_OP.shape] = without_op
    callers = _callers(calls)
    return [
        OpTimes(*key, tuple(callers.get(key, ())), count[key], taken["forward"], taken["backward"])
        for key, taken in seconds.items()
    ]


def written(shapes: Iterable[Sequence[int]]) -> str:
    """The shapes of an op's inputs, as in `64x256 256x256`; numbers have none."""
    return " ".join("x".join(map(str, shape)) for shape in shapes if len(shape))


def line_of(frames: Iterable[tuple[str, int]]) -> str:
    """The innermost line of the model's own code, as in `model.py:12`; of a library's if it has none.

    `frames` are files and lines, the innermost first.
    """
    line = ""
    for file, number in frames:
        if file.startswith(_ADAPTERS):
            break
        line = f"{Path(file).name}:{number}"
        if not any(folder in file for folder in _LIBRARIES):
            break
    return line


def _callers(calls: Sequence[OwnOp]) -> dict[tuple[str, str], dict[str, None]]:
    """Who calls each op, in order, the number of a layer written `#`: `Block_#/Dense_# (model.py:12)`.

    The outermost scope is left out if it is that of the whole model.
    """
    model = {call.scopes[:1] for call in calls if call.scopes}
    callers: defaultdict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for call in calls:
        scopes = call.scopes[1:] if len(model) == 1 else call.scopes
        path = "/".join(_LAYER.sub("#", part) for part in scopes)
        caller = f"{path} ({call.line})" if path and call.line else path or call.line
        callers[call.op, call.shape] |= {caller: None} if caller else {}
    return callers
