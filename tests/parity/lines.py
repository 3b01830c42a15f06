"""What is compared: each family of the catalogue at the sizes of `conf/model/`, and each op that takes time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from harness.workload import draw
from harness.workload.draw import Draw
from harness.workload.models import SingleOp
from harness.workload.trace import Ops, Param, Value
from harness.workload.workload import Workload

CONF = Path(__file__).parents[2] / "conf" / "model"

EXECUTIONS = (
    ("torch", "eager"),
    ("torch", "compile"),
    ("jax", "jit"),
    ("tensorflow", "eager"),
    ("tensorflow", "graph"),
    ("tensorflow", "xla"),
)

# One of each family; ResNet-34 is ResNet-18's blocks, OneNet LinearNet's layers.
MODELS = (
    *("mlp", "linear_net", "dlrm", "attention", "gpt2", "bert", "llama", "vit", "mixer", "lstm", "gru"),
    *("alexnet", "conv_net", "deeper_conv_net", "vgg16", "resnet18", "resnet50", "mobilenet_v2", "convnext", "unet"),
)

# The ops that take more than 1 ms at the sizes of `conf/model/op.yaml`, in some framework and phase, and their
# variants with kernels of their own. The others move or bend 4 MB at most.
OPS: dict[str, dict[str, Any]] = {
    **{
        op: {"op": op}
        for op in (
            *("linear", "tied_linear", "conv2d", "conv_transpose2d", "max_pool", "avg_pool", "upsample"),
            *("batch_norm", "batch_norm_inference", "layer_norm", "group_norm", "rms_norm"),
            *("attention", "rotary", "gelu", "cross_entropy", "embedding", "dot_interaction"),
            *("lstm", "gru"),
        )
    },
    "conv2d_1x1": {"op": "conv2d", "kernel": 1},
    "conv2d_strided": {"op": "conv2d", "stride": 2},
    "conv2d_depthwise": {"op": "conv2d", "groups": 64, "kernel": 5},
    "conv_transpose2d_2x2": {"op": "conv_transpose2d", "kernel": 2, "stride": 2},
    "max_pool_strided": {"op": "max_pool", "stride": 2},
    "max_pool_2x2": {"op": "max_pool", "kernel": 2, "stride": 2},
}

WHATS = (*MODELS, *(f"op={name}" for name in OPS))

# torch.compile takes half a minute for many a model, so only one of each kind of network is compiled unless named.
COMPILED = ("mlp", "gpt2", "lstm", "resnet18", "mobilenet_v2", "op=conv2d", "op=layer_norm", "op=upsample")


@dataclass(frozen=True)
class Line:
    """One workload in one framework and execution."""

    framework: str
    execution: str
    what: str

    def __str__(self) -> str:
        return f"{self.framework} {self.execution} {self.what}"


def selected(words: Sequence[str]) -> list[Line]:
    """The lines that have one of the words of each kind: framework, execution, and what is computed.

    `models` and `ops` stand for all of those. ValueError names a word that selects nothing.
    """
    kinds = {"models": MODELS, "ops": WHATS[len(MODELS) :]}
    frameworks = {word for word in words if word in dict(EXECUTIONS)}
    executions = {word for word in words if word in {execution for _, execution in EXECUTIONS}}
    whats = [what for word in words for what in kinds.get(word, (word,)) if what in WHATS]
    if unknown := [w for w in words if w not in frameworks | executions and w not in kinds and w not in WHATS]:
        raise ValueError(f"{unknown[0]!r} selects no line; expected a framework, an execution, models, ops or a name")
    return [
        Line(framework, execution, what)
        for framework, execution in EXECUTIONS
        if framework in (frameworks or {framework}) and execution in (executions or {execution})
        for what in (whats or (COMPILED if execution == "compile" else WHATS))
    ]


class UnderLoss(SingleOp):
    """A single op below a mean square error, from which a library's own training step can start."""

    def batch_arrays(self) -> dict[str, Draw]:
        return self.data | {f"target{i}": draw.normal(*spec.shape) for i, spec in enumerate(self.outputs) if spec.shape}

    def loss(self, ops: Ops, param: Param, **batch: Value) -> Value:
        result = super().loss(ops, param, **batch)
        outputs = result if isinstance(result, tuple) else (result,)
        if outputs[0].shape == ():
            return outputs[0]
        return reduce(ops.add, (ops.mse(y, batch[f"target{i}"]) for i, y in enumerate(outputs)))


def workload(what: str) -> Workload:
    """The model or op of that name."""
    kind, _, op = what.partition("=")
    return Workload("op", UnderLoss(**sizes("op") | OPS[op])) if op else Workload.of(kind, sizes(kind))


def sizes(name: str) -> dict[str, Any]:
    """What `conf/model/` says of a model."""
    settings = OmegaConf.to_container(OmegaConf.load(CONF / f"{name}.yaml"))
    assert isinstance(settings, dict)
    return {str(key): value for key, value in settings.items() if key != "name" and value is not None}
