"""The four networks of the published study of FLOP ratios (Hobbhahn & Sevilla 2021, appendix A), without biases.

Two are all linear layers: in LinearNet the first has nearly all of the work, in OneNet next to none. Two are
convolutions: DeeperConvNet puts many between those of ConvNet, all with one weight, as the study's code has them.
The study does not say how its convolutions are padded; here they keep the size at stride 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import draw
from ..draw import Draw
from ..trace import Ops, Param, Value
from .layers.images import labelled_images


@dataclass(frozen=True)
class LinearNet:
    """inputs - 4096 - 128 - classes, with a rectifier between each two; the published inputs are 224 x 224 x 3."""

    batch: int = 64
    inputs: int = 224 * 224 * 3
    classes: int = 10

    def batch_arrays(self) -> dict[str, Draw]:
        return {"x": draw.normal(self.batch, self.inputs), "labels": draw.integers(self.batch, high=self.classes)}

    def loss(self, ops: Ops, param: Param, x: Value, labels: Value) -> Value:
        for name, width in (("w1", 4096), ("w2", 128)):
            x = ops.relu(ops.linear(x, param(name, draw.he(x.shape[-1], width))))
        return ops.cross_entropy(ops.linear(x, param("w3", draw.lecun(128, self.classes))), labels)


@dataclass(frozen=True)
class OneNet(LinearNet):
    """LinearNet with a single input."""

    inputs: int = 1


@dataclass(frozen=True)
class ConvNet:
    """Two 7x7 convolutions of stride 2 with a pool between them, the mean over the image, and one linear layer."""

    batch: int = 64
    image: int = 224
    classes: int = 10

    def batch_arrays(self) -> dict[str, Draw]:
        return labelled_images(self.batch, self.image, self.classes)

    def loss(self, ops: Ops, param: Param, x: Value, labels: Value) -> Value:
        x = self.between(ops, param, conv(ops, param, "conv1", x, 32, kernel=7, stride=2))
        x = ops.global_avg_pool(conv(ops, param, "conv2", x, 64, kernel=7, stride=2))
        return ops.cross_entropy(ops.linear(x, param("head", draw.lecun(64, self.classes))), labels)

    def between(self, ops: Ops, param: Param, x: Value) -> Value:
        return ops.max_pool(x, size=3, stride=2, padding=1)


@dataclass(frozen=True)
class DeeperConvNet(ConvNet):
    """ConvNet with `depth` times a 3x3 convolution and a rectifier in place of the pool."""

    depth: int = 100

    def between(self, ops: Ops, param: Param, x: Value) -> Value:
        for _ in range(self.depth):
            x = ops.relu(conv(ops, param, "between", x, 32, kernel=3))
        return x


def conv(ops: Ops, param: Param, name: str, x: Value, channels: int, kernel: int, stride: int = 1) -> Value:
    """Convolution without bias, padded to keep the size at stride 1."""
    weight = param(name, draw.he(kernel, kernel, x.shape[-1], channels))
    return ops.conv2d(x, weight, stride=stride, padding=kernel // 2)
