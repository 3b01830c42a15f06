"""What each tool says of one MLP: FLOPs of forward and backward, and the multiplies that this comes to.

The network is a chain of three equal linear layers with two rectifiers and a cross entropy, so everything that a tool
reports is a number of equal multiplies, and little beside them. Its forward pass is 3, its backward pass 5: the first
layer's input needs no gradient.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.workload.models import MLP
from harness.workload.trace import trace
from tests.helpers.tiny import sample

LAYERS, WIDTH, BATCH = 3, 64, 64
MULTIPLY = 2 * BATCH * WIDTH * WIDTH  # FLOPs of one layer's product
FORWARD, BACKWARD = LAYERS, 2 * LAYERS - 1  # multiplies that run


@dataclass(frozen=True)
class Answer:
    """What one tool says: FLOPs of each pass (None where it says nothing), and why.

    `multiplies` is what its backward pass must be, in multiplies, if `why` is true; the rest is elementwise work.
    """

    tool: str
    forward: float
    backward: float | None
    multiplies: int | None
    why: str


def answers() -> list[Answer]:
    """Ask every tool that is installed, and quote those that multiply by a constant."""
    return [*_executed(), _torch(), _xla(), _flax(), _roofline(), *_constants()]


def _executed() -> Iterator[Answer]:
    for framework, execution in (("torch", "eager"), ("jax", "jit")):
        graph = trace(MLP(batch=BATCH, depth=LAYERS, width=WIDTH))
        adapter = importlib.import_module(f"adapters.{framework}").Adapter("cpu", 1, "fp32")  # as users have it
        program = adapter.load(graph, sample(graph), execution)
        program.inference()
        program.backward(program.forward())
        program.gradient()
        counted = program.executed()
        yield Answer(
            f"Twofold, {framework} {execution}",
            counted["forward"].flops,
            counted["backward"].flops,
            BACKWARD,
            "Multiplies in the program that runs; the first layer has no dX.",
        )


def _torch() -> Answer:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    layers = [torch.nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS)]
    network = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])
    labels = torch.zeros(BATCH, dtype=torch.long)
    with FlopCounterMode(display=False) as forward:
        loss = torch.nn.functional.cross_entropy(network(torch.ones(BATCH, WIDTH)), labels)
    with FlopCounterMode(display=False) as backward:
        loss.backward()
    return Answer(
        f"torch.utils.flop_counter {_version('torch')}",
        forward.get_total_flops(),
        backward.get_total_flops(),
        BACKWARD,
        "Multiplies as they are dispatched: exact here. On a CPU it sees nothing of fused attention and of an LSTM.",
    )


def _loss(parameters: Any, x: Any, labels: Any) -> Any:
    """The network's loss in jax; `parameters` are pairs of a weight and a bias."""
    import jax
    import jax.numpy as jnp

    for number, (weight, bias) in enumerate(parameters):
        x = x @ weight + bias
        x = jax.nn.relu(x) if number < LAYERS - 1 else x
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(x), labels[:, None], axis=1))


def _arguments() -> tuple[Any, Any, Any]:
    import jax.numpy as jnp

    parameters = [(jnp.ones((WIDTH, WIDTH)), jnp.ones(WIDTH)) for _ in range(LAYERS)]
    return parameters, jnp.ones((BATCH, WIDTH)), jnp.zeros(BATCH, int)


def _xla() -> Answer:
    import jax

    def flops(function: Any) -> float:
        return float(jax.jit(function).lower(*_arguments()).cost_analysis()["flops"])

    forward = flops(_loss)
    return Answer(
        f"XLA's cost_analysis, jax {_version('jax')}",
        forward,
        flops(jax.value_and_grad(_loss)) - forward,
        BACKWARD,
        "Loss and gradient less the loss, as lowered, with elementwise operations; a loop's body counts once.",
    )


def _flax() -> Answer:
    import jax
    import jax.numpy as jnp
    from flax import linen
    from flax.linen import summary

    class Network(linen.Module):
        @linen.compact
        def __call__(self, x: Any) -> Any:
            for number in range(LAYERS):
                x = linen.Dense(WIDTH)(x)
                x = linen.relu(x) if number < LAYERS - 1 else x
            return x

    rows = summary._get_module_table(Network(), 0, False, True, True)
    (row,) = rows({"params": jax.random.key(0)}, jnp.ones((BATCH, WIDTH)))
    return Answer(
        f"flax.linen.tabulate, vjp_flops, {_version('flax')}",
        row.flops,
        row.vjp_flops,
        FORWARD + 2 * LAYERS,
        "Contains the forward pass again, and the gradient of the network's input, which training never computes.",
    )


def _roofline() -> Answer:
    import jax
    import numpy as np
    from jax.experimental.roofline import roofline_and_grad
    from jax.sharding import Mesh, PartitionSpec

    parameters, x, labels = _arguments()
    mesh, everywhere = Mesh(np.array(jax.devices()[:1]), ("device",)), PartitionSpec()
    both = roofline_and_grad(lambda p, x: _loss(p, x, labels), mesh, (everywhere, everywhere), everywhere)
    _, forward, backward = both(parameters, x)
    return Answer(
        f"jax.experimental.roofline_and_grad, jax {_version('jax')}",
        forward.unfused_flops,
        backward.unfused_flops,
        2 * LAYERS,
        "Contains the gradient of the network's input.",
    )


def _constants() -> Iterator[Answer]:
    """Tools that multiply the forward pass by a constant. They need not be installed to be quoted."""
    for tool, says in (
        ("DeepSpeed's flops profiler", "`bwd_factor = 2 + recompute_fwd_factor` (profiler.py), whatever the network."),
        ("calflops", "`compute_bp_factor = 2.0`, whatever the network."),
    ):
        yield Answer(tool, FORWARD * MULTIPLY, 2.0 * FORWARD * MULTIPLY, 2 * LAYERS, f"A constant: {says}")
    yield Answer("fvcore, ptflops, thop, torchinfo", FORWARD * MULTIPLY, None, None, "They count no backward pass.")


def _version(package: str) -> str:
    return importlib.metadata.version(package).partition("+")[0]
