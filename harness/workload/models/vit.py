"""Vision transformer (Dosovitskiy et al. 2020): an image as a sequence of patches."""

from __future__ import annotations

from dataclasses import dataclass

from .. import draw
from ..draw import Draw
from ..spec import WorkloadError
from ..trace import Ops, Param, Value
from .layers.transformer import STD, check_heads, dense, norm, pre_norm_block

EPS = 1e-6


@dataclass(frozen=True)
class ViT:
    """A classifier by a class token; base/16 has 86,567,656 parameters, tiny/16 (192 wide, 3 heads) 5,717,416.

    The dropout after the positions and after linear layers, with which the published model may be trained, is left
    out. The head is one linear layer, as in fine-tuning. The gelu is exact, as in timm and `transformers`; the
    authors' code takes the tanh approximation.
    """

    batch: int = 8
    image: int = 224
    patch: int = 16
    layers: int = 12
    width: int = 768
    heads: int = 12
    classes: int = 1000

    def __post_init__(self) -> None:
        check_heads("vit", self.heads, self.width)
        if self.image % self.patch:
            raise WorkloadError(f"vit: model.patch={self.patch} does not divide model.image={self.image}")

    def batch_arrays(self) -> dict[str, Draw]:
        return {
            "x": draw.normal(self.batch, self.image, self.image, 3),
            "labels": draw.integers(self.batch, high=self.classes),
        }

    def loss(self, ops: Ops, param: Param, x: Value, labels: Value) -> Value:
        x = patches(ops, param, x, self.patch, self.width)
        x = ops.class_token(x, param("class_token", draw.normal(self.width, std=STD)))
        x = ops.add(x, param("position_table", draw.normal(x.shape[1], self.width, std=STD)))
        for i in range(1, self.layers + 1):
            with ops.block(f"block{i}"):
                x = pre_norm_block(ops, param, f"block{i}", x, self.heads, causal=False, eps=EPS, approximate=False)
        x = ops.first_token(norm(ops, param, "final", x, EPS))
        return ops.cross_entropy(dense(ops, param, "head", x, self.classes), labels)


def patches(ops: Ops, param: Param, x: Value, size: int, width: int) -> Value:
    """An image [batch, height, width, 3] as tokens, one for each patch."""
    weight = param("patch.w", draw.lecun(size, size, x.shape[-1], width))
    return ops.image_tokens(ops.conv2d(x, weight, param("patch.b", draw.bias(width)), stride=size))
