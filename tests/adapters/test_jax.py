"""The jax adapter: its answers, the multiplies that it runs, and one test for each trap in these."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402

from adapters.base import PHASES  # noqa: E402
from adapters.jax import ops  # noqa: E402
from adapters.jax.executable import Executable  # noqa: E402
from harness.measure.clock import first_calls  # noqa: E402
from harness.workload import draw  # noqa: E402
from harness.workload.interpret import interpreter  # noqa: E402
from harness.workload.models import MLP  # noqa: E402
from harness.workload.trace import Graph, trace  # noqa: E402
from tests.helpers.executions import adapter_of  # noqa: E402
from tests.helpers.small_models import ShortResNet  # noqa: E402
from tests.helpers.tiny import TINY_GPT2, TINY_MLP, answers, sample  # noqa: E402

# A graph, its program, and what that answered in its first calls: losses and gradients.
Loaded = tuple[Graph, Any, tuple[list[Any], list[dict[str, np.ndarray]]]]


@dataclass(frozen=True)
class Image:
    """The ops of a convolutional network, in a few layers."""

    groups: int = 2

    def batch_arrays(self) -> Any:
        return {"x": draw.normal(2, 6, 6, 4), "labels": draw.integers(2, high=3)}

    def loss(self, ops: Any, param: Any, x: Any, labels: Any) -> Any:
        h = ops.conv2d(
            x,
            param("conv", draw.he(3, 3, 4 // self.groups, 8)),
            param("b", draw.bias(8)),
            padding=1,
            groups=self.groups,
        )
        h = ops.relu(ops.batch_norm(h, param("scale", draw.scale(8)), param("shift", draw.bias(8)), eps=1e-5))
        h = ops.global_avg_pool(ops.max_pool(h, size=3, stride=2, padding=1))
        return ops.cross_entropy(ops.linear(h, param("w", draw.lecun(8, 3))), labels)


TINY_RESNET = ShortResNet(batch=2, image=33)
CASES: dict[str, tuple[Any, str]] = {
    "mlp": (TINY_MLP, "params"),
    "mlp, inputs": (TINY_MLP, "both"),
    "resnet18": (TINY_RESNET, "params"),
    "image, inputs": (Image(groups=1), "both"),
    "gpt2": (TINY_GPT2, "params"),
}


def loaded(model: Any, gradients: str = "params", precision: str = "fp32") -> Loaded:
    """A model's graph, its program, and what that answered in its first calls; made once for all tests."""
    return _load(model, gradients, precision)


@cache
def _load(model: Any, gradients: str, precision: str) -> Loaded:
    graph = trace(model, gradients)
    adapter = adapter_of("jax", precision=precision)
    program = adapter.load(graph, sample(graph), "jit")
    first_calls(adapter, program)
    return graph, program, answers(program)


def hlo(program: Any) -> dict[str, str]:
    """What each phase of a program executes."""
    return {phase: getattr(program, f"_{phase}").hlo() for phase in PHASES}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Loaded:
    return loaded(*CASES[request.param])


@pytest.fixture
def compilations() -> Iterator[list[Any]]:
    """The names of the programs that are compiled while a test runs."""
    seen: list[Any] = []

    def listen(event: str, duration: float, **details: object) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            seen.append(details.get("fun_name", event))

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield seen
    jax.monitoring.unregister_event_duration_listener(listen)


def test_later_calls_compile_nothing_and_answer_the_same(case: Loaded, compilations: list[Any]) -> None:
    _, program, (losses, gradients) = case
    for _ in range(2):
        again = answers(program)
        assert again[0] == losses
        for new, old in zip(again[1], gradients, strict=True):
            assert all(np.array_equal(new[name], old[name]) for name in old)
    assert compilations == []


def test_compilations_are_seen(compilations: list[Any]) -> None:
    """Guards the test above: its listener does hear of a compilation."""
    Executable(lambda x: x + 1, "highest", {})(jnp.ones(3))
    assert compilations


def test_a_phase_refuses_other_shapes() -> None:
    phase = Executable(lambda x: x + 1, "highest", {})
    phase(jnp.ones(3))
    with pytest.raises(TypeError):
        phase(jnp.ones(4))


def test_a_phase_needs_its_arguments_results_and_temporaries_as_the_compiler_planned_them() -> None:
    ours = adapter_of("jax")
    (donated := ours._executable(lambda x: x + 1, donate=(0,)))(jnp.ones(2**16))
    (kept := ours._executable(lambda x: x + 1))(jnp.ones(2**16))
    assert (donated.peak_bytes(), kept.peak_bytes()) == (4 * 2**16, 2 * 4 * 2**16)
    assert ours.peak_bytes(lambda: kept(jnp.ones(2**16)))[1] == 2 * 4 * 2**16
    assert ours.peak_bytes(lambda: 3) == (3, None)


def test_mlp_keeps_one_array_for_each_layer() -> None:
    """Neither weights nor x (jit of a vjp returns copies of both), nor a relu's mask and zeros."""
    _, program, _ = loaded(TINY_MLP)
    kept = program.forward()
    hidden, logits, statistics = 2 * 4 * 8, 4 * 8, 2 * 4
    assert program.residual_bytes(kept) == 4 * (hidden + logits + statistics)


def test_gpt2_keeps_what_a_fused_library_keeps() -> None:
    _, program, _ = loaded(TINY_GPT2)
    kept = program.forward()
    rows, width, weights = 2 * 8, 16, 2 * 2 * 8 * 8
    norm = 2 * width + 2  # the input (the residual stream), the output, mean and deviation
    block = 2 * norm + 3 * width + width + 4 * width + 4 * width  # q k v, attended, before and after gelu
    assert program.residual_bytes(kept) == 4 * (rows * (2 * block + norm + 50 + 2) + 2 * weights)


def test_resnet_keeps_two_arrays_for_each_convolution() -> None:
    """Its output, which the norm reads, and what comes after relu, which the next convolution reads."""
    _, program, _ = loaded(TINY_RESNET)
    kept = program.forward()
    pixels = {64: 9 * 9, 128: 5 * 5, 256: 3 * 3, 512: 2 * 2}
    # Per stage two convolutions and two relus, and a shortcut's convolution or, in the first, the pool's output.
    images = sum(2 * 5 * size * channels for channels, size in pixels.items()) + 2 * 2 * 17 * 17 * 64
    statistics = 2 * 3 * (64 + 128 + 256 + 512)
    head = 2 * (512 + 1000 + 2)
    assert program.residual_bytes(kept) == 4 * (images + statistics + head)


def test_wait_waits_for_every_array() -> None:
    """Phases return at once; jax says so itself of an array that is not ready."""
    _, quick, _ = loaded(TINY_MLP)
    _, slow, _ = loaded(MLP(batch=256, depth=8, width=1024))
    pending = quick.inference(), {"nested": [slow.gradient()]}
    assert not all(array.is_ready() for array in jax.tree.leaves(pending))
    adapter_of("jax").wait(pending)
    assert all(array.is_ready() for array in jax.tree.leaves(pending))


@pytest.mark.parametrize("model", [TINY_GPT2, TINY_RESNET], ids=["gpt2", "resnet18"])
def test_fp32_multiplies_are_full_precision(model: Any) -> None:
    for text in hlo(loaded(model)[1]).values():
        multiplies = [line for line in text.splitlines() if re.search(r" (dot|convolution)\(", line)]
        assert multiplies
        assert all("operand_precision={highest,highest}" in line for line in multiplies)


@pytest.mark.parametrize("model", [TINY_MLP, TINY_GPT2, Image()], ids=["mlp", "gpt2", "image"])
def test_forward_mode_goes_through_every_op(model: Any) -> None:
    """A relu by custom_vjp would stop it. The derivative along v is the gradient times v."""
    graph, _, (_, (gradients, _)) = loaded(model)
    arrays = {name: jnp.asarray(array) for name, array in sample(graph).items()}
    loss = interpreter(graph, ops)
    rest = {name: arrays[name] for name in graph.inputs if name not in graph.sources}
    sources = {name: arrays[name] for name in graph.sources}
    directions = {name: jnp.asarray(gradients[name]) for name in sources}
    with jax.default_matmul_precision("highest"):
        _, derivative = jax.jit(lambda s, v: jax.jvp(lambda wanted: loss(rest | wanted, rest | wanted), (s,), (v,)))(
            sources, directions
        )
    assert float(derivative) == pytest.approx(sum(float(np.vdot(g, g)) for g in gradients.values()), rel=1e-4)


def test_bf16_keeps_bf16_arrays_and_returns_a_float32_loss() -> None:
    _, program, _ = loaded(TINY_MLP, precision="bf16")
    loss, kept = program.forward()
    assert loss.dtype == jnp.float32
    # Statistics alone are float32: one number for each row of an array.
    assert {array.dtype for array in kept if array.shape[-1] > 1} == {jnp.dtype(jnp.bfloat16)}
    _, gradients = program.gradient()
    assert {array.dtype for array in gradients.values()} == {jnp.dtype(jnp.bfloat16)}


def test_everything_stays_32_bits_wide(case: Loaded) -> None:
    _, program, _ = case
    arrays = jax.tree.leaves((program.forward(), program.gradient()))
    assert {array.dtype for array in arrays} == {jnp.dtype(jnp.float32)}


def test_arrays_are_the_devices_own() -> None:
    """An array shared with the caller, or mapped from a file, could change between two phases."""
    graph = trace(MLP(batch=64, depth=2, width=64))
    arrays = {name: array.copy() for name, array in sample(graph).items()}
    program = adapter_of("jax").load(graph, arrays, "jit")
    before = float(program.inference())
    for array in arrays.values():
        array[...] = 0
    assert float(program.inference()) == before
