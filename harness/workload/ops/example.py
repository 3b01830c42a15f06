"""What an op is tried on: arguments of given sizes, a workload of their own, and a case in the tests of ops."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .. import draw
from ..draw import Draw


@dataclass(frozen=True)
class Sizes:
    """From which an example is made; those that an op has no use for do not matter."""

    batch: int = 16
    tokens: int = 64
    width: int = 256
    heads: int = 4
    image: int = 32
    channels: int = 64
    kernel: int = 3
    stride: int = 1
    groups: int = 1
    entries: int = 1000

    @property
    def rows(self) -> Draw:
        """[batch, width]."""
        return draw.normal(self.batch, self.width)

    @property
    def sequence(self) -> Draw:
        """[batch, tokens, width]."""
        return draw.normal(self.batch, self.tokens, self.width)

    @property
    def images(self) -> Draw:
        """[batch, height, width, channels], as high as wide."""
        return draw.normal(self.batch, self.image, self.image, self.channels)

    @property
    def table(self) -> Draw:
        """[entries, width]."""
        return draw.normal(self.entries, self.width)

    @property
    def ids(self) -> Draw:
        """An entry for each token, [batch, tokens]."""
        return draw.integers(self.batch, self.tokens, high=self.entries)


@dataclass(frozen=True)
class Example:
    """The arguments of an op in order, by name, and its attributes."""

    arguments: dict[str, Draw]
    attrs: dict[str, Any] = field(default_factory=dict)


def example_of(*arguments: Draw, **attrs: Any) -> Example:
    """Arguments that need no names of their own: x0, x1, ..."""
    return Example({f"x{i}": drawn for i, drawn in enumerate(arguments)}, attrs)
