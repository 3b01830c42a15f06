"""MLP-Mixer (Tolstikhin et al. 2021): perceptrons across tokens and across channels, in turn."""

from __future__ import annotations

from dataclasses import dataclass

from .. import draw
from ..draw import Draw
from ..spec import WorkloadError
from ..trace import Ops, Param, Value
from .layers.transformer import dense, norm
from .vit import patches

EPS = 1e-6


@dataclass(frozen=True)
class Mixer:
    """A classifier; B/16 has 59,880,472 parameters.

    The gelu is the tanh approximation, as in the authors' code; that of timm is exact. Dropout and stochastic depth,
    with which the published model may be trained, are left out.
    """

    batch: int = 8
    image: int = 224
    patch: int = 16
    layers: int = 12
    width: int = 768
    token_hidden: int = 384
    channel_hidden: int = 3072
    classes: int = 1000

    def __post_init__(self) -> None:
        if self.image % self.patch:
            raise WorkloadError(f"mixer: model.patch={self.patch} does not divide model.image={self.image}")

    def batch_arrays(self) -> dict[str, Draw]:
        return {
            "x": draw.normal(self.batch, self.image, self.image, 3),
            "labels": draw.integers(self.batch, high=self.classes),
        }

    def loss(self, ops: Ops, param: Param, x: Value, labels: Value) -> Value:
        x = patches(ops, param, x, self.patch, self.width)
        for name in (f"block{i}" for i in range(1, self.layers + 1)):
            with ops.block(name):
                h = ops.transpose_tokens(norm(ops, param, f"{name}.norm1", x, EPS))
                h = perceptron(ops, param, f"{name}.tokens", h, self.token_hidden)
                x = ops.add(x, ops.transpose_tokens(h))
                h = norm(ops, param, f"{name}.norm2", x, EPS)
                x = ops.add(x, perceptron(ops, param, f"{name}.channels", h, self.channel_hidden))
        x = ops.mean_tokens(norm(ops, param, "final", x, EPS))
        return ops.cross_entropy(dense(ops, param, "head", x, self.classes), labels)


def perceptron(ops: Ops, param: Param, name: str, x: Value, hidden: int) -> Value:
    """Two linear layers with a gelu between, back to the width of x."""
    h = ops.gelu(dense(ops, param, f"{name}.expand", x, hidden))
    return dense(ops, param, f"{name}.contract", h, x.shape[-1])
