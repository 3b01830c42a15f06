"""MobileNetV2 (Sandler et al. 2018), with batch norm in training mode."""

from __future__ import annotations

from dataclasses import dataclass

from ..draw import Draw
from ..trace import Ops, Param, Value
from .layers.images import BRANCH, classify, conv_norm, labelled_images

# Expansion, channels, how many blocks, and the stride of the first (the paper's table 2).
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


@dataclass(frozen=True)
class MobileNetV2:
    """Seventeen inverted residual blocks of depthwise convolutions; 3,504,872 parameters with 1000 classes.

    The dropout before the classifier is left out, and running statistics are not updated. Padding is symmetric and the
    epsilon of norms 1e-5, as in torchvision; the authors' code pads as TensorFlow does and has 1e-3.
    """

    batch: int = 32
    image: int = 224
    classes: int = 1000

    def batch_arrays(self) -> dict[str, Draw]:
        return labelled_images(self.batch, self.image, self.classes)

    def loss(self, ops: Ops, param: Param, x: Value, labels: Value) -> Value:
        x = ops.relu6(conv_norm(ops, param, "stem", x, 32, kernel=3, stride=2))
        number = 0
        for expansion, channels, blocks, first_stride in STAGES:
            for block in range(blocks):
                number += 1
                stride = first_stride if block == 0 else 1
                with ops.block(f"block{number}"):
                    x = inverted_residual(ops, param, f"block{number}", x, channels, expansion, stride)
        x = ops.relu6(conv_norm(ops, param, "last", x, 1280, kernel=1))
        return classify(ops, param, ops.global_avg_pool(x), labels, self.classes)


def inverted_residual(ops: Ops, param: Param, name: str, x: Value, channels: int, expansion: int, stride: int) -> Value:
    """Expand, convolve each channel, project without an activation; beside it the input, where the shape is kept."""
    width = expansion * x.shape[-1]
    h = x if expansion == 1 else ops.relu6(conv_norm(ops, param, f"{name}.expand", x, width, kernel=1))
    h = ops.relu6(conv_norm(ops, param, f"{name}.depthwise", h, width, kernel=3, stride=stride, groups=width))
    residual = stride == 1 and x.shape[-1] == channels
    h = conv_norm(ops, param, f"{name}.project", h, channels, kernel=1, scale=BRANCH if residual else 1.0)
    return ops.add(h, x) if residual else h
