"""How long each op call takes inside an eager run: the time from one op that TensorFlow runs to the next.

TensorFlow's own profiler would not say which call an eager gradient is of. So the gradient of each call's result passes
through a copy of its handle that is known to be that call's; whatever is computed from it, until it passes through
the next one, is a gradient of the call. Branches of a network take turns in a tape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import tensorflow as tf
from tensorflow.python.eager import record

from harness.workload.trace import Graph

from ..common.numbered import Op, within
from ..common.scopes import Event, scope, times_of
from ..profiled import Times
from .autodiff import Reverse, Values
from .counting import observed_ops


class Timeline:
    """What runs, and for how long, by the scope of the call that it belongs to."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._call = ""  # the scope of the call that runs
        self._gradients: dict[int, str] = {}  # the scope of the call that a tensor is a gradient in
        self._last = 0.0

    def wrap(self, number: int, op: Op) -> Op:
        """The op of a call, its results marked."""
        run = within(self._calling)(number, op)

        def marked(*arguments: Any, **attributes: Any) -> Any:
            result = run(*arguments, **attributes)
            if isinstance(result, (tuple, list)):
                return tuple(self._marked(number, part) for part in result)
            return self._marked(number, result)

        return marked

    @contextmanager
    def _calling(self, number: int) -> Iterator[None]:
        before, self._call = self._call, scope(number)
        self._last = perf_counter()
        try:
            yield
        finally:
            self._call = before

    def _marked(self, number: int, result: tf.Tensor) -> tf.Tensor:
        """The same values; their gradient is known as one of the call."""

        def gradient(dy: tf.Tensor) -> list[tf.Tensor]:
            same = self._copied(dy)
            self._gradients[same._id] = f"gradient_tape/{scope(number)}"
            return [same]

        same = self._copied(result)
        record.record_operation("Mark", [same], [result], gradient)
        return same

    def _copied(self, tensor: tf.Tensor) -> tf.Tensor:
        """The same values, as another tensor to a tape, in no time."""
        with record.stop_recording():
            same = tf.identity(tensor)
        self._last = perf_counter()
        return same

    def observe(self, kind: str, attributes: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """Note an op that has just run. A sum of gradients belongs to no call."""
        now = perf_counter()
        label = self._call or next((self._gradients[x._id] for x in inputs if x._id in self._gradients), "")
        if kind == "AddN":
            label = ""
        if label and not self._call:
            self._gradients |= {output._id: label for output in outputs}
        shape = tuple(outputs[0].shape) if outputs else ()
        self.events.append((f"{label}/{kind}", shape, now - self._last))
        self._last = perf_counter()


def profiled(rule: Reverse, graph: Graph, arrays: Values, passes: int) -> list[Times]:
    """Run both passes of a rule, its ops marked; one entry for each time."""
    timeline = Timeline()
    marked: Reverse = rule.wrapped_by(timeline.wrap)
    return [times_of(graph, _once(timeline, marked, arrays)) for _ in range(passes)]


def _once(timeline: Timeline, rule: Reverse, arrays: Values) -> dict[str, list[Event]]:
    kept: list[Any] = []
    phases: dict[str, Callable[[], Any]] = {
        "forward": lambda: kept.append(rule.run(arrays)[1]),
        "backward": lambda: rule.pull(kept.pop()),
    }
    events: dict[str, list[Event]] = {}
    for name, phase in phases.items():
        timeline.events = events[name] = []
        with observed_ops(timeline.observe):
            phase()
    return events
