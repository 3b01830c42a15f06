"""How much of the executed FLOPs each framework's own counter sees, and where it is known to be blind."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from torch.utils.flop_counter import FlopCounterMode

from harness.workload.models import build
from harness.workload.trace import trace
from tests.helpers.tiny import sample

MLP = ("mlp", {"batch": 64, "depth": 3, "width": 64})
ATTENTION = ("attention", {"batch": 2, "tokens": 16, "width": 32, "heads": 2})
LSTM = ("lstm", {"batch": 4, "tokens": 6, "layers": 1, "width": 32, "vocabulary": 11})
CONVOLUTIONS = ("resnet18", {"batch": 2, "image": 32, "classes": 10})


def program(framework: str, execution: str, work: tuple[str, dict[str, int]]) -> Any:
    name, sizes = work
    graph = trace(build(name, sizes))
    arrays = sample(graph)
    made = importlib.import_module(f"adapters.{framework}").Adapter("cpu", 1, "fp32").load(graph, arrays, execution)
    made.inference()
    made.backward(made.forward())
    made.gradient()
    return made


@pytest.mark.parametrize("work", [MLP, ATTENTION, LSTM, CONVOLUTIONS], ids=lambda work: work[0])
def test_what_torch_sees_is_what_its_flop_counter_mode_says(work: tuple[str, dict[str, int]]) -> None:
    made = program("torch", "eager", work)
    with FlopCounterMode(display=False) as counter:
        made.gradient()
    assert made.executed()["gradient"].seen == counter.get_total_flops()


@pytest.mark.parametrize("work", [MLP, CONVOLUTIONS], ids=lambda work: work[0])
def test_torch_sees_every_multiply_and_convolution(work: tuple[str, dict[str, int]]) -> None:
    for found in program("torch", "eager", work).executed().values():
        assert found.seen == found.flops > 0


def test_torch_is_blind_to_fused_attention_and_fused_lstm_on_a_cpu() -> None:
    assert program("torch", "eager", ATTENTION).executed()["gradient"].seen == 0
    lstm = program("torch", "eager", LSTM).executed()["gradient"]
    head = 3 * 2 * 4 * 6 * 32 * 11  # the linear layer's: forward, dX and dW
    assert lstm.seen == head < lstm.flops


def test_xla_sees_all_multiplies_and_elementwise_operations_beside_them() -> None:
    for found in program("jax", "jit", MLP).executed().values():
        assert 1 <= found.seen / found.flops < 1.3


def test_xla_sees_the_body_of_a_loop_once() -> None:
    found = program("jax", "jit", LSTM).executed()["gradient"]
    assert found.seen < 0.8 * found.flops


def test_tensorflow_has_no_counter() -> None:
    assert {found.seen for found in program("tensorflow", "eager", MLP).executed().values()} == {None}
