"""Which parameters are frozen, that is, get no gradient: by a pattern over their names, or by the layers they are in.

A frozen parameter saves its own gradient. Where all that stands before it is frozen too, it also saves the gradient of
its layer's input: nobody needs it. Otherwise that is computed as before, on its way to what is trained below.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from .spec import WorkloadError
from .trace import Graph

_LAYERS = re.compile(r"(first|last):(.*)")
_LISTED = 4  # names in a message


def freeze(graph: Graph, setting: str) -> Graph:
    """A graph with what a setting freezes, beside what its model does. Raises WorkloadError for a senseless one.

    `first:2` freezes what the first two layers use, and what is used before them; `last:2` what is used for the first
    time in the last two, or behind them. Any other setting is a regular expression for whole names.
    """
    if graph.gradients == "inputs":
        raise WorkloadError(f"frozen={setting}: with gradients=inputs every parameter is frozen; choose gradients=both")
    layers = _LAYERS.fullmatch(setting)
    names = _of_layers(layers[1], layers[2], graph) if layers else matching(setting, graph.params)
    frozen = graph.frozen | names
    if len(frozen) == len(graph.params):
        raise WorkloadError(
            f"frozen={setting}: leaves no parameter that is trained; freeze fewer, or choose gradients=inputs"
        )
    return replace(graph, frozen=frozen)


def check_pattern(setting: str) -> None:
    """Require a regular expression over names, and no layers. Raises WorkloadError."""
    if _LAYERS.fullmatch(setting):
        raise WorkloadError(
            f"frozen={setting}: the layers of a model of your own are not known here; choose a regular expression for "
            "names of its parameters"
        )
    _compiled(setting)


def matching(setting: str, names: Iterable[str]) -> frozenset[str]:
    """Those of some names that a regular expression matches as a whole. Raises WorkloadError where there are none."""
    pattern, names = _compiled(setting), list(names)
    matched = frozenset(name for name in names if pattern.fullmatch(name))
    if not matched:
        more = f" and {len(names) - _LISTED} others" if len(names) > _LISTED else ""
        raise WorkloadError(
            f"frozen={setting}: no parameter has such a name; there are {', '.join(names[:_LISTED])}{more}"
        )
    return matched


def _compiled(setting: str) -> re.Pattern[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a later Python will read otherwise
            return re.compile(setting)
    except (re.error, OverflowError, RecursionError) as error:
        raise WorkloadError(
            f"frozen={setting}: is no regular expression ({error}); choose one for names of parameters, first:2 or "
            "last:2"
        ) from error


def _of_layers(end: str, count: str, graph: Graph) -> frozenset[str]:
    """The parameters of the first or the last layers."""
    layers = _layers(graph)
    if not (count.isdecimal() and 1 <= int(count) <= len(layers)):
        raise WorkloadError(
            f"frozen={end}:{count}: must be {end}: and a whole number from 1 to {len(layers)}, the model's layers"
        )
    first_use = {number: i for i, call in reversed([*enumerate(graph.calls)]) for number in call.inputs}
    if end == "first":
        until = layers[int(count) - 1].stop
        return frozenset(name for name, number in graph.params.items() if first_use[number] < until)
    since = layers[-int(count)].start
    return frozenset(name for name, number in graph.params.items() if first_use[number] >= since)


def _layers(graph: Graph) -> Sequence[range]:
    """The layers of a model as ranges of its calls: its blocks; in a model without any, each call with parameters."""
    numbers = range(len(graph.calls))
    blocks = [list(group) for name, group in groupby(numbers, lambda i: graph.calls[i].block) if name]
    if blocks:
        return [range(block[0], block[-1] + 1) for block in blocks]
    parameters = set(graph.params.values())
    return [range(i, i + 1) for i in numbers if parameters.intersection(graph.calls[i].inputs)]
