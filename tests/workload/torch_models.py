"""The three models written again in plain torch, by hand: a second opinion on what they multiply."""

from __future__ import annotations

import torch.nn.functional as F


def mlp(p, depth, x, labels):
    for i in range(1, depth + 1):
        x = F.linear(x, p[f"w{i}"].T, p[f"b{i}"])
        x = F.relu(x) if i < depth else x
    return F.cross_entropy(x, labels)


def resnet18(p, x, labels):
    def conv(x, name, stride=1):
        weight = p[f"{name}.conv"].permute(3, 2, 0, 1)
        y = F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
        return F.batch_norm(y, None, None, p[f"{name}.scale"], p[f"{name}.shift"], training=True)

    x = F.max_pool2d(F.relu(conv(x.permute(0, 3, 1, 2), "stem", 2)), 3, 2, 1)
    for stage in range(1, 5):
        for block in (1, 2):
            name, stride = f"stage{stage}.block{block}", 2 if stage > 1 and block == 1 else 1
            y = conv(F.relu(conv(x, f"{name}.a", stride)), f"{name}.b")
            x = F.relu(y + (conv(x, f"{name}.shortcut", stride) if stride == 2 else x))
    return F.cross_entropy(F.linear(x.mean((2, 3)), p["head.w"].T, p["head.b"]), labels)


def gpt2(p, layers, heads, ids, positions, labels):
    def norm(x, name):
        return F.layer_norm(x, x.shape[-1:], p[f"{name}.scale"], p[f"{name}.shift"])

    def dense(x, name):
        return F.linear(x, p[f"{name}.w"].T, p[f"{name}.b"])

    x = F.embedding(ids, p["token_table"]) + F.embedding(positions, p["position_table"])
    batch, tokens, width = x.shape
    for i in range(1, layers + 1):
        name = f"block{i}"
        q, k, v = (
            part.view(batch, tokens, heads, width // heads).transpose(1, 2)
            for part in dense(norm(x, f"{name}.norm1"), f"{name}.qkv").chunk(3, -1)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(x.shape)
        x = x + dense(mixed, f"{name}.project")
        h = F.gelu(dense(norm(x, f"{name}.norm2"), f"{name}.expand"), approximate="tanh")
        x = x + dense(h, f"{name}.contract")
    logits = F.linear(norm(x, "final"), p["token_table"])
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten())
