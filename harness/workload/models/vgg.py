"""VGG (Simonyan & Zisserman 2015), without batch norm."""

from __future__ import annotations

from dataclasses import dataclass

from ..draw import Draw
from ..trace import Ops, Param, Value
from .layers.images import classify, conv, dense, labelled_images, require_image


@dataclass(frozen=True)
class VGG16:
    """Thirteen 3x3 convolutions and three linear layers; 138,357,544 parameters with 1000 classes at an image of 224.

    `hidden` is the width of the linear layers. The first of them has as many inputs as the last image has elements.
    The dropout after both hidden layers, with which the published network trains, is left out.
    """

    batch: int = 32
    image: int = 224
    classes: int = 1000
    hidden: int = 4096

    def __post_init__(self) -> None:
        require_image("vgg16", self.image, 32)

    def batch_arrays(self) -> dict[str, Draw]:
        return labelled_images(self.batch, self.image, self.classes)

    def loss(self, ops: Ops, param: Param, x: Value, labels: Value) -> Value:
        for stage, (layers, channels) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)), start=1):
            for layer in range(1, layers + 1):
                x = ops.relu(conv(ops, param, f"stage{stage}.conv{layer}", x, channels, kernel=3))
            x = ops.max_pool(x, size=2, stride=2)
        x = ops.flatten(x)
        for name in ("hidden1", "hidden2"):
            x = ops.relu(dense(ops, param, name, x, self.hidden))
        return classify(ops, param, x, labels, self.classes)
