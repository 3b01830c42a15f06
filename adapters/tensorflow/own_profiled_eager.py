"""How long each op of a user's own Keras model takes in an eager run: TensorFlow's own profile, and who calls each op.

Its profile has the ops of each kind in the order of their calls, and nothing else that tells them apart. So each op is
noted when it has run. To compute the gradient of an op, a tape passes on the very attributes that the op was called
with, which tells what runs then; the gradient of a function of its own is known by the result of that function.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import Any

from tensorflow.python import pywrap_tfe
from tensorflow.python.eager import backprop
from tensorflow.python.framework import ops

from ..common.own_ops import OwnOp, Ran, line_of, op_times, written
from ..profiled import OpTimes
from . import counting
from .own_ops import Layers

_FUNCTION = re.compile(r"__(?:forward|inference)_(.+)_\d+")
_RECORDERS = ("TFE_Py_TapeSetRecordOperation", "TFE_Py_TapeSetRecordOperationBackprop")
_BETWEEN = (__file__, counting.__file__)

Note = Callable[[str, Any, Sequence[Any], Sequence[Any]], int | None]


def eager_times(
    layers: Layers, forward: Callable[[], Any], backward: Callable[[Any], Any], passes: int
) -> list[list[OpTimes]]:
    """Run both passes under the profiler; `backward` takes what `forward` returns. One entry for each time."""
    return [_once(EagerOps(layers), forward, backward) for _ in range(passes)]


def _once(noted: EagerOps, forward: Callable[[], Any], backward: Callable[[Any], Any]) -> list[OpTimes]:
    kept: list[Any] = []
    with noted.gradients_known():
        passes = {
            "forward": _ran(noted.call, lambda: kept.append(forward())),
            "backward": _ran(noted.gradient, lambda: backward(kept.pop())),
        }
    return op_times(noted.calls, passes)


def _ran(note: Note, phase: Callable[[], Any]) -> list[Ran]:
    """Everything that a phase runs, by the number that `note` tells; what only the profile has belongs to no op."""
    numbers: defaultdict[str, list[int | None]] = defaultdict(list)
    seconds: defaultdict[str, list[float]] = defaultdict(list)

    def noted() -> None:
        with counting.observed_ops(lambda kind, *of_op: numbers[kind].append(note(kind, *of_op))):
            phase()

    for label, texts, taken in counting.profile(noted):
        if label == "EagerExecute" and texts["eager_op"] != "SyncDevice":  # which ends a profile
            seconds[texts["eager_op"]].append(taken)
    ran: list[Ran] = []
    for kind, times in seconds.items():
        told = numbers[kind] if len(numbers[kind]) == len(times) else [None] * len(times)
        ran += zip(told, times, strict=True)
    return ran


class EagerOps:
    """Notes the calls of a forward pass, and to which of them each op of the backward pass belongs."""

    def __init__(self, layers: Layers) -> None:
        self.calls: list[OwnOp] = []
        self._layers = layers
        self._by_attributes: dict[int, tuple[int, Any]] = {}  # with the attributes, so that no others have their id
        self._by_result: dict[int | None, int] = {}
        self._number: int | None = None  # of the call whose gradient is being computed

    def call(self, kind: str, attributes: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
        """Note an op of the forward pass, and return its number."""
        number = len(self.calls)
        shapes = written(tuple(tensor.shape) for tensor in inputs)
        scopes, line = self._layers.scopes(ops.get_name_scope()), line_of(_frames(sys._getframe()))
        self.calls.append(OwnOp(_name(kind), shapes, scopes, line))
        if attributes:
            self._by_attributes[id(attributes)] = number, attributes
        self._by_result |= {output._id: number for output in outputs}
        return number

    def gradient(self, *_: Any) -> int | None:
        """The number of the call that an op of the backward pass belongs to, if one."""
        return self._number

    @contextmanager
    def gradients_known(self) -> Iterator[None]:
        """Note, within this context, of which op or function that a tape records it computes the gradient."""
        recorders = {name: getattr(pywrap_tfe, name) for name in _RECORDERS}
        pywrap_tfe.TFE_Py_RegisterGradientFunction(self._gradient_function)
        for name, record in recorders.items():
            setattr(pywrap_tfe, name, self._recorder(record))
        try:
            yield
        finally:
            pywrap_tfe.TFE_Py_RegisterGradientFunction(backprop._gradient_function)
            for name, record in recorders.items():
                setattr(pywrap_tfe, name, record)

    def _gradient_function(self, kind: str, attributes: Any, *of_op: Any) -> Any:
        """Call TensorFlow's own function of this name, and note whose gradient it computes."""
        number, _ = self._by_attributes.get(id(attributes), (None, None))
        with self._gradient_of(number):
            return backprop._gradient_function(kind, attributes, *of_op)

    def _recorder(self, record: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap TensorFlow's `record`, by which a function with a gradient of its own gives it to a tape."""

        def recorded(name: Any, outputs: Any, inputs: Any, backward: Callable[..., Any], *forward: Any) -> Any:
            known = (self._by_result.get(getattr(output, "_id", None)) for output in outputs)
            number = next((number for number in known if number is not None), None)

            def known_backward(*gradients: Any) -> Any:
                with self._gradient_of(number):
                    return backward(*gradients)

            if number is None:
                return record(name, outputs, inputs, backward, *forward)
            self.calls[number] = replace(self.calls[number], op=_name(name))
            return record(name, outputs, inputs, known_backward, *forward)

        return recorded

    @contextmanager
    def _gradient_of(self, number: int | None) -> Iterator[None]:
        """Assign what runs within this context to a call; if that is unknown, to the one before."""
        before = self._number
        self._number = before if number is None else number
        try:
            yield
        finally:
            self._number = before


def _name(kind: str | bytes) -> str:
    """The name of an op or of a function: `f` for `__forward_f_12`."""
    name = kind.decode() if isinstance(kind, bytes) else kind
    function = _FUNCTION.fullmatch(name)
    return function[1] if function else name


def _frames(frame: FrameType | None) -> Iterator[tuple[str, int]]:
    """Files and lines, the innermost first, without what this module puts in between."""
    while frame:
        if frame.f_code.co_filename not in _BETWEEN:
            yield frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
