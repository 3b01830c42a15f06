"""What models of images have in common: a batch, convolutions, and a classifier's end."""

from __future__ import annotations

from ... import draw
from ...draw import Draw
from ...spec import WorkloadError
from ...trace import Ops, Param, Value

EPS = 1e-5

# The last norm of a residual branch starts small, as in training (at zero there: Goyal et al. 2017). Around one, the
# sum of branches grows from block to block, and a ResNet-50 loses four digits in its norms.
BRANCH = 0.25


def labelled_images(batch: int, image: int, classes: int) -> dict[str, Draw]:
    """Square images of three channels, with a label each."""
    return {"x": draw.normal(batch, image, image, 3), "labels": draw.integers(batch, high=classes)}


def require_image(model: str, image: int, least: int) -> None:
    """Raise WorkloadError for an image that would shrink to nothing before the network's end."""
    if image < least:
        raise WorkloadError(f"{model}: model.image={image} is too small for its strides; it must be at least {least}")


def conv(
    ops: Ops,
    param: Param,
    name: str,
    x: Value,
    channels: int,
    kernel: int,
    stride: int = 1,
    padding: int | None = None,
    groups: int = 1,
) -> Value:
    """Convolution with bias, padded to keep the size at stride 1 unless told otherwise."""
    weight = param(f"{name}.w", draw.he(kernel, kernel, x.shape[-1] // groups, channels))
    padding = kernel // 2 if padding is None else padding
    return ops.conv2d(x, weight, param(f"{name}.b", draw.bias(channels)), stride=stride, padding=padding, groups=groups)


def conv_norm(
    ops: Ops,
    param: Param,
    name: str,
    x: Value,
    channels: int,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    scale: float = 1.0,
    batch_norm: str = "training",
) -> Value:
    """Convolution without bias, padded to keep the size at stride 1, then batch norm with scales around `scale`.

    In inference mode, the running statistics are given, as data that has no gradient.
    """
    weight = param(f"{name}.conv", draw.he(kernel, kernel, x.shape[-1] // groups, channels))
    x = ops.conv2d(x, weight, stride=stride, padding=kernel // 2, groups=groups)
    scales, shifts = param(f"{name}.scale", draw.scale(channels, scale)), param(f"{name}.shift", draw.bias(channels))
    if batch_norm == "training":
        return ops.batch_norm(x, scales, shifts, eps=EPS)
    mean, variance = draw.running_mean(channels), draw.running_variance(channels)
    given = param(f"{name}.mean", mean), param(f"{name}.variance", variance)
    return ops.batch_norm_inference(x, scales, shifts, *given, eps=EPS)


def dense(ops: Ops, param: Param, name: str, x: Value, width: int) -> Value:
    """Linear layer with bias, before a rectifier."""
    weight = param(f"{name}.w", draw.he(x.shape[-1], width))
    return ops.linear(x, weight, param(f"{name}.b", draw.bias(width)))


def classify(ops: Ops, param: Param, x: Value, labels: Value, classes: int) -> Value:
    """The head: one linear layer from features [batch, n] to classes, and cross-entropy."""
    weight = param("head.w", draw.lecun(x.shape[-1], classes))
    return ops.cross_entropy(ops.linear(x, weight, param("head.b", draw.bias(classes))), labels)
