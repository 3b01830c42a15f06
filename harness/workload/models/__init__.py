"""Models, each written once over the op catalogue. A model is one file here and one YAML in `conf/model/`.

A model is a frozen dataclass whose fields are its sizes, with two methods:

- `batch_arrays()`: the named arrays of one batch, as draws;
- `loss(ops, param, **batch)`: the scalar loss, a pure function over the op namespace `ops` (or outputs, where the
  batch has a `draw.Cotangent` of the shape of each, in order);
  `param(name, draw)` is the parameter of that name, drawn as said the first time it is asked for; a draw without
  a gradient (`draw.running_mean`) becomes an input instead; with `frozen=True`, it is a parameter without one.
  What it computes inside `with ops.block(name)` is one block to checkpointing.

Each model's docstring says where it departs from the published one. None has what a recipe adds around a network when
it trains: weight decay, label smoothing, augmentation. Labels are data of their own, also where a language model's
would be its tokens, shifted by one.

A size that comes to a model later is `newer(default)`, so that its workloads keep their ids.

Raises WorkloadError, by name and value, for sizes that cannot be built.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, Protocol

from .. import own
from ..draw import Draw
from ..spec import WorkloadError
from ..trace import Ops, Param, Value
from ..user_model import UserModel
from .alexnet import AlexNet
from .attention import Attention
from .bert import BERT
from .convnext import ConvNeXt
from .dlrm import DLRM
from .gpt2 import GPT2
from .hobbhahn_2021 import ConvNet, DeeperConvNet, LinearNet, OneNet
from .layers.sizes import is_newer
from .llama import Llama
from .mixer import Mixer
from .mlp import MLP
from .mobilenet import MobileNetV2
from .recurrent import GRU, LSTM
from .resnet import ResNet18, ResNet34, ResNet50
from .single_op import SingleOp
from .unet import UNet
from .vgg import VGG16
from .vit import ViT


class Model(Protocol):
    """A model with its sizes. See the head of this file."""

    def batch_arrays(self) -> dict[str, Draw]: ...

    def loss(self, ops: Ops, param: Param, **batch: Value) -> Value: ...


LARGEST_SIZE = 10**7  # more would fill the memory before anything can be checked

MODELS: dict[str, type] = {
    "mlp": MLP,
    "resnet18": ResNet18,
    "gpt2": GPT2,
    "vit": ViT,
    "bert": BERT,
    "llama": Llama,
    "mixer": Mixer,
    "lstm": LSTM,
    "gru": GRU,
    "dlrm": DLRM,
    "attention": Attention,
    "op": SingleOp,
    "alexnet": AlexNet,
    "vgg16": VGG16,
    "resnet34": ResNet34,
    "resnet50": ResNet50,
    "mobilenet_v2": MobileNetV2,
    "convnext": ConvNeXt,
    "unet": UNet,
    "linear_net": LinearNet,
    "one_net": OneNet,
    "conv_net": ConvNet,
    "deeper_conv_net": DeeperConvNet,
}


def build(name: str, sizes: Mapping[str, Any]) -> Model:
    """The model of that name with those sizes.

    Raises WorkloadError for an unknown name or size, for a value of the wrong type, and for a whole
    number below 1.
    """
    if name == own.NAME:
        return UserModel.of(sizes)
    if name not in MODELS:
        raise WorkloadError(f"model.name={name!r} is not a model; models are {', '.join(sorted(MODELS))}")
    fields = typing.get_type_hints(MODELS[name])
    for key, value in sizes.items():
        if key not in fields:
            raise WorkloadError(f"model.{key}: {name} has no such size; it has {', '.join(fields)}")
        if fields[key] is float and type(value) is int:
            continue
        if not ((_fits(value, fields[key]) and type(value) is not bool) or fields[key] is bool is type(value)):
            expected = getattr(fields[key], "__name__", str(fields[key]))
            raise WorkloadError(f"model.{key}={value!r}: {name} needs {expected} here")
        if type(value) is int and value < 1:
            raise WorkloadError(f"model.{key}={value}: must be at least 1")
        if type(value) is int and value > LARGEST_SIZE:
            raise WorkloadError(f"model.{key}={value}: must be at most {LARGEST_SIZE}")
    return typing.cast(Model, MODELS[name](**sizes))


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value is of a field's type, as far as containers go; what is in those is the model's to check."""
    kinds = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    return any(isinstance(value, typing.get_origin(one) or one) for one in kinds)


def sizes(model: Model) -> dict[str, Any]:
    """The sizes of a model, by field name; of those that came later (`newer`), only what was chosen."""
    if isinstance(model, UserModel):
        return model.sizes
    chosen = dataclasses.asdict(typing.cast(Any, model))
    fields = dataclasses.fields(typing.cast(Any, model))
    return {f.name: chosen[f.name] for f in fields if not (is_newer(f) and chosen[f.name] == f.default)}
