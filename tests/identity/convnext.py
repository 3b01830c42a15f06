"""ConvNeXt against that of `transformers`, with the epsilon of the published weights."""

from __future__ import annotations

from transformers import ConvNextConfig, ConvNextForImageClassification

from harness.workload.models import ConvNeXt
from tests.identity import torch_module
from tests.identity.arrays import Answer, Arrays
from tests.identity.torch_module import affine, conv, dense, image, tensor


def depths(ours: ConvNeXt) -> list[int]:
    return [ours.blocks, ours.blocks, 3 * ours.blocks, ours.blocks]


def named(ours: ConvNeXt, weights: Arrays) -> Arrays:
    found = {
        **conv(weights, "stem", "convnext.embeddings.patch_embeddings"),
        **affine(weights, "stem.norm", "convnext.embeddings.layernorm"),
        **affine(weights, "final.norm", "convnext.layernorm"),
        **dense(weights, "head", "classifier"),
    }
    for stage, depth in enumerate(depths(ours)):
        theirs = f"convnext.encoder.stages.{stage}"
        if stage:
            found |= affine(weights, f"down{stage + 1}.norm", f"{theirs}.downsampling_layer.0")
            found |= conv(weights, f"down{stage + 1}", f"{theirs}.downsampling_layer.1")
        for i in range(depth):
            layer, block = f"{theirs}.layers.{i}", f"stage{stage + 1}.block{i + 1}"
            found |= conv(weights, f"{block}.depthwise", f"{layer}.dwconv")
            found |= affine(weights, f"{block}.norm", f"{layer}.layernorm")
            found |= dense(weights, f"{block}.expand", f"{layer}.pwconv1")
            found |= dense(weights, f"{block}.contract", f"{layer}.pwconv2")
            found[f"{layer}.layer_scale_parameter"] = weights[f"{block}.layer_scale"]
    return found


def answer(ours: ConvNeXt, weights: Arrays, batch: Arrays) -> Answer:
    config = ConvNextConfig(
        hidden_sizes=[ours.width * 2**stage for stage in range(4)],
        depths=depths(ours),
        num_labels=ours.classes,
        layer_norm_eps=1e-6,
    )
    model = ConvNextForImageClassification(config)
    parameters = torch_module.carried(model, named(ours, weights))
    return torch_module.answer(model(image(batch["x"]), labels=tensor(batch["labels"])).loss, parameters)
