"""AlexNet (Krizhevsky 2014), the one-column network of torchvision, with dropout off."""

from __future__ import annotations

from dataclasses import dataclass

from ..draw import Draw
from ..trace import Ops, Param, Value
from .layers.images import classify, conv, dense, labelled_images, require_image


@dataclass(frozen=True)
class AlexNet:
    """Five convolutions and three linear layers; 61,100,840 parameters with 1000 classes at an image of 224.

    `hidden` is the width of the linear layers. The first of them has as many inputs as the last image has elements:
    torchvision brings it to 6x6 first, which changes nothing at 224. The dropout before both hidden layers is left
    out. The network of 2012 also had local response normalisation, and convolutions in two groups.
    """

    batch: int = 128
    image: int = 224
    classes: int = 1000
    hidden: int = 4096

    def __post_init__(self) -> None:
        require_image("alexnet", self.image, 63)

    def batch_arrays(self) -> dict[str, Draw]:
        return labelled_images(self.batch, self.image, self.classes)

    def loss(self, ops: Ops, param: Param, x: Value, labels: Value) -> Value:
        x = ops.relu(conv(ops, param, "conv1", x, 64, kernel=11, stride=4, padding=2))
        x = ops.max_pool(x, size=3, stride=2)
        x = ops.relu(conv(ops, param, "conv2", x, 192, kernel=5))
        x = ops.max_pool(x, size=3, stride=2)
        for i, channels in enumerate((384, 256, 256), start=3):
            x = ops.relu(conv(ops, param, f"conv{i}", x, channels, kernel=3))
        x = ops.flatten(ops.max_pool(x, size=3, stride=2))
        for name in ("hidden1", "hidden2"):
            x = ops.relu(dense(ops, param, name, x, self.hidden))
        return classify(ops, param, x, labels, self.classes)
