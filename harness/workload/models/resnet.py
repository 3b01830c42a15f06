"""ResNet (He et al. 2016), with batch norm in training or inference mode."""

from __future__ import annotations

from dataclasses import dataclass

from .. import draw
from ..ops import WorkloadError

EPS = 1e-5


@dataclass(frozen=True)
class ResNet18:
    """Four stages of two basic blocks, 64 to 512 channels; 11,689,512 parameters with 1000 classes.

    `batch_norm` is training (the batch's own statistics) or inference (running ones, which are given).
    """

    batch: int = 32
    image: int = 224
    classes: int = 1000
    batch_norm: str = "training"

    def __post_init__(self):
        if self.batch_norm not in ("training", "inference"):
            raise WorkloadError(f"resnet18: model.batch_norm={self.batch_norm}: must be training or inference")

    def batch_arrays(self):
        return {
            "x": draw.normal(self.batch, self.image, self.image, 3),
            "labels": draw.integers(self.batch, high=self.classes),
        }

    def loss(self, ops, param, x, labels):
        x = ops.relu(self.conv_norm(ops, param, "stem", x, channels=64, kernel=7, stride=2))
        x = ops.max_pool(x, size=3, stride=2, padding=1)
        for stage, channels in enumerate((64, 128, 256, 512), start=1):
            for block in range(1, 3):
                stride = 2 if stage > 1 and block == 1 else 1
                name = f"stage{stage}.block{block}"
                with ops.block(name):
                    x = self.basic_block(ops, param, name, x, channels, stride)
        x = ops.global_avg_pool(x)
        weight = param("head.w", draw.lecun(x.shape[-1], self.classes))
        return ops.cross_entropy(ops.linear(x, weight, param("head.b", draw.bias(self.classes))), labels)

    def conv_norm(self, ops, param, name, x, channels, kernel, stride=1):
        """Convolution without bias, padded to keep the size at stride 1, then batch norm."""
        weight = param(f"{name}.conv", draw.he(kernel, kernel, x.shape[-1], channels))
        x = ops.conv2d(x, weight, stride=stride, padding=kernel // 2)
        trained = param(f"{name}.scale", draw.scale(channels)), param(f"{name}.shift", draw.bias(channels))
        if self.batch_norm == "training":
            return ops.batch_norm(x, *trained, eps=EPS)
        mean = param(f"{name}.mean", draw.running_mean(channels))
        return ops.batch_norm_inference(
            x, *trained, mean, param(f"{name}.variance", draw.running_variance(channels)), eps=EPS
        )

    def basic_block(self, ops, param, name, x, channels, stride):
        """Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where the shape changes."""
        h = ops.relu(self.conv_norm(ops, param, f"{name}.a", x, channels, kernel=3, stride=stride))
        h = self.conv_norm(ops, param, f"{name}.b", h, channels, kernel=3)
        if stride != 1 or x.shape[-1] != channels:
            x = self.conv_norm(ops, param, f"{name}.shortcut", x, channels, kernel=1, stride=stride)
        return ops.relu(ops.add(h, x))
