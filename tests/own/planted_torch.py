"""Torch models with one fault each, as a user might write them; `honest` has none."""

from __future__ import annotations

import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, mse_loss
from torch.utils.checkpoint import checkpoint

SLOW_S = 0.05  # of a backward pass that sleeps

Built = tuple[Any, Any, Callable[[Any, Any], Any]]


def honest(width: int = 8, depth: int = 2) -> Built:
    layers = [layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.ReLU())]
    return nn.Sequential(*layers), _batch(width), _loss


def _batch(width: int = 8) -> tuple[Tensor, Tensor]:
    return torch.randn(4, width), torch.randn(4, width)


def _loss(model: Any, batch: Any) -> Tensor:
    return mse_loss(model(batch[0]), batch[1])


def of_tensors() -> Built:
    weights = {"w": torch.randn(8, 8, requires_grad=True), "b": torch.zeros(8, requires_grad=True)}
    return weights, _batch(), lambda p, b: mse_loss(b[0] @ p["w"] + p["b"], b[1])


def frozen() -> Built:
    return honest()[0].requires_grad_(False), _batch(), _loss


def one_unused() -> Built:
    model = nn.ModuleDict({"used": nn.Linear(8, 8), "spare": nn.Linear(8, 8, bias=False)})
    return model, _batch(), lambda m, b: mse_loss(m["used"](b[0]), b[1])


def own_weights() -> Built:
    model = honest()[0]
    return nn.Linear(8, 8), _batch(), lambda _, b: mse_loss(model(b[0]), b[1])


def input_with_gradient() -> Built:
    x, y = _batch()
    return honest()[0], (x.requires_grad_(), y), _loss


def no_scalar() -> Built:
    return honest()[0], _batch(), lambda m, b: mse_loss(m(b[0]), b[1], reduction="none")


def no_tensor() -> Built:
    return honest()[0], _batch(), lambda m, b: _loss(m, b).item()


def dropout() -> Built:
    return nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5)), _batch(), _loss


def reads_a_number() -> Built:
    def loss(model: Any, batch: Any) -> Tensor:
        value = _loss(model, batch)
        return value * 2 if value.item() > 1e9 else value

    return honest()[0], _batch(), loss


class _Counts(nn.Module):
    """Keeps a Python number that changes in every call, and adds nothing of it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.layer(x) + 0.0 * self.calls


def recompiles() -> Built:
    return _Counts(), _batch(), _loss


class _WideBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return x @ w

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        x, w = (saved.double() for saved in ctx.saved_tensors)
        return (gradients[0].double() @ w.T).float(), (x.T @ gradients[0].double()).float()


def float64_backward() -> Built:
    weights = {"w": torch.randn(8, 8, requires_grad=True)}
    return weights, _batch(), lambda p, b: mse_loss(_WideBackward.apply(b[0], p["w"]), b[1])


class SlowBackward(torch.autograd.Function):
    """Adds nothing but time, and that in its backward pass only."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        time.sleep(SLOW_S)
        return gradients[0]


def slow_backward(depth: int = 3) -> Built:
    layers = nn.Sequential(*(nn.Linear(8, 8) for _ in range(depth)))
    return layers, _batch(), lambda m, b: mse_loss(SlowBackward.apply(m(b[0])), b[1])


class _Recomputes(torch.autograd.Function):
    """Runs a forward and a backward pass of its own within its backward pass, as a checkpoint by hand does."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        x = ctx.saved_tensors[0].detach().requires_grad_()
        with torch.enable_grad():
            y = SlowBackward.apply(x)
        return torch.autograd.grad(y, x, gradients[0])[0]


def recomputes() -> Built:
    return nn.Linear(8, 8), _batch(), lambda m, b: mse_loss(_Recomputes.apply(m(b[0])), b[1])


class DearBackward(torch.autograd.Function):
    """Adds nothing but time, in its backward pass only, and can be compiled."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        wide = gradients[0].sum().expand(512, 512).contiguous()
        return gradients[0] + 0.0 * (wide @ wide)[0, 0]


class _Needless(nn.Module):
    """Sorts, and adds nothing of it."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.0 * x.sort(-1).values


class _Checkpointed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(16, 16) for _ in range(2)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = x + checkpoint(lambda x, layer=layer: torch.erf(layer(x)), x, use_reentrant=False)
        return x


def many_ops() -> Built:
    """A convolution, a norm whose kernel has another op in it, a checkpoint, sums of gradients, and two faults."""
    parts = {
        "convolution": nn.Conv2d(3, 4, 3),
        "flat": nn.Flatten(),
        "linear": nn.Linear(4 * 6 * 6, 16),
        "norm": nn.LayerNorm(16),
        "bend": nn.Softplus(),
        "checkpointed": _Checkpointed(),
        "needless": _Needless(),
    }
    batch = torch.randn(4, 3, 8, 8), torch.randn(4, 16)
    return nn.Sequential(OrderedDict(parts)), batch, lambda m, b: mse_loss(DearBackward.apply(m(b[0])), b[1])


def scaled(x: Tensor, w: Tensor) -> Tensor:
    """A function that TorchScript takes too."""
    return linear(torch.tanh(x), w)


def half_detached() -> Built:
    model = nn.ModuleList([nn.Linear(8, 8) for _ in range(3)])
    return model, _batch(), lambda m, b: mse_loss(m[2](m[1](m[0](b[0])).detach()), b[1])


def nan() -> Built:
    return honest()[0], _batch(), lambda m, b: _loss(m, b) * float("nan")


def fixed_type() -> Built:
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x.float())

    return Fixed(), _batch(), _loss


def own_types() -> Built:
    """Switches autocast off, as code does that knows better."""

    def loss(model: Any, batch: Any) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return _loss(model, batch)

    return honest()[0], _batch(), loss


def casts_back() -> Built:
    """Computes its loss in float32, whatever it gets."""
    return honest()[0], _batch(), lambda m, b: mse_loss(m(b[0]).float(), b[1].float())


def cancels() -> Built:
    """A gradient that is the small difference of two large ones."""
    x = torch.randn(4, 8)
    weights = {"w": torch.randn(8, 8, requires_grad=True)}
    return weights, (x, x * (1 + 1e-4)), lambda p, b: ((b[0] @ p["w"]).tanh() - (b[1] @ p["w"]).tanh()).mean()


def one_cancels() -> Built:
    weights, batch, difference = cancels()
    weights["v"] = torch.randn(8, 8, requires_grad=True)
    return weights, batch, lambda p, b: difference(p, b) + mse_loss(b[0] @ p["v"], b[1])


def unseeded() -> Built:
    generator = torch.Generator()
    generator.seed()
    return honest()[0], (torch.randn(4, 8, generator=generator), torch.randn(4, 8)), _loss


def raises(width: int = 8) -> Built:
    if width < 100:
        raise ValueError(f"width must be at least 100, not {width}")
    return honest(width)


def returns_a_model() -> nn.Module:
    return honest()[0]


def wants_a_gpu() -> Built:
    return honest()[0].to("cuda"), _batch(), _loss


def prints() -> Built:
    print("built")
    print("an answer?", file=sys.__stdout__)
    return honest()


def reads_input() -> Built:
    input("how wide? ")
    return honest()


def starts_a_thread() -> Built:
    threading.Thread(target=time.sleep, args=(600,), daemon=True, name="loader").start()
    return honest()


def quits() -> Built:
    sys.exit(3)


not_a_function = 3
