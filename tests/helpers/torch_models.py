"""Models written again in plain torch, by hand: a second opinion on what they compute and multiply.

Each is a function of the parameters, by the names that they have in the catalogue and in its layout; of the model,
which only tells its sizes; and of the batch. It returns the loss. Models of which a library has its own are compared
with that library in `tests/identity`; three of them are here as well, to count what torch multiplies in them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.workload.models import (
    DLRM,
    GPT2,
    MLP,
    AlexNet,
    Attention,
    ConvNet,
    DeeperConvNet,
    LinearNet,
    Mixer,
    ResNet18,
    UNet,
)

Params = dict[str, Tensor]


def dense(p: Params, name: str, x: Tensor) -> Tensor:
    return F.linear(x, p[f"{name}.w"].T, p[f"{name}.b"])


def conv(p: Params, name: str, x: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    return F.conv2d(x, p[f"{name}.w"].permute(3, 2, 0, 1), p[f"{name}.b"], stride, padding)


def flat(x: Tensor) -> Tensor:
    """An image [batch, channels, height, width], flattened in the order height, width, channels."""
    return x.permute(0, 2, 3, 1).flatten(1)


def mlp(p: Params, sizes: MLP, x: Tensor, labels: Tensor) -> Tensor:
    for i in range(1, sizes.depth + 1):
        x = F.linear(x, p[f"w{i}"].T, p[f"b{i}"])
        x = F.relu(x) if i < sizes.depth else x
    return F.cross_entropy(x, labels)


def resnet18(p: Params, sizes: ResNet18, x: Tensor, labels: Tensor) -> Tensor:
    def conv(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = p[f"{name}.conv"].permute(3, 2, 0, 1)
        y = F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
        return F.batch_norm(y, None, None, p[f"{name}.scale"], p[f"{name}.shift"], training=True)

    x = F.max_pool2d(F.relu(conv(x.permute(0, 3, 1, 2), "stem", 2)), 3, 2, 1)
    for stage in range(1, 5):
        for block in (1, 2):
            name, stride = f"stage{stage}.block{block}", 2 if stage > 1 and block == 1 else 1
            y = conv(F.relu(conv(x, f"{name}.a", stride)), f"{name}.b")
            x = F.relu(y + (conv(x, f"{name}.shortcut", stride) if stride == 2 else x))
    return F.cross_entropy(dense(p, "head", x.mean((2, 3))), labels)


def gpt2(p: Params, sizes: GPT2, ids: Tensor, positions: Tensor, labels: Tensor) -> Tensor:
    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], p[f"{name}.scale"], p[f"{name}.shift"])

    x = F.embedding(ids, p["token_table"]) + F.embedding(positions, p["position_table"])
    batch, tokens, width = x.shape
    for i in range(1, sizes.layers + 1):
        name = f"block{i}"
        q, k, v = (
            part.view(batch, tokens, sizes.heads, width // sizes.heads).transpose(1, 2)
            for part in dense(p, f"{name}.qkv", norm(x, f"{name}.norm1")).chunk(3, -1)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(x.shape)
        x = x + dense(p, f"{name}.project", mixed)
        h = F.gelu(dense(p, f"{name}.expand", norm(x, f"{name}.norm2")), approximate="tanh")
        x = x + dense(p, f"{name}.contract", h)
    logits = F.linear(norm(x, "final"), p["token_table"])
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten())


def alexnet(p: Params, sizes: AlexNet, x: Tensor, labels: Tensor) -> Tensor:
    x = F.max_pool2d(F.relu(conv(p, "conv1", x.permute(0, 3, 1, 2), 4, 2)), 3, 2)
    x = F.max_pool2d(F.relu(conv(p, "conv2", x, 1, 2)), 3, 2)
    for i in (3, 4, 5):
        x = F.relu(conv(p, f"conv{i}", x, 1, 1))
    x = flat(F.max_pool2d(x, 3, 2))
    x = F.relu(dense(p, "hidden2", F.relu(dense(p, "hidden1", x))))
    return F.cross_entropy(dense(p, "head", x), labels)


def unet(p: Params, sizes: UNet, x: Tensor, labels: Tensor) -> Tensor:
    def twice(x: Tensor, name: str) -> Tensor:
        return F.relu(conv(p, f"{name}.b", F.relu(conv(p, f"{name}.a", x, 1, 1)), 1, 1))

    one = twice(x.permute(0, 3, 1, 2), "down1")
    two = twice(F.max_pool2d(one, 2), "down2")
    three = twice(F.max_pool2d(two, 2), "down3")
    four = twice(F.max_pool2d(three, 2), "down4")
    x = twice(F.max_pool2d(four, 2), "bottom")
    for level, skip in ((4, four), (3, three), (2, two), (1, one)):
        weight = p[f"up{level}.w"].permute(3, 2, 0, 1)
        x = F.conv_transpose2d(x, weight, p[f"up{level}.b"], stride=2)
        x = twice(torch.cat((skip, x), 1), f"up{level}")
    return F.cross_entropy(conv(p, "head", x), labels)


def mixer(p: Params, sizes: Mixer, x: Tensor, labels: Tensor) -> Tensor:
    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], p[f"{name}.scale"], p[f"{name}.shift"], 1e-6)

    def perceptron(x: Tensor, name: str) -> Tensor:
        return dense(p, f"{name}.contract", F.gelu(dense(p, f"{name}.expand", x), approximate="tanh"))

    x = conv(p, "patch", x.permute(0, 3, 1, 2), sizes.patch).flatten(2).transpose(1, 2)
    for i in range(1, sizes.layers + 1):
        x = x + perceptron(norm(x, f"block{i}.norm1").transpose(1, 2), f"block{i}.tokens").transpose(1, 2)
        x = x + perceptron(norm(x, f"block{i}.norm2"), f"block{i}.channels")
    return F.cross_entropy(dense(p, "head", norm(x, "final").mean(1)), labels)


def dlrm(p: Params, sizes: DLRM, numbers: Tensor, labels: Tensor, **ids: Tensor) -> Tensor:
    def linear(x: Tensor, name: str) -> Tensor:
        perceptron, number = name.split()
        return F.linear(x, p[f"{perceptron}.w{number}"].T, p[f"{perceptron}.b{number}"])

    x = numbers
    for name in ("bottom 1", "bottom 2", "bottom 3"):
        x = F.relu(linear(x, name))
    rows = [F.embedding(ids[f"ids{i}"], p[f"table{i}"]) for i in range(1, sizes.tables + 1)]
    features = torch.stack([x, *rows], 1)
    above, left = torch.tril_indices(len(rows) + 1, len(rows) + 1, offset=-1)
    x = torch.cat((x, torch.bmm(features, features.transpose(1, 2))[:, above, left]), 1)
    x = linear(F.relu(linear(F.relu(linear(x, "top 1")), "top 2")), "top 3")
    return F.cross_entropy(x, labels)


def attention(p: Params, sizes: Attention, target: Tensor) -> Tensor:
    def heads(x: Tensor, count: int) -> Tensor:
        return x.unflatten(-1, (count, -1)).transpose(1, 2)

    shared = sizes.kv_heads or sizes.heads
    q, k, v = heads(p["q"], sizes.heads), heads(p["k"], shared), heads(p["v"], shared)
    y = F.scaled_dot_product_attention(q, k, v, is_causal=sizes.causal, enable_gqa=True)
    return F.mse_loss(y.transpose(1, 2).flatten(2), target)


def linear_net(p: Params, sizes: LinearNet, x: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(F.relu(F.relu(x @ p["w1"]) @ p["w2"]) @ p["w3"], labels)


one_net = linear_net


def conv_net(p: Params, sizes: ConvNet, x: Tensor, labels: Tensor) -> Tensor:
    x = F.conv2d(x.permute(0, 3, 1, 2), p["conv1"].permute(3, 2, 0, 1), stride=2, padding=3)
    x = F.conv2d(F.max_pool2d(x, 3, 2, 1), p["conv2"].permute(3, 2, 0, 1), stride=2, padding=3)
    return F.cross_entropy(x.mean((2, 3)) @ p["head"], labels)


def deeper_conv_net(p: Params, sizes: DeeperConvNet, x: Tensor, labels: Tensor) -> Tensor:
    x = F.conv2d(x.permute(0, 3, 1, 2), p["conv1"].permute(3, 2, 0, 1), stride=2, padding=3)
    for _ in range(sizes.depth):
        x = F.relu(F.conv2d(x, p["between"].permute(3, 2, 0, 1), padding=1))
    x = F.conv2d(x, p["conv2"].permute(3, 2, 0, 1), stride=2, padding=3)
    return F.cross_entropy(x.mean((2, 3)) @ p["head"], labels)
