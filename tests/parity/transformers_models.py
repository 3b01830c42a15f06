"""The models that `transformers` has, with weights of its own: the same sizes, and as many parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch.nn.functional as F
import transformers
from torch import Tensor, nn

from harness.workload.workload import Workload

from .side import Side
from .torch_nn import phases, tensor

# One answer: the parameters' holder, and a function that computes the loss.
Model = tuple[nn.Module, Callable[[], Tensor]]


def side(workload: Workload, arrays: Mapping[str, np.ndarray]) -> Side:
    """Raises KeyError where transformers has no such model."""
    given = {name: tensor(arrays[name]) for name in workload.graph.inputs}
    module, loss = MODELS[workload.name](workload.model, given)
    return Side("transformers", phases(loss, module), carried=False)


def _language(module: nn.Module, given: Mapping[str, Tensor]) -> Model:
    # Not the library's own loss, which shifts the labels by one.
    def loss() -> Tensor:
        logits = module(given["ids"], use_cache=False).logits
        return F.cross_entropy(logits.flatten(0, 1), given["labels"].flatten())

    return module, loss


def _images(module: nn.Module, given: Mapping[str, Tensor]) -> Model:
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):  # the batch's statistics, and no running averages, as ours
            part.track_running_stats = False
            part.running_mean = part.running_var = part.num_batches_tracked = None
    module.train()
    return module, lambda: F.cross_entropy(module(given["x"]).logits, given["labels"])


def _gpt2(m: Any, given: Mapping[str, Tensor]) -> Model:
    config = transformers.GPT2Config(
        vocab_size=m.vocabulary,
        n_positions=m.context,
        n_embd=m.width,
        n_layer=m.layers,
        n_head=m.heads,
        activation_function="gelu_pytorch_tanh",  # fused; its own gelu_new is eight operations
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    )
    return _language(transformers.GPT2LMHeadModel(config), given)


def _llama(m: Any, given: Mapping[str, Tensor]) -> Model:
    config = transformers.LlamaConfig(
        vocab_size=m.vocabulary,
        hidden_size=m.width,
        intermediate_size=m.hidden,
        num_hidden_layers=m.layers,
        num_attention_heads=m.heads,
        num_key_value_heads=m.kv_heads,
    )
    return _language(transformers.LlamaForCausalLM(config), given)


def _bert(m: Any, given: Mapping[str, Tensor]) -> Model:
    config = transformers.BertConfig(
        vocab_size=m.vocabulary,
        max_position_embeddings=m.context,
        hidden_size=m.width,
        num_hidden_layers=m.layers,
        num_attention_heads=m.heads,
        intermediate_size=4 * m.width,
        num_labels=m.classes,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    module = transformers.BertForSequenceClassification(config)
    segments = {"token_type_ids": given["segments"], "attention_mask": given["seen"]}
    return module, lambda: F.cross_entropy(module(given["ids"], **segments).logits, given["labels"])


def _vit(m: Any, given: Mapping[str, Tensor]) -> Model:
    config = transformers.ViTConfig(
        image_size=m.image,
        patch_size=m.patch,
        hidden_size=m.width,
        num_hidden_layers=m.layers,
        num_attention_heads=m.heads,
        intermediate_size=4 * m.width,
        num_labels=m.classes,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return _images(transformers.ViTForImageClassification(config), given)


def _convnext(m: Any, given: Mapping[str, Tensor]) -> Model:
    config = transformers.ConvNextConfig(
        depths=[m.blocks, m.blocks, 3 * m.blocks, m.blocks],
        hidden_sizes=[m.width * 2**stage for stage in range(4)],
        num_labels=m.classes,
    )
    return _images(transformers.ConvNextForImageClassification(config), given)


def _resnet(layer_type: str, width: int) -> Callable[[Any, Mapping[str, Tensor]], Model]:
    def model(m: Any, given: Mapping[str, Tensor]) -> Model:
        config = transformers.ResNetConfig(
            depths=list(m.blocks),
            hidden_sizes=[width * 2**stage for stage in range(4)],
            layer_type=layer_type,
            num_labels=m.classes,
        )
        return _images(transformers.ResNetForImageClassification(config), given)

    return model


def _mobilenet_v2(m: Any, given: Mapping[str, Tensor]) -> Model:
    config = transformers.MobileNetV2Config(
        image_size=m.image, num_labels=m.classes, classifier_dropout_prob=0.0, tf_padding=False
    )
    return _images(transformers.MobileNetV2ForImageClassification(config), given)


MODELS: dict[str, Callable[[Any, Mapping[str, Tensor]], Model]] = {
    "gpt2": _gpt2,
    "llama": _llama,
    "bert": _bert,
    "vit": _vit,
    "convnext": _convnext,
    "resnet18": _resnet("basic", 64),
    "resnet50": _resnet("bottleneck", 256),
    "mobilenet_v2": _mobilenet_v2,
}
