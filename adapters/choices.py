"""How a framework is to compute a workload, where it can do so in more than one way: each choice and its values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

CHOICES: dict[str, tuple[Any, ...]] = {
    "residuals": ("store", "blocks", "all"),
    "autodiff": ("reverse", "by_hand", "by_hand_recomputed", "jacobian"),
    "layout": ("native", "nchw", "nhwc"),
    "attention": ("native", "fused", "unfused", "flash", "efficient", "cudnn", "math"),
    "optimizer": ("none", "sgd", "adam"),
    "tangent": (False, True),
    "kernels": ("native", "onednn", "plain"),
    "fusion": ("native", "single"),
    "mode": ("native", "cudagraphs", "autotune", "autotune_cudagraphs"),
    "deterministic": (False, True),
    "replicas": (1, 2, 4, 8),
}


@dataclass(frozen=True)
class Choices:
    """How a framework is to compute the workload; the defaults are what a user gets who chooses nothing.

    `residuals`: what forward keeps; `blocks` and `all` recompute each block of the model, or all of it, in backward.
    `autodiff`: the framework's own reverse mode; the catalogue's rules in the framework's ops, with local gradients
    cached in forward or recomputed in backward; or explicit Jacobians of layers. `layout`: of images in memory.
    `attention`: one fused kernel, separate multiplies (`unfused`), or one kernel of those that the framework has by
    name. `optimizer`: adds the phase `update`. `tangent`: adds that phase, forward mode along one direction.
    `kernels`: of a CPU, with oneDNN's operations or with the framework's own (`plain`); `native` is what the framework
    does on this CPU if nobody chooses. `fusion`: XLA's kernels for a CPU as jax makes them, or with a `single` multiply
    each. `mode`: torch.compile's, by what it does: record CUDA graphs (`reduce-overhead`), tune multiplies
    (`max-autotune-no-cudagraphs`), or both (`max-autotune`). `deterministic`: the same bits from every call.
    `replicas`: devices that split the batch and average their gradients (`replicated.py`).
    """

    residuals: str = "store"
    autodiff: str = "reverse"
    layout: str = "native"
    attention: str = "native"
    optimizer: str = "none"
    tangent: bool = False
    kernels: str = "native"
    fusion: str = "native"
    mode: str = "native"
    deterministic: bool = False
    replicas: int = 1

    @cached_property
    def departing(self) -> dict[str, Any]:
        """What was chosen that is not the default, by name."""
        return {name: value for name, value in vars(self).items() if value != getattr(DEFAULT, name)}


DEFAULT = Choices()
