"""ResNet-18, 34 and 50 against those of `transformers`, in training mode and with running statistics."""

from __future__ import annotations

import torch
from transformers import ResNetConfig, ResNetForImageClassification

from harness.workload.models import ResNet18, ResNet50
from tests.identity import torch_module
from tests.identity.arrays import Answer, Arrays
from tests.identity.torch_module import affine, filters, image, tensor

DEPTHS = {"ResNet18": [2, 2, 2, 2], "ResNet34": [3, 4, 6, 3], "ResNet50": [3, 4, 6, 3]}


def layers(ours: ResNet18) -> dict[str, str]:
    """The library's name of each convolution with its norm, by ours."""
    parts = "abc" if isinstance(ours, ResNet50) else "ab"
    found = {"stem": "resnet.embedder.embedder"}
    for stage, depth in enumerate(DEPTHS[type(ours).__name__]):
        for i in range(depth):
            theirs, block = f"resnet.encoder.stages.{stage}.layers.{i}", f"stage{stage + 1}.block{i + 1}"
            found |= {f"{block}.{part}": f"{theirs}.layer.{n}" for n, part in enumerate(parts)}
            if i == 0 and (stage or isinstance(ours, ResNet50)):
                found[f"{block}.shortcut"] = f"{theirs}.shortcut"
    return found


def named(ours: ResNet18, weights: Arrays) -> Arrays:
    found = torch_module.dense(weights, "head", "classifier.1")
    for name, theirs in layers(ours).items():
        found[f"{theirs}.convolution.weight"] = filters(weights[f"{name}.conv"])
        found |= affine(weights, name, f"{theirs}.normalization")
    return found


def answer(ours: ResNet18, weights: Arrays, batch: Arrays) -> Answer:
    bottleneck = isinstance(ours, ResNet50)
    config = ResNetConfig(
        embedding_size=64,
        hidden_sizes=[(256 if bottleneck else 64) * 2**stage for stage in range(4)],
        depths=DEPTHS[type(ours).__name__],
        layer_type="bottleneck" if bottleneck else "basic",
        downsample_in_bottleneck=isinstance(ours, ResNet50) and ours.stride_in_1x1,
        num_labels=ours.classes,
    )
    model = ResNetForImageClassification(config).train(ours.batch_norm == "training")
    parameters = torch_module.carried(model, named(ours, weights))
    if ours.batch_norm == "inference":
        give_statistics(model, layers(ours), batch)
    return torch_module.answer(model(image(batch["x"]), labels=tensor(batch["labels"])).loss, parameters)


def give_statistics(model: torch.nn.Module, theirs: dict[str, str], batch: Arrays) -> None:
    for name, layer in theirs.items():
        norm = model.get_submodule(f"{layer}.normalization")
        norm.running_mean.copy_(tensor(batch[f"{name}.mean"]))
        norm.running_var.copy_(tensor(batch[f"{name}.variance"]))
