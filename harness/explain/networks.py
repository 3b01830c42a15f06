"""Whole networks whose parts are known: they show what an execution makes of ops together.

A compiler fuses ops, and has those run at the same time that do not wait for each other: the dW of a layer, say, and
the backward pass of the layer below it. So a whole takes another time than its parts one after the other. By how much
is measured with one network for each kind of workload, at sizes that no default model has, and taken for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from ..workload.workload import Workload
from .parts import Part, distinct_parts
from .probes import CONVOLUTION

_ATTENTION = "attention"
_NETWORKS: dict[str, tuple[str, dict[str, int]]] = {
    "layers": ("mlp", {"batch": 192, "depth": 4, "width": 384}),
    "convolutions": ("resnet34", {"batch": 2, "image": 128}),
    "attention": (
        "gpt2",
        {"batch": 4, "tokens": 48, "layers": 2, "width": 320, "heads": 4, "vocabulary": 4000, "context": 48},
    ),
}


def network_of(ops: Iterable[str]) -> str:
    """The name of the network that stands for workloads of these ops."""
    names = set(ops)
    return "attention" if _ATTENTION in names else "convolutions" if CONVOLUTION in names else "layers"


@cache
def network(name: str, precision: str) -> Workload:
    """The network of that name."""
    model, sizes = _NETWORKS[name]
    return Workload.of(model, sizes, precision=precision)


@cache
def network_parts(name: str, precision: str) -> tuple[Part, ...]:
    """The parts of the network of that name."""
    return tuple(distinct_parts(network(name, precision)))
