"""Attention in a kernel that is chosen by name: the one that runs, what it multiplies, and what has none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from adapters.base import Unsupported  # noqa: E402
from adapters.choices import Choices  # noqa: E402
from adapters.torch import Adapter  # noqa: E402
from adapters.torch.attention import use  # noqa: E402
from adapters.torch.counting import Tally  # noqa: E402
from harness.workload import draw  # noqa: E402
from harness.workload.trace import trace  # noqa: E402
from tests.helpers.programs import run, work  # noqa: E402
from tests.helpers.tiny import sample  # noqa: E402

pytestmark = pytest.mark.usefixtures("no_code_generation")

HEAD = 2, 4, 8, 16


@pytest.fixture(autouse=True)
def _every_kernel_afterwards() -> Iterator[None]:
    """The switches are the process's."""
    yield
    use("native", torch.device("cpu"))


def test_flash_is_what_a_cpu_fuses_and_math_is_separate_multiplies() -> None:
    _, _, flash, differing = run("torch", "eager", "gpt2", attention="flash")
    assert differing == {"backward", "gradient"}
    _, _, math, differing = run("torch", "eager", "gpt2", attention="math")
    assert not differing
    assert flash["forward"] == math["forward"]
    assert flash["backward"].matmuls == math["backward"].matmuls + 1


def test_math_is_compiled_and_has_a_tangent() -> None:
    _, _, _, differing = run("torch", "compile", "gpt2", attention="math", tangent=True)
    assert not differing


def test_the_choice_is_said_and_undone_by_the_next() -> None:
    run("torch", "eager", "gpt2", attention="math")
    assert Adapter("cpu", 1, "fp32").describe()["attention_kernels"] == "math"
    _, _, _, differing = run("torch", "eager", "gpt2")
    assert differing == {"backward", "gradient"}
    assert not torch.backends.cuda.fp16_bf16_reduction_math_sdp_allowed()


@pytest.mark.parametrize("attention", ["efficient", "cudnn"])
def test_kernels_of_a_gpu_are_unsupported_on_a_cpu(attention: str) -> None:
    workload, arrays, _ = work("gpt2")
    with pytest.raises(Unsupported, match=f"^torch: attention={attention} is a GPU's kernel"):
        Adapter("cpu", 1, "fp32").load(workload.graph, arrays, "eager", Choices(attention=attention))


@pytest.mark.filterwarnings("ignore:Flash attention kernel not used")
@pytest.mark.parametrize("execution", ["eager", "compile"])
def test_a_kernel_that_does_not_take_the_arrays_says_so_in_its_first_call(execution: str) -> None:
    """As a GPU's flash kernel does for float32. Here a bias with a gradient is what a CPU's does not take."""
    graph = trace(Biased())
    adapter = Adapter("cpu", 1, "fp32")
    program = adapter.load(graph, sample(graph), execution, Choices(attention="flash"))
    with pytest.raises(Exception, match="No available kernel") as raised:
        program.forward()
    assert str(adapter.refusal(raised.value)).startswith("torch: the chosen attention kernel does not take")
    assert adapter.refusal(RuntimeError("out of memory")) is None


@pytest.mark.parametrize("kernel", ["flash", "efficient", "cudnn"])
def test_every_kernel_of_a_gpu_is_counted_and_torch_counts_the_same(kernel: str) -> None:
    """In arrays without memory, with the arguments that autograd passes."""
    q, statistic = torch.empty(HEAD, device="meta"), torch.empty(HEAD[:3], device="meta")
    aten = getattr(torch.ops.aten, f"_scaled_dot_product_{kernel}_attention")
    backward = getattr(torch.ops.aten, f"_scaled_dot_product_{kernel}_attention_backward")
    once = 2 * q.numel() * HEAD[2]
    forward, again = Tally(), Tally()
    forward.add(aten.default, (q, q, q), (q, statistic))
    rest = (None, q, statistic) if kernel == "efficient" else (q, statistic)
    again.add(backward.default, (q, q, q, q, *rest), (q, q, q))
    assert (forward.matmuls, forward.flops, forward.seen) == (2, 2 * once, 2 * once)
    assert (again.matmuls, again.flops, again.seen) == (5, 5 * once, 5 * once)


@dataclass(frozen=True)
class Biased:
    """Attention with a bias that has a gradient."""

    def batch_arrays(self) -> Any:
        return {"x": draw.normal(2, 8, 16), "labels": draw.integers(2, high=16)}

    def loss(self, ops: Any, param: Any, x: Any, labels: Any) -> Any:
        h = ops.attention(x, x, x, param("bias", draw.normal(2, 8, 8)), heads=2, causal=False)
        return ops.cross_entropy(ops.linear(ops.mean_tokens(h), param("w", draw.he(16, 16))), labels)
