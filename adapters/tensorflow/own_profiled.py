"""How long each op of a user's own Keras model takes in a traced run: TensorFlow's own profile, or XLA's."""

from __future__ import annotations

from functools import partial

import tensorflow as tf

from ..common.hlo_owners import events_of
from ..common.own_ops import Ran, op_times
from ..profiled import OpTimes
from .executable import Executable
from .own_ops import TracedOps
from .profiled import instructions_of, ops_of


def traced_times(
    ops: TracedOps, forward: Executable, backward: Executable, kept: list[tf.Tensor], passes: int
) -> list[list[OpTimes]]:
    """Run both passes of `ops` under the profiler; `kept` is what backward takes. One entry for each time."""

    def ran(executable: Executable, *given: tf.Tensor) -> list[Ran]:
        call = partial(executable, *given)
        if executable.jit:
            events = events_of(executable.hlo(*given), instructions_of(call), ops.number_of)
        else:
            events = ops_of(executable.concrete.graph, call)
        return [(ops.number_of(label), seconds) for label, _, seconds in events]

    backward(*kept)  # its first call, as the one that made `kept` was of forward
    return [op_times(ops.calls, {"forward": ran(forward), "backward": ran(backward, *kept)}) for _ in range(passes)]
