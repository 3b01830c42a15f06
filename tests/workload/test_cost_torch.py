"""The cost table of whole models against PyTorch's own counter.

Three models are written a second time, apart from the catalogue. The others run as torch's adapter runs them: that they
are the published networks is shown by their parameters, their published multiply-adds and `tests/identity`.

Nothing is computed: torch runs shapes alone (the meta device), so the published sizes are counted too. Blind spots of
`FlopCounterMode`, all of them zero there and elsewhere in our table: biases, norms, activations, pooling, lookups,
softmax and the loss. A causal mask takes nothing off, and taps on padding count, in both. Attention is counted in
its MATH form, two multiplies forward and four backward: the fused kernels recompute, and are counted as five.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from adapters.torch import layout, ops
from harness.workload.cost import cost
from harness.workload.interpret import interpreter
from harness.workload.models import build
from harness.workload.ops import CATALOGUE
from harness.workload.trace import Graph, trace
from tests.helpers import torch_models

MULTIPLIES = {"mm", "addmm", "bmm", "baddbmm", "convolution"}


class CountMultiplies(TorchDispatchMode):
    """Matrix multiplies and convolutions; a convolution's backward is as many as it computes gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name == "convolution_backward":
            self.count += sum(args[-1][:2])
        else:
            self.count += name in MULTIPLIES
        return func(*args, **kwargs or {})


def counted(call: Callable[[], Any]) -> tuple[tuple[int, int], Any]:
    """FLOPs and multiplies of a call, and its result."""
    with FlopCounterMode(display=False) as flops, CountMultiplies() as multiplies, sdpa_kernel(SDPBackend.MATH):
        result = call()
    return (flops.get_total_flops(), multiplies.count), result


def counted_by_torch(graph: Graph, loss: Any, shapes: Any = None) -> Any:
    """`shapes` are those of the arrays where they are not canonical."""
    arrays = {}
    for name, draw in graph.draws.items():
        kind = torch.float32 if draw.spec.kind == "float" else torch.int64
        shape = shapes[name] if shapes else draw.spec.shape
        arrays[name] = torch.zeros(shape, dtype=kind, device="meta", requires_grad=name in graph.sources)
    params = {name: arrays[name] for name in graph.params}
    forward, value = counted(lambda: loss(params, **{name: arrays[name] for name in graph.inputs}))
    backward, _ = counted(lambda: torch.autograd.grad(value, [arrays[name] for name in graph.sources]))
    return forward, backward


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("mlp", {"depth": 1, "batch": 4, "width": 8}),
        ("mlp", {"depth": 2, "batch": 4, "width": 8, "inputs": 5, "classes": 3}),
        ("mlp", {}),
        ("resnet18", {"batch": 2, "image": 33, "classes": 10}),
        ("resnet18", {}),
        ("gpt2", {"batch": 2, "tokens": 8, "layers": 2, "width": 16, "heads": 2, "vocabulary": 50, "context": 8}),
        ("gpt2", {}),
    ],
    ids=["mlp-1", "mlp-2-uneven", "mlp-6", "resnet18-tiny", "resnet18-published", "gpt2-tiny", "gpt2-published"],
)
def test_flops_and_multiplies_are_exactly_those_that_torch_counts(name: str, sizes: dict[str, Any]) -> None:
    model = build(name, sizes)
    loss = getattr(torch_models, name)
    for gradients in ("params",) if name == "gpt2" else ("params", "both"):  # its inputs are integers
        graph = trace(model, gradients)
        table = cost(graph)
        forward, backward = counted_by_torch(graph, lambda params, **batch: loss(params, model, **batch))
        assert (table.forward.flops, table.forward.matmuls) == forward
        assert (table.backward.flops, table.backward.matmuls) == backward


@pytest.mark.parametrize("gradients", ["params", "both"])
@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("alexnet", {}),
        ("vgg16", {}),
        ("resnet34", {}),
        ("resnet50", {}),
        ("resnet50", {"stride_in_1x1": True}),
        ("mobilenet_v2", {}),
        ("convnext", {}),
        ("unet", {}),
        ("linear_net", {}),
        ("one_net", {}),
        ("conv_net", {}),
        ("deeper_conv_net", {}),
    ],
    ids=str,
)
def test_flops_and_multiplies_of_published_sizes_are_those_of_the_adapters_ops(
    name: str, sizes: dict[str, Any], gradients: str
) -> None:
    graph = trace(build(name, sizes), gradients)
    shapes = {n: [graph.draws[n].spec.shape[a] for a in axes] for n, axes in layout.axes_of(graph).items()}
    run = interpreter(graph, ops)
    table = cost(graph)
    forward, backward = counted_by_torch(graph, lambda params, **inputs: run(params, inputs), shapes)
    assert (table.forward.flops, table.forward.matmuls) == forward
    assert (table.backward.flops + counted_for_all_groups(graph), table.backward.matmuls) == backward


def counted_for_all_groups(graph: Graph) -> Any:
    """What torch's counter adds to the dW of grouped convolutions: it multiplies every group with every other."""
    total = 0
    for call in graph.calls:
        if call.op == "conv2d":
            specs = [tuple(graph.specs[n] for n in numbers) for numbers in (call.inputs, call.outputs)]
            total += CATALOGUE["conv2d"].cost(*specs, **call.attrs).gradients[1].flops * (
                call.attrs.get("groups", 1) - 1
            )
    return total
