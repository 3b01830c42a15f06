"""ViT against that of `transformers`, with the epsilon of the published weights."""

from __future__ import annotations

from transformers import ViTConfig, ViTForImageClassification

from harness.workload.models import ViT
from tests.identity import torch_module
from tests.identity.arrays import Answer, Arrays
from tests.identity.torch_module import affine, conv, dense, image, qkv, tensor


def named(ours: ViT, weights: Arrays) -> Arrays:
    found = {
        "vit.embeddings.cls_token": weights["class_token"][None, None],
        "vit.embeddings.position_embeddings": weights["position_table"][None],
        **conv(weights, "patch", "vit.embeddings.patch_embeddings.projection"),
        **affine(weights, "final", "vit.layernorm"),
        **dense(weights, "head", "classifier"),
    }
    for i in range(ours.layers):
        theirs, block = f"vit.layers.{i}", f"block{i + 1}"
        found |= affine(weights, f"{block}.norm1", f"{theirs}.layernorm_before")
        found |= qkv(weights, f"{block}.qkv", [f"{theirs}.attention.{part}_proj" for part in "qkv"])
        found |= dense(weights, f"{block}.project", f"{theirs}.attention.o_proj")
        found |= affine(weights, f"{block}.norm2", f"{theirs}.layernorm_after")
        found |= dense(weights, f"{block}.expand", f"{theirs}.mlp.fc1")
        found |= dense(weights, f"{block}.contract", f"{theirs}.mlp.fc2")
    return found


def answer(ours: ViT, weights: Arrays, batch: Arrays) -> Answer:
    config = ViTConfig(
        image_size=ours.image,
        patch_size=ours.patch,
        hidden_size=ours.width,
        num_hidden_layers=ours.layers,
        num_attention_heads=ours.heads,
        intermediate_size=4 * ours.width,
        num_labels=ours.classes,
        layer_norm_eps=1e-6,
    )
    model = ViTForImageClassification(config)
    parameters = torch_module.carried(model, named(ours, weights))
    return torch_module.answer(model(image(batch["x"]), labels=tensor(batch["labels"])).loss, parameters)
