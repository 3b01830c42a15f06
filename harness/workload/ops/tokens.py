"""From images to sequences [batch, tokens, width], and from sequences to one vector."""

from __future__ import annotations

from .. import draw
from ..spec import Spec
from .base import (
    Array,
    Arrays,
    Cost,
    Forward,
    Gradients,
    Primitives,
    Specs,
    Unread,
    Wants,
    Work,
    nothing,
    require,
)
from .example import Example, Sizes, example_of


def _require_sequence(op: str, x: Spec) -> None:
    require(len(x.shape) == 3, op, f"the input must be [batch, tokens, width], got {x.shape}")


class image_tokens(Unread):
    """An image [N, H, W, C] as a sequence of its pixels [N, H * W, C]."""

    caches = False

    def example(self, sizes: Sizes) -> Example:
        return example_of(sizes.images)

    def shape(self, x: Spec) -> Spec:
        require(len(x.shape) == 4, self.name, f"the input must be [batch, height, width, channels], got {x.shape}")
        return Spec((x.shape[0], x.shape[1] * x.shape[2], x.shape[3]))

    def forward(self, xp: Primitives, x: Array) -> Forward:
        batch, _, _, channels = x.shape
        return xp.reshape(x, (batch, -1, channels)), nothing

    def backward(self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants) -> Gradients:
        return (xp.reshape(grad, inputs[0].shape),)

    def cost(self, inputs: Specs, outputs: Specs) -> Cost:
        moved = Work(elements=2 * inputs[0].size)
        return Cost(moved, (moved,))


class transpose_tokens(Unread):
    """[batch, tokens, width] as [batch, width, tokens], to mix tokens as one mixes channels."""

    caches = False

    def shape(self, x: Spec) -> Spec:
        _require_sequence(self.name, x)
        batch, tokens, width = x.shape
        return Spec((batch, width, tokens))

    def forward(self, xp: Primitives, x: Array) -> Forward:
        return xp.transpose(x, (0, 2, 1)), nothing

    def backward(self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants) -> Gradients:
        return (xp.transpose(grad, (0, 2, 1)),)

    def cost(self, inputs: Specs, outputs: Specs) -> Cost:
        moved = Work(elements=2 * inputs[0].size)
        return Cost(moved, (moved,))


class mean_tokens(Unread):
    """The mean over all tokens: [batch, tokens, width] to [batch, width]."""

    caches = False

    def shape(self, x: Spec) -> Spec:
        _require_sequence(self.name, x)
        return Spec((x.shape[0], x.shape[2]))

    def forward(self, xp: Primitives, x: Array) -> Forward:
        return xp.mean(x, axis=1), nothing

    def backward(self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants) -> Gradients:
        batch, tokens, width = inputs[0].shape
        return (xp.broadcast_to(xp.reshape(grad / tokens, (batch, 1, width)), (batch, tokens, width)),)


class class_token(Unread):
    """Puts a learned token [width] before each sequence: [batch, tokens + 1, width] (Devlin et al. 2018)."""

    caches = False

    weights = (1,)

    def example(self, sizes: Sizes) -> Example:
        return Example({"x": sizes.sequence, "token": draw.normal(sizes.width)})

    def shape(self, x: Spec, token: Spec) -> Spec:
        _require_sequence(self.name, x)
        batch, tokens, width = x.shape
        require(token.shape == (width,), self.name, f"the token must be {(width,)}, got {token.shape}")
        return Spec((batch, tokens + 1, width))

    def forward(self, xp: Primitives, x: Array, token: Array) -> Forward:
        batch, _, width = x.shape
        return xp.concatenate((xp.broadcast_to(token, (batch, 1, width)), x), 1), nothing

    def backward(self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants) -> Gradients:
        return grad[:, 1:], (xp.sum(grad[:, 0], axis=0) if wants[1] else None)

    def cost(self, inputs: Specs, outputs: Specs) -> Cost:
        x, token = inputs
        y = outputs[0]
        summed = Work(elements=(y.shape[0] + 1) * token.size)
        return Cost(Work(elements=x.size + token.size + y.size), (Work(elements=2 * x.size), summed))


class first_token(Unread):
    """The first token alone, which stands for the sequence: [batch, tokens, width] to [batch, width]."""

    caches = False

    def shape(self, x: Spec) -> Spec:
        _require_sequence(self.name, x)
        return Spec((x.shape[0], x.shape[2]))

    def forward(self, xp: Primitives, x: Array) -> Forward:
        return x[:, 0], nothing

    def backward(self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants) -> Gradients:
        batch, tokens, width = inputs[0].shape
        rest = xp.zeros((batch, tokens - 1, width), grad)
        return (xp.concatenate((xp.reshape(grad, (batch, 1, width)), rest), 1),)

    def cost(self, inputs: Specs, outputs: Specs) -> Cost:
        return Cost(Work(elements=2 * outputs[0].size), (Work(elements=inputs[0].size + outputs[0].size),))


class unstack_tokens(Unread):
    """Each token of a sequence on its own: [batch, tokens, width] to as many arrays [batch, width]."""

    caches = False

    def shape(self, x: Spec) -> Specs:
        _require_sequence(self.name, x)
        require(x.shape[1] >= 2, self.name, f"there must be at least 2 tokens, got {x.shape[1]}")
        return (Spec((x.shape[0], x.shape[2])),) * x.shape[1]

    def forward(self, xp: Primitives, x: Array) -> Forward:
        return tuple(x[:, t] for t in range(x.shape[1])), nothing

    def backward(self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants) -> Gradients:
        return (xp.stack(grad, 1),)

    def cost(self, inputs: Specs, outputs: Specs) -> Cost:
        moved = Work(elements=2 * inputs[0].size)
        return Cost(moved, (moved,))


class stack_tokens(Unread):
    """The inverse of `unstack_tokens`."""

    caches = False

    def example(self, sizes: Sizes) -> Example:
        return example_of(*[sizes.rows] * sizes.tokens)

    def shape(self, *tokens: Spec) -> Spec:
        first = tokens[0].shape
        require(len(first) == 2, self.name, f"a token must be [batch, width], got {first}")
        for token in tokens:
            require(token.shape == first, self.name, f"{token.shape} does not fit {first}")
        return Spec((first[0], len(tokens), first[1]))

    def forward(self, xp: Primitives, *tokens: Array) -> Forward:
        return xp.stack(tokens, 1), nothing

    def backward(self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants) -> Gradients:
        return tuple(grad[:, t] for t in range(len(inputs)))

    def cost(self, inputs: Specs, outputs: Specs) -> Cost:
        return Cost(Work(elements=2 * outputs[0].size), tuple(Work(elements=2 * token.size) for token in inputs))
