"""The catalogue's models at sizes that take no time, and networks that lead an adapter into a trap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.workload import draw
from harness.workload.draw import Draw
from harness.workload.models import ResNet18, build
from harness.workload.ops import CATALOGUE


class ShortResNet(ResNet18):
    """ResNet-18 with one block in each stage: the first is plain, three have a convolution in their shortcut."""

    blocks = (1, 1, 1, 1)


@dataclass(frozen=True)
class EveryImageOp:
    """Every op that touches the channels of an image: an adapter may store them first or last."""

    def batch_arrays(self) -> dict[str, Draw]:
        return {"x": draw.normal(2, 6, 6, 4), "labels": draw.integers(2, high=3)}

    def loss(self, ops: Any, param: Any, x: Any, labels: Any) -> Any:
        h = ops.conv2d(x, param("conv", draw.he(3, 3, 2, 8)), param("b", draw.bias(8)), padding=1, groups=2)
        a, b = ops.split(h, parts=2)
        h = ops.add(ops.add(ops.relu(a), b), param("channel", draw.bias(4)))
        h = ops.add(h, param("pixel", draw.normal(6, 6, 4)))
        h = ops.layer_norm(h, param("scale", draw.scale(4)), param("shift", draw.bias(4)), eps=1e-5)
        h = ops.linear(h, param("w", draw.he(4, 5)), param("wb", draw.bias(5)))
        h = ops.batch_norm(h, param("scale2", draw.scale(5)), param("shift2", draw.bias(5)), eps=1e-5)
        h = ops.tied_linear(ops.max_pool(h, size=3, stride=2, padding=1), param("table", draw.he(3, 5)))
        return ops.cross_entropy(ops.global_avg_pool(h), labels)


@dataclass(frozen=True)
class LabelledPixels:
    """An image of embeddings, with a label for each pixel."""

    def batch_arrays(self) -> dict[str, Draw]:
        return {"ids": draw.integers(2, 3, 4, high=5), "labels": draw.integers(2, 3, 4, high=6)}

    def loss(self, ops: Any, param: Any, ids: Any, labels: Any) -> Any:
        h = ops.embedding(param("table", draw.normal(5, 4)), ids)
        return ops.cross_entropy(ops.conv2d(h, param("conv", draw.he(1, 1, 4, 6))), labels)


@dataclass(frozen=True)
class NegativeImages:
    """Negative images of even size: a pool that pads with zeros, or a stride from the other end, is found out."""

    groups: int = 1

    def batch_arrays(self) -> dict[str, Draw]:
        return {"x": draw.Normal((2, 8, 8, 4), mean=-5.0), "labels": draw.integers(2, high=6)}

    def loss(self, ops: Any, param: Any, x: Any, labels: Any) -> Any:
        x = ops.max_pool(x, size=3, stride=1, padding=1)
        h = ops.conv2d(x, param("w", draw.he(3, 3, 4 // self.groups, 8)), stride=2, padding=1, groups=self.groups)
        h = ops.batch_norm(h, param("scale", draw.scale(8)), param("shift", draw.bias(8)), eps=1e-5)
        h = ops.global_avg_pool(ops.relu(h))
        return ops.cross_entropy(ops.linear(h, param("v", draw.lecun(8, 6)), param("b", draw.bias(6))), labels)


LAYERS = 3  # of the MLP
_TEXT = {"batch": 2, "tokens": 8, "layers": 1, "width": 16, "heads": 2, "vocabulary": 50, "context": 8}
_HEADS = {"heads": 4, "kv_heads": 2, "hidden": 24}
_LLAMA = _HEADS | {"batch": 2, "tokens": 6, "layers": 1, "width": 16, "vocabulary": 30}
_RECURRENT = {"batch": 3, "tokens": 4, "layers": 1, "width": 8, "vocabulary": 11}
_PATCHES = {"batch": 2, "image": 16, "patch": 8, "layers": 1, "classes": 5}
_IMAGES = {"batch": 2, "image": 32, "classes": 10}

_SIZES: dict[str, tuple[str, dict[str, Any]]] = {
    "mlp": ("mlp", {"batch": 4, "depth": LAYERS, "width": 16}),
    "one layer": ("mlp", {"batch": 4, "depth": 1, "width": 16}),
    "gpt2": ("gpt2", _TEXT),
    "mlp, lora": ("mlp", {"batch": 4, "depth": LAYERS, "width": 16, "lora": 2}),
    "gpt2, lora": ("gpt2", _TEXT | {"lora": 2}),
    "llama, lora": ("llama", _LLAMA | {"lora": 2}),
    "bert": ("bert", _TEXT | {"batch": 3, "tokens": 6, "vocabulary": 30, "dropout": 0.2}),
    "llama": ("llama", _LLAMA),
    "vit": ("vit", _PATCHES | {"width": 16, "heads": 2}),
    "mixer": ("mixer", _PATCHES | {"width": 12, "token_hidden": 8, "channel_hidden": 20}),
    "lstm": ("lstm", _RECURRENT),
    "gru": ("gru", _RECURRENT),
    "two lstms": ("lstm", _RECURRENT | {"layers": 2}),
    "two lstms, unrolled": ("lstm", _RECURRENT | {"layers": 2, "loop": "unrolled"}),
    "two grus": ("gru", _RECURRENT | {"layers": 2}),
    "two grus, unrolled": ("gru", _RECURRENT | {"layers": 2, "loop": "unrolled"}),
    "dlrm": ("dlrm", {"batch": 6, "tables": 3, "entries": 7, "width": 4, "hidden": 8}),
    "attention": ("attention", {"batch": 2, "tokens": 6, "width": 16, "heads": 4, "kv_heads": 2}),
    # On an image of 33 one rectifier stands so near zero that rounding decides, and gradients jump by 2 %.
    "resnet18": ("resnet18", _IMAGES | {"image": 64}),
    "resnet50": ("resnet50", {"batch": 4, "image": 64, "classes": 10}),
    "mobilenet_v2": ("mobilenet_v2", {"batch": 4, "image": 64, "classes": 10}),
    "alexnet": ("alexnet", _IMAGES | {"image": 63, "hidden": 32}),
    "vgg16": ("vgg16", _IMAGES | {"hidden": 32}),
    "convnext": ("convnext", _IMAGES | {"image": 64, "blocks": 1, "width": 8}),
    "unet": ("unet", {"batch": 1, "image": 32, "width": 4}),
    "linear_net": ("linear_net", {"batch": 4, "inputs": 12}),
    "one_net": ("one_net", {"batch": 4}),
    "conv_net": ("conv_net", {"batch": 2, "image": 32}),
    "deeper_conv_net": ("deeper_conv_net", {"batch": 2, "image": 32, "depth": 3}),
    "an oblong conv2d": (
        "op",
        {"op": "conv2d", "shapes": [[2, 9, 6, 3], [4, 2, 3, 5]], "attrs": {"stride": 2, "padding": 1}},
    ),
}

_ONE_OP = {"batch": 3, "tokens": 4, "width": 8, "heads": 2, "image": 8, "channels": 4, "groups": 2, "entries": 9}
OPS_ALONE = tuple(f"only {op}" for op in CATALOGUE)
LOSSES_ALONE = ("only mse", "only cross_entropy")

_TRAPS: dict[str, Any] = {  # as in `trace`: no model's `loss` has the protocol's `**batch`
    "every image op": EveryImageOp(),
    "labelled pixels": LabelledPixels(),
    "negative images": NegativeImages(),
    "negative images, 2 groups": NegativeImages(groups=2),
    "negative images, 4 groups": NegativeImages(groups=4),
}


def small_model(name: str) -> Any:
    """The model of that name; `only <op>` is the op alone."""
    if name.startswith("only "):
        return build("op", _ONE_OP | {"op": name.removeprefix("only ")})
    return _TRAPS[name] if name in _TRAPS else build(*_SIZES[name])
