"""ConvNeXt (Liu et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass

from .. import draw
from ..draw import Draw
from ..trace import Ops, Param, Value
from .layers.images import classify, conv, dense, labelled_images, require_image

EPS = 1e-6


@dataclass(frozen=True)
class ConvNeXt:
    """Four stages of 1, 1, 3 and 1 times `blocks` blocks, `width` to 8 `width` channels.

    The published tiny size (3 blocks, 96 wide) has 28,589,128 parameters with 1000 classes. The stochastic depth that
    the published model trains with is off, and layer scales are around one, where training starts them at 1e-6.
    """

    batch: int = 32
    image: int = 224
    classes: int = 1000
    blocks: int = 3
    width: int = 96

    def __post_init__(self) -> None:
        require_image("convnext", self.image, 32)

    def batch_arrays(self) -> dict[str, Draw]:
        return labelled_images(self.batch, self.image, self.classes)

    def loss(self, ops: Ops, param: Param, x: Value, labels: Value) -> Value:
        for stage, blocks in enumerate((self.blocks, self.blocks, 3 * self.blocks, self.blocks), start=1):
            if stage == 1:
                x = norm(ops, param, "stem.norm", conv(ops, param, "stem", x, self.width, 4, stride=4, padding=0))
            else:
                x = norm(ops, param, f"down{stage}.norm", x)
                x = conv(ops, param, f"down{stage}", x, 2 * x.shape[-1], kernel=2, stride=2, padding=0)
            for block in range(1, blocks + 1):
                name = f"stage{stage}.block{block}"
                with ops.block(name):
                    x = convnext_block(ops, param, name, x)
        return classify(ops, param, norm(ops, param, "final.norm", ops.global_avg_pool(x)), labels, self.classes)


def convnext_block(ops: Ops, param: Param, name: str, x: Value) -> Value:
    """A depthwise 7x7 convolution, then a perceptron with layer scale, beside the input."""
    width = x.shape[-1]
    h = norm(ops, param, f"{name}.norm", conv(ops, param, f"{name}.depthwise", x, width, kernel=7, groups=width))
    h = ops.gelu(dense(ops, param, f"{name}.expand", h, 4 * width), approximate=False)
    h = dense(ops, param, f"{name}.contract", h, width)
    return ops.add(x, ops.multiply(h, param(f"{name}.layer_scale", draw.scale(width))))


def norm(ops: Ops, param: Param, name: str, x: Value) -> Value:
    """Layer norm over the channels."""
    n = x.shape[-1]
    return ops.layer_norm(x, param(f"{name}.scale", draw.scale(n)), param(f"{name}.shift", draw.bias(n)), eps=EPS)
