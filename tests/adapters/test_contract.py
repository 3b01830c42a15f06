"""The contract of `adapters/base.py`, kept by every adapter in every execution: same answers, same work.

A new adapter is tested here as soon as its module and its `conf/framework/<name>.yaml` are there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from adapters.base import PHASES
from harness.measure.clock import first_calls
from harness.workload.agreement import Agreement, agreement
from harness.workload.cost import phase_work
from harness.workload.models import build
from harness.workload.oracle import Reference, reference
from harness.workload.trace import Graph, trace
from tests.helpers.executions import COMPILED_SLOWLY, EXECUTIONS, adapter_of
from tests.helpers.inductor import no_code_generation
from tests.helpers.op_cases import CASES, TIES, OpsModel
from tests.helpers.small_models import ShortResNet
from tests.helpers.tiny import answers, counts, sample

# What compiles for minutes sees one case of each op; the same ops run on all cases without the compiler.
ONCE = tuple({case.op: case for case in reversed(CASES)}.values())
OPS = {"every op": OpsModel(CASES + TIES), "each op once": OpsModel(ONCE)}
GPT2 = {"batch": 2, "tokens": 8, "layers": 2, "width": 16, "heads": 2, "vocabulary": 50, "context": 8}
SIZES: dict[str, dict[str, Any]] = {
    "mlp": {"batch": 4, "depth": 3, "width": 8},
    "resnet18": {"batch": 2, "image": 40, "classes": 10},
    "gpt2": GPT2,
    "gpt2 of one layer": GPT2 | {"layers": 1},
}
# Of these torch.compile generates code. Of the others it would be hundreds of kernels, minutes for the C++ compiler;
# `test_torch.py` has convolutions and norms.
GENERATED = ("mlp", "mlp with inputs", "gpt2 of one layer")


def ops_work(execution: str) -> str:
    return "each op once" if execution == "compile" else "every op"


def works(execution: str) -> tuple[str, ...]:
    models = GENERATED if execution == "compile" else ("mlp", "mlp with inputs", "gpt2")
    return *models, "resnet18", ops_work(execution)


@functools.cache
def work(name: str) -> tuple[Graph, dict[str, np.ndarray], Reference]:
    """Graph, arrays and the oracle's answer."""
    if name in OPS:
        graph, arrays = trace(OPS[name]), OPS[name].sample()
    elif name == "short resnet":  # for `test_optimised.py`
        graph = trace(ShortResNet(**SIZES["resnet18"]))
        arrays = sample(graph)
    else:
        sizes, _, inputs = name.partition(" with ")
        graph = trace(build(sizes.split()[0], SIZES[sizes]), gradients="both" if inputs else "params")
        arrays = sample(graph)
    return graph, arrays, reference(graph, arrays)


def loaded_program(adapter: Any, name: str, execution: str) -> Any:
    """The program of some work, from arrays that are spoilt as soon as it is loaded: it must not live on them."""
    graph, arrays, _ = work(name)
    given = {n: array.copy() for n, array in arrays.items()}
    program = adapter.load(graph, given, execution)
    for array in given.values():
        array.fill(0)
    return program


@dataclass
class Loaded:
    """A program, what its first calls answered, and what it should have answered."""

    adapter: Any
    execution: str
    program: Any
    graph: Graph
    expected: Reference
    losses: list[float]
    gradients: list[dict[str, np.ndarray]]


def load(framework: str, execution: str, name: str) -> Loaded:
    adapter = adapter_of(framework)
    graph, _, expected = work(name)
    with _compiler(execution, name):
        program = loaded_program(adapter, name, execution)
        return Loaded(adapter, execution, program, graph, expected, *answers(program))


def _compiler(execution: str, name: str) -> AbstractContextManager[None]:
    return no_code_generation() if execution == "compile" and name not in GENERATED else nullcontext()


@functools.cache
def load_ops(framework: str, execution: str) -> Loaded:
    """Kept, for it takes long to compile and little memory."""
    return load(framework, execution, ops_work(execution))


def combination(framework: str, execution: str, name: str) -> Any:
    heavy = name == "resnet18" or name in OPS or execution == "compile"
    marks = [pytest.mark.slow] if heavy and execution in COMPILED_SLOWLY else []
    marks.append(pytest.mark.xdist_group(f"{framework}-{execution}"))
    return pytest.param((framework, execution, name), id=f"{framework}-{execution}-{name}", marks=marks)


@pytest.fixture(scope="module", params=[combination(f, e, name) for f, e in EXECUTIONS for name in works(e)])
def loaded(request: pytest.FixtureRequest) -> Loaded:
    """Each framework's every execution of all work, compiled once for all tests."""
    framework, execution, name = request.param
    return load_ops(framework, execution) if name in OPS else load(framework, execution, name)


def same(ours: dict[str, np.ndarray], first: dict[str, np.ndarray], total: float) -> bool:
    """Whether two answers of one program differ by no more than the order of a sum."""
    return all(np.linalg.norm(ours[n] - first[n]) <= 1e-6 * max(float(np.linalg.norm(first[n])), total) for n in first)


def test_loss_and_every_gradient_agree_with_the_oracle(loaded: Loaded, record_property: Callable[..., Any]) -> None:
    found = agreement(loaded.losses, loaded.gradients, loaded.expected)
    record_property("worst gradient", found.worst)
    print(f"loss off by {found.loss:.1e}, worst gradient {found.worst[0]} by {found.worst[1]:.1e}")
    assert found.failure("fp32") is None


def test_gradients_are_those_that_the_graph_asks_for_as_plain_float32_arrays(loaded: Loaded) -> None:
    for gradients in loaded.gradients:
        assert gradients.keys() == loaded.graph.sources.keys()
        assert {(type(g), g.dtype) for g in gradients.values()} == {(np.ndarray, np.dtype(np.float32))}


def test_the_same_call_gives_the_same_answer_in_whatever_order_phases_run(loaded: Loaded) -> None:
    program, total = loaded.program, np.linalg.norm([np.linalg.norm(g) for g in loaded.gradients[0].values()])
    loss, fused = program.gradient()
    kept = program.forward()
    split = program.backward(kept)
    older, newer = program.forward(), program.forward()
    later = [program.backward(newer), program.backward(older)]
    losses = [loss, kept[0], program.inference(), older[0], newer[0]]
    assert [float(x) for x in losses] == pytest.approx([loaded.losses[0]] * 5, rel=1e-6)
    for gradients in (fused, split, *later):
        assert same(program.export(gradients), loaded.gradients[0], float(total))


def test_what_is_executed_is_what_the_trace_costs_but_for_what_the_departures_compute(loaded: Loaded) -> None:
    expected = phase_work(loaded.graph)
    if loaded.program.phases != PHASES:  # those of each side too, where both gradients are wanted
        first_calls(loaded.adapter, loaded.program)
    executed = counts(loaded.adapter, loaded.program, loaded.graph, loaded.execution)
    assert list(executed) == list(loaded.program.phases)
    for phase, found in executed.items():
        differs = (found.matmuls, found.flops) != (expected[phase].matmuls, expected[phase].flops)
        assert differs == (len(found.note) > 20), (phase, found)


def test_forward_keeps_something_for_backward(loaded: Loaded) -> None:
    assert loaded.program.residual_bytes(loaded.program.forward()) > 0


def test_wait_takes_nested_results(loaded: Loaded) -> None:
    gradients = loaded.program.gradient()
    loaded.adapter.wait([gradients, {"again": (gradients,)}, []])


def test_the_device_clock_is_a_number_of_seconds_or_none(loaded: Loaded) -> None:
    loss, seconds = loaded.adapter.device_seconds(loaded.program.inference)
    assert float(loss) == pytest.approx(loaded.losses[0], rel=1e-6)
    assert seconds is None or seconds > 0


def test_the_peak_of_memory_is_above_what_the_parameters_take_or_not_known(loaded: Loaded) -> None:
    loss, peak = loaded.adapter.peak_bytes(loaded.program.inference)
    assert float(loss) == pytest.approx(loaded.losses[0], rel=1e-6)
    assert peak is None or not loaded.adapter.counts_all_memory or peak > 4 * loaded.graph.parameter_count


def one_case(framework: str, execution: str, number: int, case: Any) -> Any:
    marks = [pytest.mark.slow] if execution in COMPILED_SLOWLY else []
    marks.append(pytest.mark.xdist_group(f"{framework}-{execution}"))
    return pytest.param(framework, execution, number, id=f"{framework}-{execution}-{case}", marks=marks)


@functools.cache
def ops_agreement(framework: str, execution: str) -> Agreement:
    found = load_ops(framework, execution)
    return agreement(found.losses, found.gradients, found.expected)


@pytest.mark.parametrize(
    ("framework", "execution", "number"),
    [one_case(f, e, n, case) for f, e in EXECUTIONS for n, case in enumerate(OPS[ops_work(e)].cases)],
)
def test_every_op_agrees_with_the_oracle_forward_and_in_every_gradient(
    framework: str, execution: str, number: int
) -> None:
    """Forward errors show in the gradients of the targets that the outputs are compared with."""
    found = ops_agreement(framework, execution).gradients
    errors = {name: e for name, e in found.items() if name.startswith(f"case{number}.")}
    assert errors
    assert all(error < 2e-5 for error in errors.values()), errors


@pytest.mark.parametrize(("framework", "execution"), EXECUTIONS)
def test_parameters_and_inputs_are_no_residuals(framework: str, execution: str) -> None:
    """1.6 MB of parameters, 24 kB of activations."""
    graph = trace(build("mlp", {"batch": 4, "depth": 6, "width": 256}))
    program = adapter_of(framework).load(graph, sample(graph), execution)
    activations = 4 * sum(graph.specs[n].size for call in graph.calls for n in call.outputs)
    assert 0 < program.residual_bytes(program.forward()) <= 2 * activations
    assert 2 * activations < graph.parameter_count * 4 / 10
