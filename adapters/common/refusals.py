"""What no framework can do: choices that make no sense together or for a model, and unknown devices and precisions."""

from __future__ import annotations

from harness.workload.jacobian import is_chain
from harness.workload.trace import Graph

from ..base import Unsupported
from ..choices import Choices

_LOST = "a step of training is lost in the rounding of bf16 parameters; choose precision=bf16_mixed or fp32"

PRECISIONS = ("fp32", "tf32", "bf16", "bf16_mixed", "fp64")


def check_device(framework: str, device: str, precision: str) -> None:
    """Raise Unsupported unless an adapter may know the device and the precision."""
    if device not in ("cpu", "cuda"):
        raise Unsupported(f"{framework}: device {device!r} is neither cpu nor cuda")
    if precision not in PRECISIONS:
        raise Unsupported(f"{framework}: precision {precision!r} is none of {', '.join(PRECISIONS)}")
    if precision == "tf32" and device == "cpu":
        raise Unsupported(f"{framework}: tf32 is a mode of NVIDIA's tensor cores; a CPU has none")


def check_execution(framework: str, execution: str, executions: tuple[str, ...]) -> None:
    """Raise Unsupported unless a framework has the execution."""
    if execution not in executions:
        raise Unsupported(f"{framework}: no execution {execution!r}; it has {', '.join(executions)}")


def check_lacking(framework: str, choices: Choices, lacks: tuple[str, ...]) -> None:
    """Raise Unsupported where a choice is made that the framework lacks."""
    for name, value in choices.departing.items():
        if name in lacks:
            raise Unsupported(f"{framework}: there is no {name}={value} here")


def check_own_choices(choices: Choices, precision: str) -> None:
    """Raise Unsupported for a choice that a user's own code has made already."""
    if choices.optimizer != "none" and precision == "bf16":
        raise Unsupported(_LOST)
    for name in ("residuals", "autodiff", "layout", "attention", "tangent"):
        if name in choices.departing:
            raise Unsupported(
                f"{name}={choices.departing[name]} is not applied to a model of your own: its own code decides that"
            )
    if choices.replicas > 1:
        raise Unsupported(f"replicas={choices.replicas}: the batch of a model of your own is not split here")


def check_choices(graph: Graph, choices: Choices, precision: str) -> None:
    """Raise Unsupported unless the choices make sense together, and for this model and precision."""
    ops = {call.op for call in graph.calls}
    by_hand = choices.autodiff != "reverse"
    for wrong, why in (
        (by_hand and choices.residuals != "store", "hand-written backprop keeps what its rules say; residuals=store"),
        (by_hand and choices.tangent, "hand-written backprop has no forward mode; choose tangent=false"),
        (by_hand and choices.layout != "native", "hand-written backprop has one layout; choose layout=native"),
        (by_hand and choices.attention not in ("native", "unfused"), "hand-written backprop has no fused attention"),
        (choices.autodiff == "jacobian" and not is_chain(graph), "explicit Jacobians are for chains of linear layers"),
        (choices.residuals == "blocks" and not any(call.block for call in graph.calls), "this model names no blocks"),
        (choices.attention != "native" and "attention" not in ops, "this model has no attention to fuse or not"),
        (choices.layout != "native" and not graph.images, "this model has no images to lay out"),
        (
            choices.optimizer != "none" and precision == "bf16",
            _LOST,
        ),
        (
            choices.optimizer != "none" and precision == "bf16_mixed" and bool(graph.activations & graph.params.keys()),
            "an op without weights has no float32 parameters to step along; choose precision=fp32",
        ),
        (choices.optimizer != "none" and graph.gradients == "inputs", "no parameter has a gradient to step along"),
    ):
        if wrong:
            raise Unsupported(why)
    if choices.replicas > 1:
        _check_beside_replicas(graph, choices)


def _check_beside_replicas(graph: Graph, choices: Choices) -> None:
    """Raise Unsupported for what is not measured with several replicas."""
    if graph.gradients != "params":
        asked = f"gradients={graph.gradients}"
        raise Unsupported(f"replicas reduce gradients of parameters, not {asked}; choose gradients=params")
    for name in ("autodiff", "tangent", "optimizer", "deterministic"):
        if name in choices.departing:
            raise Unsupported(f"with several replicas there is no {name}={choices.departing[name]} here; leave it out")
