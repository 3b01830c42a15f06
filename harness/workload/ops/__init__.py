"""The op catalogue: every operation that a model may use, each defined once, by family."""

from . import (
    arrange,
    attention,
    conv,
    elementwise,
    embedding,
    gating,
    interaction,
    linear,
    loss,
    norm,
    pool,
    rectifiers,
    recurrent,
    rotary,
    tokens,
)
from .base import Array, Cost, Op, Spec, Work, WorkloadError

_FAMILIES = (
    linear,
    conv,
    norm,
    attention,
    elementwise,
    rectifiers,
    pool,
    embedding,
    arrange,
    loss,
    gating,
    tokens,
    rotary,
    recurrent,
    interaction,
)

CATALOGUE: dict[str, Op] = {
    name: value()
    for family in _FAMILIES
    for name, value in vars(family).items()
    if isinstance(value, type)
    and issubclass(value, Op)
    and value.__module__ == family.__name__
    and not name.startswith("_")
}

__all__ = ["CATALOGUE", "Array", "Cost", "Op", "Spec", "Work", "WorkloadError"]
