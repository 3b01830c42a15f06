"""What the torch adapter sets for its process: threads, precision, denormals, caches; and what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from adapters.base import Unsupported  # noqa: E402
from adapters.choices import Choices  # noqa: E402
from adapters.torch import Adapter, adapter  # noqa: E402
from harness.workload.trace import trace  # noqa: E402
from harness.workload.workload import Workload  # noqa: E402
from tests.helpers.tiny import TINY_MLP, sample  # noqa: E402

ROOT = Path(__file__).parents[2]


GENERATED_CODE = """
import json
from adapters.choices import Choices
from adapters.torch import Adapter
from harness.workload import draw
from harness.workload.agreement import agreement
from harness.workload.oracle import reference
from harness.workload.trace import trace

class Convolutions:
    def batch_arrays(self):
        return {"x": draw.normal(2, 4, 4, 3), "labels": draw.integers(2, high=5)}

    def loss(self, ops, param, x, labels):
        h = ops.conv2d(x, param("w1", draw.he(3, 3, 3, 8)), padding=1)
        h = ops.relu(ops.batch_norm(h, param("scale", draw.scale(8)), param("shift", draw.bias(8)), eps=1e-5))
        h = ops.conv2d(ops.max_pool(h, size=2, stride=2), param("w2", draw.he(3, 3, 8, 64)), padding=1)
        return ops.cross_entropy(ops.linear(ops.global_avg_pool(h), param("w3", draw.lecun(64, 5))), labels)

graph = trace(Convolutions())
arrays = {name: draw.sample(0, name) for name, draw in graph.draws.items()}
adapter = Adapter("cpu", 1, "fp32")
program = adapter.load(graph, arrays, "compile")
inferred, kept = program.inference(), program.forward()
copied = program.residual_bytes(kept) >= arrays["w2"].nbytes
split = program.export(program.backward(kept))
loss, fused = program.gradient()
by_hand = adapter.load(graph, arrays, "compile", Choices(autodiff="by_hand"))
again, by_rules = by_hand.gradient()
losses = [float(inferred), float(kept[0]), float(loss), float(again)]
gradients = [split, program.export(fused), by_hand.export(by_rules)]
found = agreement(losses, gradients, reference(graph, arrays))
counts = [executed.matmuls for executed in program.executed().values()]
from torch._dynamo.utils import counters
print(json.dumps([found.failure("fp32"), copied, counts, counters["inductor"]["fxgraph_cache_hit"]]))
"""


def python(code: Any, **variables: Any) -> Any:
    """What `code` prints, run in a fresh Python in the repository."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.slow
def test_generated_code_and_its_cache(tmp_path: Path) -> None:
    """Its answers are right, its residuals hold no copy of a weight, and a warm cache hides no multiply."""
    cold, warm = (json.loads(python(GENERATED_CODE, TWOFOLD_CACHE_DIR=str(tmp_path))) for _ in range(2))
    assert cold == [None, False, [3, 3, 5, 8], 0]
    assert warm == [None, False, [3, 3, 5, 8], 5]
    assert [folder.name for folder in tmp_path.iterdir()] == ["torchinductor"]


DENORMALS = """
import torch
from adapters.torch import Adapter
Adapter("cpu", 2, "fp32")
x = torch.full((1 << 20,), 1e-40)
print(int((x * 1.0).count_nonzero()), int((x.reshape(1 << 10, -1) @ torch.eye(1 << 10)).count_nonzero()))
"""


def test_denormals_are_flushed_in_every_thread() -> None:
    assert python(DENORMALS).split() == ["0", "0"]


def test_settings_are_set_and_described() -> None:
    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.allow_tf32 = True
    described = Adapter("cpu", 1, "fp32").describe()
    assert torch.get_float32_matmul_precision() == described["float32_matmul_precision"] == "highest"
    assert not torch.backends.cudnn.allow_tf32
    assert str(torch.get_num_threads()) == described["threads"] == "1"
    assert described["denormals"] == "flushed"
    assert torch.__version__ == described["torch"]


ONEDNN = """
import torch
from adapters.torch import Adapter
print(Adapter("cpu", 1, "fp32").describe()["onednn_instructions"])
with torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):
    torch.nn.functional.conv2d(torch.ones(4, 32, 16, 16), torch.ones(32, 32, 3, 3))
"""


@pytest.mark.parametrize("variable", ["ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"])
def test_the_instructions_that_onednn_may_use_are_described(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It announces them itself."""
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    described, *announced = python(ONEDNN, **{variable: "avx2"}).splitlines()
    if described:  # an x86
        assert described == "AVX2"
        assert any("info,cpu,isa:Intel AVX2" in line for line in announced)


def test_a_choice_of_kernels_switches_onednn_for_all_that_follows() -> None:
    ours, (graph, arrays) = Adapter("cpu", 1, "fp32"), tiny_mlp()
    for kernels, said in (("plain", "off"), ("onednn", "on"), ("plain", "off"), ("native", "on")):
        ours.load(graph, arrays, "eager", Choices(kernels=kernels))
        assert ours.describe()["onednn"] == said
        assert torch.backends.mkldnn.enabled == (said == "on")


def test_kernels_without_onednn_are_unsupported_where_they_are_hopeless_or_no_choice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph, arrays = tiny_mlp()
    monkeypatch.setattr(adapter, "_fast_bf16", lambda: True)
    with pytest.raises(Unsupported, match="bf16"):
        Adapter("cpu", 1, "bf16").load(graph, arrays, "eager", Choices(kernels="plain"))
    ours = Adapter("cpu", 1, "fp32")
    ours._device = torch.device("cuda")
    with pytest.raises(Unsupported, match="on a GPU"):
        ours.load(graph, arrays, "eager", Choices(kernels="onednn"))


def tiny_mlp() -> Any:
    graph = trace(TINY_MLP)
    return graph, sample(graph)


def test_bf16_without_instructions_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "_fast_bf16", lambda: False)
    with pytest.raises(Unsupported, match="bf16"):
        Adapter("cpu", 2, "bf16")


@pytest.mark.parametrize(("device", "precision"), [("cpu", "tf32"), ("cuda", "fp32"), ("tpu", "fp32"), ("cpu", "fp8")])
def test_unsupported(monkeypatch: pytest.MonkeyPatch, device: str, precision: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(Unsupported, match="torch: "):
        Adapter(device, 2, precision)


def test_a_cpu_has_no_clock_of_its_own() -> None:
    ours = Adapter("cpu", 1, "fp32")
    assert ours.device_seconds(lambda: 3) == ours.peak_bytes(lambda: 3) == (3, None)
    ours.wait([torch.zeros(1), {"a": torch.zeros(1)}])


def test_on_a_gpu_the_peak_is_what_the_allocator_gave_out_from_before_the_call_until_it_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, steps = Adapter("cpu", 1, "fp32"), list[str]()

    def step(name: str, device: Any) -> int:
        steps.append(name)
        return len(steps)

    ours._device = torch.device("cuda")
    for name in ("synchronize", "reset_peak_memory_stats", "max_memory_allocated"):
        monkeypatch.setattr(torch.cuda, name, partial(step, name))
    assert ours.peak_bytes(lambda: steps.append("call")) == (None, 5)
    assert steps == ["synchronize", "reset_peak_memory_stats", "call", "synchronize", "max_memory_allocated"]


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # the compiler still uses it
@pytest.mark.parametrize("gradients", ["params", "both"])  # of both, each side is a program of its own too
def test_a_compiled_lstm_whose_input_needs_no_gradient_is_unsupported_as_it_fails_in_torch_itself(
    gradients: str,
) -> None:
    workload = Workload.of("op", {"op": "lstm", "batch": 2, "tokens": 3, "width": 8}, gradients=gradients)
    with pytest.raises(Unsupported, match=r"needs no gradient, torch\.nn\.LSTM too; choose gradients=inputs"):
        Adapter("cpu", 1, "fp32").load(workload.graph, workload.sample(), "compile")
    module, x = torch.nn.LSTM(8, 8), torch.ones(3, 2, 8)
    with torch._dynamo.config.patch(allow_rnn=True), pytest.raises(TypeError, match="mkldnn_rnn_layer"):
        torch.compile(lambda x: module(x)[0].sum())(x)
