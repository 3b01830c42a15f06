"""U-Net (Ronneberger et al. 2015), with padded convolutions, so that nothing is cropped."""

from __future__ import annotations

from dataclasses import dataclass

from .. import draw
from ..draw import Draw
from ..spec import WorkloadError
from ..trace import Ops, Param, Value
from .layers.images import conv


@dataclass(frozen=True)
class UNet:
    """Four times down and up again, `width` to 16 `width` channels; from one channel to a class for each pixel.

    The published width of 64 with two classes has 31,030,658 parameters. An up-convolution is a transposed
    convolution of 2x2 at stride 2. The published network has dropout at the end of the way down, and weighs each pixel
    in the loss; here there is no dropout, and all pixels count alike.
    """

    batch: int = 1
    image: int = 512
    classes: int = 2
    width: int = 64

    def __post_init__(self) -> None:
        if self.image % 16:
            raise WorkloadError(f"unet: model.image={self.image} is halved four times; it must be a multiple of 16")

    def batch_arrays(self) -> dict[str, Draw]:
        return {
            "x": draw.normal(self.batch, self.image, self.image, 1),
            "labels": draw.integers(self.batch, self.image, self.image, high=self.classes),
        }

    def loss(self, ops: Ops, param: Param, x: Value, labels: Value) -> Value:
        skips = []
        for level in range(1, 5):
            skips.append(double_conv(ops, param, f"down{level}", x, self.width * 2 ** (level - 1)))
            x = ops.max_pool(skips[-1], size=2, stride=2)
        x = double_conv(ops, param, "bottom", x, 16 * self.width)
        for level in range(4, 0, -1):
            channels = self.width * 2 ** (level - 1)
            weight = param(f"up{level}.w", draw.normal(2, 2, channels, 2 * channels, std=(2 * channels) ** -0.5))
            x = ops.conv_transpose2d(x, weight, param(f"up{level}.b", draw.bias(channels)), stride=2)
            x = double_conv(ops, param, f"up{level}", ops.concatenate(skips.pop(), x, axis=3), channels)
        return ops.cross_entropy(conv(ops, param, "head", x, self.classes, kernel=1), labels)


def double_conv(ops: Ops, param: Param, name: str, x: Value, channels: int) -> Value:
    """Twice a 3x3 convolution and a rectifier."""
    for layer in ("a", "b"):
        x = ops.relu(conv(ops, param, f"{name}.{layer}", x, channels, kernel=3))
    return x
