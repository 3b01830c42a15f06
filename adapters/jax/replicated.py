"""Several replicas of a workload under `jax.jit`: `shard_map` over as many devices of this process.

Each device runs one replica's program on its part of the batch, and `pmean` is the reduction. What is each replica's
own, such as what forward keeps, has the replica as an axis in front.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from harness.workload.trace import Graph

from ..choices import Choices
from ..common.replicas import split_inputs
from ..replicated import REPLICATED_PHASES
from . import cudnn_attention, ops
from .autodiff import reverse
from .compiled import Jitted
from .departures import FUSED
from .executable import Executable
from .split import Arrays

_REPLICA = "replica"
_EACH, _ALL = PartitionSpec(_REPLICA), PartitionSpec()


class Replicated(Jitted):
    """`put` makes an array of the workload's precision where it is told; `executable` makes a phase of a function."""

    processes: tuple[int, ...] = ()

    def __init__(
        self,
        graph: Graph,
        arrays: Mapping[str, np.ndarray],
        choices: Choices,
        mixed: bool,
        devices: Sequence[jax.Device],
        put: Callable[[np.ndarray, NamedSharding], Array],
        executable: Callable[..., Executable],
    ) -> None:
        self.phases, self.replicas, self._graph = REPLICATED_PHASES, len(devices), graph
        self._devices, mesh = devices, Mesh(np.array(devices), (_REPLICA,))
        split = split_inputs(graph, arrays)
        where = {name: _EACH if name in split else _ALL for name in graph.draws}
        placed = {name: put(arrays[name], NamedSharding(mesh, where[name])) for name in graph.draws}
        sources = {name: placed[name] for name in graph.sources}
        rest = {name: array for name, array in placed.items() if name not in sources}
        given = (_ALL, {name: where[name] for name in rest})
        namespace = vars(ops) | ({"attention": cudnn_attention.attention} if choices.attention in FUSED else {})
        rule = reverse(graph, SimpleNamespace(**namespace), choices.residuals, mixed)

        def phase(function: Callable[..., Any], takes: tuple[Any, ...], gives: Any) -> Executable:
            # Without `check_vma` it inserts no reductions of its own.
            return executable(jax.shard_map(function, mesh=mesh, in_specs=takes, out_specs=gives, check_vma=False))

        def local(kept: Any, sources: Arrays, rest: Arrays) -> Arrays:
            return rule.split.backward(jax.tree.map(lambda array: array[0], kept), sources, rest)

        def gradient(sources: Arrays, rest: Arrays) -> tuple[Array, Arrays]:
            loss, gradients = rule.gradient(sources, rest)
            return loss[None], _mean(gradients)

        self._arguments = sources, rest
        self._inference = phase(lambda *arrays: rule.loss(*arrays)[None], given, _EACH)
        self._forward = phase(lambda *arrays: _own(rule.split.forward(*arrays)), given, _EACH)
        self._backward = phase(lambda *arrays: _mean(local(*arrays)), (_EACH, *given), _ALL)
        self._gradient = phase(gradient, given, (_EACH, _ALL))
        self._forward_local = self._forward
        self._backward_local = phase(lambda *arrays: _own(local(*arrays)), (_EACH, *given), _EACH)

    def forward_local(self) -> tuple[Array, list[Array]]:
        return self.forward()

    def backward_local(self, kept: tuple[Array, list[Array]]) -> dict[str, Array]:
        return self._backward_local(kept, *self._arguments)

    def parameters(self) -> Mapping[str, Array]:
        return {name: self._arguments[0][name] for name in self._graph.params if name in self._arguments[0]}

    def residual_bytes(self, kept: tuple[Array, list[Array]]) -> int:
        return super().residual_bytes(kept) // self.replicas

    def losses(self, loss: Array) -> list[float]:
        return [float(own) for own in loss]

    def export_each(self, gradients: Mapping[str, Any]) -> list[dict[str, np.ndarray]]:
        shapes = {name: self._graph.specs[number].shape for name, number in self._graph.sources.items()}
        each: list[dict[str, np.ndarray]] = []
        for device in self._devices:
            own = {name: _shard(array, device) for name, array in gradients.items()}
            each.append({name: array.reshape(shapes[name]) for name, array in self.export(own).items()})
        return each

    def reduction(self) -> dict[str, float]:
        return {}


def _own(tree: Any) -> Any:
    """Arrays that differ from replica to replica."""
    return jax.tree.map(lambda array: array[None], tree)


def _mean(gradients: Arrays) -> Arrays:
    """The reduction."""
    return jax.lax.pmean(gradients, _REPLICA)


def _shard(array: Array, device: jax.Device) -> Array:
    """What a device has of an array."""
    return next(shard.data for shard in array.addressable_shards if shard.device == device)
