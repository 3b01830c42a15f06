"""ResNet (He et al. 2016), with batch norm in training or inference mode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..draw import Draw
from ..spec import WorkloadError
from ..trace import Ops, Param, Value
from .layers import images
from .layers.images import BRANCH, classify, labelled_images


@dataclass(frozen=True)
class ResNet18:
    """Four stages of two basic blocks, 64 to 512 channels; 11,689,512 parameters with 1000 classes.

    `batch_norm` is training (the batch's own statistics) or inference (running ones, which are given). In training, the
    published model also updates its running statistics; here that is left out. A shortcut of another shape is a 1x1
    convolution, as in torchvision; of the paper's choices that is B.
    """

    batch: int = 32
    image: int = 224
    classes: int = 1000
    batch_norm: str = "training"

    blocks = (2, 2, 2, 2)

    def __post_init__(self) -> None:
        if self.batch_norm not in ("training", "inference"):
            raise WorkloadError(f"model.batch_norm={self.batch_norm}: must be training or inference")

    def batch_arrays(self) -> dict[str, Draw]:
        return labelled_images(self.batch, self.image, self.classes)

    def loss(self, ops: Ops, param: Param, x: Value, labels: Value) -> Value:
        x = ops.relu(self.conv_norm(ops, param, "stem", x, channels=64, kernel=7, stride=2))
        x = ops.max_pool(x, size=3, stride=2, padding=1)
        for stage, blocks in enumerate(self.blocks, start=1):
            for block in range(1, blocks + 1):
                stride = 2 if stage > 1 and block == 1 else 1
                name = f"stage{stage}.block{block}"
                with ops.block(name):
                    x = self.block(ops, param, name, x, 32 * 2**stage, stride)
        return classify(ops, param, ops.global_avg_pool(x), labels, self.classes)

    def block(self, ops: Ops, param: Param, name: str, x: Value, channels: int, stride: int) -> Value:
        """Two 3x3 convolutions beside a shortcut."""
        h = ops.relu(self.conv_norm(ops, param, f"{name}.a", x, channels, kernel=3, stride=stride))
        h = self.conv_norm(ops, param, f"{name}.b", h, channels, kernel=3, scale=BRANCH)
        return ops.relu(ops.add(h, self.shortcut(ops, param, name, x, channels, stride)))

    def shortcut(self, ops: Ops, param: Param, name: str, x: Value, channels: int, stride: int) -> Value:
        """The block's input as it is, or through a 1x1 convolution where the shape changes."""
        if stride == 1 and x.shape[-1] == channels:
            return x
        return self.conv_norm(ops, param, f"{name}.shortcut", x, channels, kernel=1, stride=stride)

    def conv_norm(
        self, ops: Ops, param: Param, name: str, x: Value, channels: int, kernel: int, **options: Any
    ) -> Value:
        """A convolution with its norm, in the mode that was asked for."""
        return images.conv_norm(ops, param, name, x, channels, kernel, **options, batch_norm=self.batch_norm)


@dataclass(frozen=True)
class ResNet34(ResNet18):
    """ResNet-18 with 3, 4, 6 and 3 blocks in its stages; 21,797,672 parameters with 1000 classes."""

    blocks = (3, 4, 6, 3)


@dataclass(frozen=True)
class ResNet50(ResNet34):
    """ResNet-34 with a bottleneck as each block, four times as wide outside; 25,557,032 parameters with 1000 classes.

    Where a block halves the image, its 3x3 convolution does, as in torchvision ("v1.5"). In the paper and in Keras it
    is the 1x1 convolution before (`stride_in_1x1`), with fewer FLOPs and as many parameters.
    """

    stride_in_1x1: bool = False

    def block(self, ops: Ops, param: Param, name: str, x: Value, channels: int, stride: int) -> Value:
        """A 3x3 convolution between two of 1x1, beside a shortcut."""
        first, second = (stride, 1) if self.stride_in_1x1 else (1, stride)
        h = ops.relu(self.conv_norm(ops, param, f"{name}.a", x, channels, kernel=1, stride=first))
        h = ops.relu(self.conv_norm(ops, param, f"{name}.b", h, channels, kernel=3, stride=second))
        h = self.conv_norm(ops, param, f"{name}.c", h, 4 * channels, kernel=1, scale=BRANCH)
        return ops.relu(ops.add(h, self.shortcut(ops, param, name, x, 4 * channels, stride)))
