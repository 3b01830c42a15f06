"""Splits a function into a forward pass that returns what backward needs, and a backward pass, for two jits.

What a forward pass keeps contains parameters and inputs too, and an op alone keeps what it returns. Returned from a
jitted function as it is, XLA would copy them (three times the time of forward on a small batch). So forward returns
only arrays that are new, each once, and backward puts the others back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax import Array

Arrays = dict[str, Array]


class Split:
    """`forward` and `backward` of a rule: `run(sources, rest)`, the value and what to keep, as a pytree of arrays;
    `pull(kept)`, the gradient for each source.

    Both are to be jitted; forward must be traced before backward, which learns from it what was kept.
    """

    def __init__(self, run: Callable[[Arrays, Arrays], tuple[Any, Any]], pull: Callable[[Any], Arrays]) -> None:
        self._run = run
        self._pull = pull
        self._treedef: Any = None
        self._places: list[tuple[str, int]] = []

    def forward(self, sources: Arrays, rest: Arrays) -> tuple[Any, list[Array]]:
        """The value, and what is kept that is neither an argument, nor the value, nor the same array twice."""
        value, residuals = self._run(sources, rest)
        leaves, self._treedef = jax.tree.flatten(residuals)
        places = {id(leaf): ("argument", i) for i, leaf in enumerate(jax.tree.leaves((sources, rest)))}
        places |= {id(leaf): ("value", i) for i, leaf in enumerate(jax.tree.leaves(value)) if id(leaf) not in places}
        kept: list[Array] = []
        for leaf in leaves:
            if id(leaf) not in places:
                places[id(leaf)] = ("kept", len(kept))
                kept.append(leaf)
        self._places = [places[id(leaf)] for leaf in leaves]
        return value, kept

    def backward(self, pair: tuple[Any, list[Array]], sources: Arrays, rest: Arrays) -> Arrays:
        """The gradient for each source, from the pair that `forward` returned."""
        leaves = {"argument": jax.tree.leaves((sources, rest)), "value": jax.tree.leaves(pair[0]), "kept": pair[1]}
        return self._pull(jax.tree.unflatten(self._treedef, [leaves[where][i] for where, i in self._places]))


class DifferentiationRule(NamedTuple):
    """A way to differentiate a workload: the functions behind the phases, to be jitted.

    Functions of `(sources, rest)`: the arrays for which gradients are asked, and all others, by name.
    """

    loss: Callable[[Arrays, Arrays], Any]
    split: Split
    gradient: Callable[[Arrays, Arrays], tuple[Any, Arrays]]
