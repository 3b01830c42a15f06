"""Splits a function into a forward pass that returns what backward needs, and a backward pass, for two jits.

`jax.vjp` returns the backward pass as a pytree whose leaves are the residuals. Returned from a jitted function as
it is, it would contain the parameters and inputs too, and XLA would copy them (three times the time of forward
on a small batch). So forward returns only leaves that are new, and backward puts the others back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

Function = Callable[[dict[str, Array], dict[str, Array]], Array]


class Split:
    """`forward` and `backward` of the scalar `function(sources, rest)`, differentiated for `sources`.

    Both are to be jitted; forward must be traced before backward, which learns from it what was kept.
    """

    def __init__(self, function: Function) -> None:
        self._function = function
        self._treedef: Any = None
        self._places: list[tuple[str, int]] = []

    def forward(self, sources: dict[str, Array], rest: dict[str, Array]) -> tuple[Array, list[Array]]:
        """The value, and the residuals that are neither arguments nor the same array twice."""
        value, vjp = jax.vjp(lambda wanted: self._function(wanted, rest), sources)
        leaves, self._treedef = jax.tree.flatten(vjp)
        places = {id(leaf): ("argument", i) for i, leaf in enumerate(jax.tree.leaves((sources, rest)))}
        kept: list[Array] = []
        for leaf in leaves:
            if id(leaf) not in places:
                places[id(leaf)] = ("kept", len(kept))
                kept.append(leaf)
        self._places = [places[id(leaf)] for leaf in leaves]
        return value, kept

    def backward(self, kept: list[Array], sources: dict[str, Array], rest: dict[str, Array]) -> dict[str, Array]:
        """The gradient for each source."""
        found = {"argument": jax.tree.leaves((sources, rest)), "kept": kept}
        vjp = jax.tree.unflatten(self._treedef, [found[where][i] for where, i in self._places])
        (gradients,) = vjp(jnp.ones((), jnp.float32))
        return gradients
