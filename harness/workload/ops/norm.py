"""Normalisations. Their local gradient is the normalised input and the reciprocal deviation."""

from __future__ import annotations

from collections.abc import Sequence

from .. import draw
from ..draw import Draw
from ..spec import Spec
from .base import Array, Arrays, Forward, Gradients, Op, Primitives, Wants, require
from .example import Example, Sizes

Axes = int | tuple[int, ...]


def _normalise(xp: Primitives, x: Array, axes: Axes, eps: float) -> tuple[Array, Array]:
    mean = xp.mean(x, axis=axes, keepdims=True)
    centred = x - mean
    deviation = xp.rsqrt(xp.mean(centred * centred, axis=axes, keepdims=True) + eps)
    return centred * deviation, deviation


def _backward(
    xp: Primitives, grad: Array, local: Arrays, scale: Array, wants: Wants, statistics_axes: Axes, parameter_axes: Axes
) -> Gradients:
    """Ioffe & Szegedy 2015, section 3: the gradient through mean and variance, gathered."""
    normalised, deviation = local
    dx = None
    if wants[0]:
        g = grad * scale
        mean_g = xp.mean(g, axis=statistics_axes, keepdims=True)
        mean_gn = xp.mean(g * normalised, axis=statistics_axes, keepdims=True)
        dx = deviation * (g - mean_g - normalised * mean_gn)
    dscale = xp.sum(grad * normalised, axis=parameter_axes) if wants[1] else None
    dshift = xp.sum(grad, axis=parameter_axes) if wants[2] else None
    return dx, dscale, dshift


def _shape(op: str, x: Spec, scale: Spec, shift: Spec) -> Spec:
    require(scale.shape == shift.shape == x.shape[-1:], op, f"scale and shift must be {x.shape[-1:]}")
    return x


def _example(x: Draw, **attrs: int) -> Example:
    """With a scale and a shift for each entry of the last axis."""
    n = x.spec.shape[-1]
    return Example({"x": x, "scale": draw.scale(n), "shift": draw.bias(n)}, {"eps": 1e-5, **attrs})


class _Norm(Op):
    weights = (1, 2)

    def shape(self, x: Spec, scale: Spec, shift: Spec, *, eps: float) -> Spec:
        return _shape(self.name, x, scale, shift)

    def reads(self, wants: Wants) -> Sequence[int]:
        return (1,) if wants[0] else ()


class layer_norm(_Norm):
    """(x - mean) / sqrt(var + eps) * scale + shift over the last axis of x [..., n]; scale, shift [n]."""

    def example(self, sizes: Sizes) -> Example:
        return _example(sizes.sequence)

    def forward(self, xp: Primitives, x: Array, scale: Array, shift: Array, *, eps: float) -> Forward:
        normalised, deviation = _normalise(xp, x, -1, eps)
        return normalised * scale + shift, lambda: (normalised, deviation)

    def backward(
        self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants, *, eps: float
    ) -> Gradients:
        leading = tuple(range(len(grad.shape) - 1))
        return _backward(xp, grad, local, inputs[1], wants, -1, leading)


class batch_norm(_Norm):
    """(x - mean) / sqrt(var + eps) * scale + shift, with mean and var over all axes of x but the last, as in training.

    Running averages are no part of loss or gradient and are not kept.
    """

    bias_position = 2
    mixes_examples = True

    def example(self, sizes: Sizes) -> Example:
        return _example(sizes.images)

    def forward(self, xp: Primitives, x: Array, scale: Array, shift: Array, *, eps: float) -> Forward:
        normalised, deviation = _normalise(xp, x, tuple(range(len(x.shape) - 1)), eps)
        return normalised * scale + shift, lambda: (normalised, deviation)

    def backward(
        self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants, *, eps: float
    ) -> Gradients:
        axes = tuple(range(len(grad.shape) - 1))
        return _backward(xp, grad, local, inputs[1], wants, axes, axes)


class rms_norm(Op):
    """x / sqrt(mean(x²) + eps) * scale over the last axis of x [..., n]; scale [n] (Zhang & Sennrich 2019)."""

    weights = (1,)

    def example(self, sizes: Sizes) -> Example:
        return Example({"x": sizes.sequence, "scale": draw.scale(sizes.width)}, {"eps": 1e-5})

    def shape(self, x: Spec, scale: Spec, *, eps: float) -> Spec:
        require(scale.shape == x.shape[-1:], self.name, f"scale must be {x.shape[-1:]}, got {scale.shape}")
        return x

    def forward(self, xp: Primitives, x: Array, scale: Array, *, eps: float) -> Forward:
        size = xp.rsqrt(xp.mean(x * x, axis=-1, keepdims=True) + eps)
        normalised = x * size
        return normalised * scale, lambda: (normalised, size)

    def backward(
        self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants, *, eps: float
    ) -> Gradients:
        normalised, size = local
        dx = None
        if wants[0]:
            g = grad * inputs[1]
            dx = size * (g - normalised * xp.mean(g * normalised, axis=-1, keepdims=True))
        leading = tuple(range(len(grad.shape) - 1))
        return dx, (xp.sum(grad * normalised, axis=leading) if wants[1] else None)

    def reads(self, wants: Wants) -> Sequence[int]:
        return (1,) if wants[0] else ()


class batch_norm_inference(Op):
    """(x - mean) / sqrt(variance + eps) * scale + shift over the last axis of x [..., n]; all others are [n].

    Mean and variance are given, as training leaves them, and have no gradient: a scalar node for each element.
    """

    weights = (1, 2)

    def example(self, sizes: Sizes) -> Example:
        example = _example(sizes.images)
        statistics = {"mean": draw.running_mean(sizes.channels), "variance": draw.running_variance(sizes.channels)}
        return Example(example.arguments | statistics, example.attrs)

    def shape(self, x: Spec, scale: Spec, shift: Spec, mean: Spec, variance: Spec, *, eps: float) -> Spec:
        fits = scale.shape == shift.shape == mean.shape == variance.shape == x.shape[-1:]
        require(fits, self.name, f"scale, shift, mean and variance must be {x.shape[-1:]}")
        return x

    def forward(
        self, xp: Primitives, x: Array, scale: Array, shift: Array, mean: Array, variance: Array, *, eps: float
    ) -> Forward:
        deviation = xp.rsqrt(variance + eps)
        normalised = (x - mean) * deviation
        return normalised * scale + shift, lambda: (normalised, deviation)

    def backward(
        self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants, *, eps: float
    ) -> Gradients:
        normalised, deviation = local
        leading = tuple(range(len(grad.shape) - 1))
        dx = grad * (inputs[1] * deviation) if wants[0] else None
        dscale = xp.sum(grad * normalised, axis=leading) if wants[1] else None
        dshift = xp.sum(grad, axis=leading) if wants[2] else None
        return dx, dscale, dshift, None, None

    def reads(self, wants: Wants) -> Sequence[int]:
        return (1,) if wants[0] else ()


class group_norm(Op):
    """Normalises an image [N, H, W, C] over height, width and each of `groups` groups of channels (Wu & He 2018)."""

    weights = (1, 2)

    def example(self, sizes: Sizes) -> Example:
        return _example(sizes.images, groups=sizes.groups)

    def shape(self, x: Spec, scale: Spec, shift: Spec, *, groups: int, eps: float) -> Spec:
        require(len(x.shape) == 4, self.name, f"the input must be [batch, height, width, channels], got {x.shape}")
        require(x.shape[3] % groups == 0, self.name, f"{groups} groups do not divide {x.shape[3]} channels")
        return _shape(self.name, x, scale, shift)

    def forward(self, xp: Primitives, x: Array, scale: Array, shift: Array, *, groups: int, eps: float) -> Forward:
        normalised, deviation = _normalise(xp, _grouped(xp, x, groups), (1, 2, 4), eps)
        return xp.reshape(normalised, x.shape) * scale + shift, lambda: (normalised, deviation)

    def backward(
        self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants, *, groups: int, eps: float
    ) -> Gradients:
        x, scale, shift = inputs
        grad, scale = _grouped(xp, grad, groups), xp.reshape(scale, (groups, -1))
        found = _backward(xp, grad, local, scale, wants, (1, 2, 4), (0, 1, 2))
        shapes = x.shape, shift.shape, shift.shape
        return tuple(None if g is None else xp.reshape(g, shape) for g, shape in zip(found, shapes, strict=True))

    def reads(self, wants: Wants) -> Sequence[int]:
        return (1,)


def _grouped(xp: Primitives, x: Array, groups: int) -> Array:
    """[N, H, W, C] as [N, H, W, groups, C / groups]."""
    return xp.reshape(x, (*x.shape[:3], groups, x.shape[3] // groups))
