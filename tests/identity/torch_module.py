"""A torch module of somebody else's, in float64, with our weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from tests.identity.arrays import Answer, Arrays


def tensor(array: np.ndarray) -> Tensor:
    """Floats in float64, integers as torch's losses want them, truth values as they are."""
    # In C order: of an image stored channels last, torch's group norm ends the process in backward.
    return torch.tensor(array.astype({"f": np.float64, "b": np.bool_}.get(array.dtype.kind, np.int64), order="C"))


def image(array: np.ndarray) -> Tensor:
    """The same of images, as torch has them: [N, C, H, W]."""
    return tensor(array).permute(0, 3, 1, 2)


def filters(weight: np.ndarray) -> np.ndarray:
    """A convolution's weight as torch has it: [out, in, kh, kw]."""
    return weight.transpose(3, 2, 0, 1)


def affine(arrays: Arrays, ours: str, theirs: str) -> dict[str, np.ndarray]:
    """A norm's scale and shift."""
    return {f"{theirs}.weight": arrays[f"{ours}.scale"], f"{theirs}.bias": arrays[f"{ours}.shift"]}


def dense(arrays: Arrays, ours: str, theirs: str) -> dict[str, np.ndarray]:
    """A linear layer's weight, [out, in] there, and bias."""
    return {f"{theirs}.weight": arrays[f"{ours}.w"].T, f"{theirs}.bias": arrays[f"{ours}.b"]}


def conv(arrays: Arrays, ours: str, theirs: str) -> dict[str, np.ndarray]:
    """A convolution's weight and bias."""
    return {f"{theirs}.weight": filters(arrays[f"{ours}.w"]), f"{theirs}.bias": arrays[f"{ours}.b"]}


def qkv(arrays: Arrays, ours: str, theirs: Sequence[str]) -> dict[str, np.ndarray]:
    """Our one linear layer for queries, keys and values, as three."""
    parts = zip(theirs, np.split(arrays[f"{ours}.w"], 3, 1), np.split(arrays[f"{ours}.b"], 3), strict=True)
    return {k: v for name, w, b in parts for k, v in ((f"{name}.weight", w.T), (f"{name}.bias", b))}


def carried(module: nn.Module, weights: Arrays) -> dict[str, Tensor]:
    """The module's trained parameters, filled with our weights by its names: every one of them, and no other."""
    parameters = {name: p for name, p in module.double().named_parameters() if p.requires_grad}
    assert parameters.keys() == weights.keys()
    with torch.no_grad():
        for name, parameter in parameters.items():
            assert parameter.shape == weights[name].shape, name
            parameter.copy_(tensor(weights[name]))
    return parameters


def answer(loss: Tensor, parameters: Mapping[str, Tensor]) -> Answer:
    gradients = torch.autograd.grad(loss, tuple(parameters.values()))
    return loss.item(), {name: g.numpy() for name, g in zip(parameters, gradients, strict=True)}
