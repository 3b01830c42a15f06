"""How long each op takes inside an eager run of a user's own model, by torch's profiler.

An op is what the model's code calls: `aten::linear`, say, with all that runs within it. A node of the backward pass has
the sequence number that torch would give next when the node was made, and ops tell that number when they begin, so a
node belongs to the last op that began with a number no higher than its own.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile, record_function

from ..base import Unsupported
from ..profiled import OpTimes
from .autograd_nodes import NODE, events_below, node_above

_FORWARD = "forward pass of a model"
_MODULE = "call of a module "

Key = tuple[str, str]  # name and shapes of an op
_NO_OP: Key = ("", "")


def profiled_ops(
    forward: Callable[[], Any], backward: Callable[[Any], Any], parameters: Any, device: torch.device, passes: int
) -> list[list[OpTimes]]:
    """Run both passes under the profiler; one entry for each time. Modules are marked where `parameters` is one.

    Raises Unsupported on a GPU.
    """
    if device.type != "cpu":
        raise Unsupported("torch: its profiler's record of a GPU is not read")
    profiles = []
    with _marked(parameters):
        for _ in range(passes):
            with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiler:
                with record_function(_FORWARD):
                    kept = forward()
                backward(kept)
            profiles.append(_op_times(profiler.events() or []))
    return profiles


def _op_times(events: Sequence[FunctionEvent]) -> list[OpTimes]:
    """The times of one run. A node without a number, or with one from before the run, belongs to no op."""
    count: Counter[Key] = Counter()
    seconds: dict[str, defaultdict[Key, float]] = {name: defaultdict(float) for name in ("forward", "backward")}
    callers: defaultdict[Key, dict[str, None]] = defaultdict(dict)
    numbers: list[tuple[int, float, Key]] = []  # (sequence number, start, op) of all that runs in the forward pass
    for event, caller in _ops(events):
        key = (event.name, _shape(event))
        count[key] += 1
        seconds["forward"][key] += 1e-6 * event.time_range.elapsed_us()
        callers[key] |= {caller: None} if caller else {}
        numbers += [
            (inner.sequence_nr, inner.time_range.start, key)
            for inner in (event, *events_below(event))
            if inner.sequence_nr >= 0
        ]
    numbers.sort()
    for event in events:
        if event.name.startswith(NODE) and node_above(event) is None:  # else a checkpoint's, counted with its own
            place = bisect_right(numbers, event.sequence_nr, key=lambda entry: entry[0])
            key = numbers[place - 1][2] if place else _NO_OP
            count[_NO_OP] += key == _NO_OP
            seconds["backward"][key] += 1e-6 * event.time_range.elapsed_us()
    return [
        OpTimes(*key, tuple(callers[key]), number, seconds["forward"][key], seconds["backward"][key])
        for key, number in count.items()
        if number
    ]


def _ops(events: Sequence[FunctionEvent]) -> Iterator[tuple[FunctionEvent, str]]:
    """Each op that the model's own code calls in the forward pass, and the module that calls it, if one."""
    for event in events:
        if event.name == _FORWARD:
            yield from _ops_within(event, "")


def _ops_within(event: FunctionEvent, caller: str) -> Iterator[tuple[FunctionEvent, str]]:
    """The outermost ops within a mark, which is ours or one that the model's own code makes."""
    for child in event.cpu_children:
        if child.is_user_annotation:
            module = child.name.removeprefix(_MODULE) if child.name.startswith(_MODULE) else caller
            yield from _ops_within(child, module)
        else:
            yield child, caller


def _shape(event: FunctionEvent) -> str:
    """The shapes of an op's tensors, a list's too, as in `64x256 256x256 256`; numbers have none."""
    return " ".join(_written(getattr(event, "structured_input_shapes", None) or event.input_shapes or ()))


def _written(shapes: Sequence[Any]) -> Iterator[str]:
    for shape in shapes:
        if shape and all(isinstance(size, int) for size in shape):
            yield "x".join(map(str, shape))
        elif shape:
            yield from _written(shape)


@contextmanager
def _marked(parameters: Any) -> Iterator[None]:
    """Mark the calls of a module's parts in the profile, where these are called as modules."""
    marks: list[record_function] = []

    def enter(name: str) -> Callable[..., None]:
        def begin(*_: Any) -> None:
            marks.append(record_function(f"{_MODULE}{name}"))
            marks[-1].__enter__()

        return begin

    def leave(*_: Any) -> None:
        marks.pop().__exit__(None, None, None)

    with ExitStack() as hooks:
        for path, module in parameters.named_modules() if isinstance(parameters, nn.Module) else ():
            hooks.callback(module.register_forward_pre_hook(enter(_module_name(path, module)), prepend=True).remove)
            hooks.callback(module.register_forward_hook(leave, always_call=True).remove)
        yield


def _module_name(path: str, module: nn.Module) -> str:
    """`transformer.h.#.mlp.c_fc (Conv1D)`: the same for each of several layers."""
    kind = type(module).__name__
    return f"{without_numbers(path)} ({kind})" if path else kind


def without_numbers(path: str) -> str:
    """The path of a module, `transformer.h.0.mlp`, with `#` in place of the number of a layer."""
    return re.sub(r"(?<![^.])[0-9]+(?![^.])", "#", path)
