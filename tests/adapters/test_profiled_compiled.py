"""What torch's profiler says of each op of a program of torch.compile in place."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch.nn.functional import linear  # noqa: E402

from adapters.choices import Choices  # noqa: E402
from adapters.profiled import Profiled  # noqa: E402
from adapters.torch import Adapter, ops  # noqa: E402
from harness.workload.models import MLP  # noqa: E402
from harness.workload.trace import trace  # noqa: E402
from tests.helpers.in_place import last_linear  # noqa: E402
from tests.helpers.tiny import TINY_GPT2, sample  # noqa: E402
from tests.own.planted_torch import DearBackward  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # the compiler makes a torch.autograd.Function itself
]

DEAR_CLASSES = 9
NETWORK = MLP(batch=24, depth=3, width=8, classes=DEAR_CLASSES)


def loaded(model: Any, **choices: Any) -> Any:
    graph = trace(model)
    program: Any = Adapter("cpu", 1, "fp32").load(graph, sample(graph), "compile", Choices(**choices))
    assert isinstance(program, Profiled)
    return program


def test_every_multiply_shows_its_forward_pass_and_both_gradients_in_every_run() -> None:
    graph, runs = trace(NETWORK), loaded(NETWORK).profiled(2)
    assert len(runs) == 2
    first, *others = (number for number, call in enumerate(graph.calls) if call.op == "linear")
    for times in runs:
        assert times[first]["forward"] > 0 < times[first]["backward"]
        for number in others:
            assert times[number]["dx"] + times[number]["dw"] == pytest.approx(times[number]["backward"])


def test_a_planted_gradient_that_is_dear_is_found_at_its_call(monkeypatch: pytest.MonkeyPatch) -> None:
    def planted(x: Any, w: Any, b: Any) -> Any:
        y = linear(x, w, b)
        return DearBackward.apply(y) if w.shape[0] == DEAR_CLASSES else y

    monkeypatch.setattr(ops, "linear", planted)
    dear = last_linear(trace(NETWORK))
    runs = loaded(NETWORK).profiled(5)
    backward = {number: min(run[number].get("backward", 0.0) for run in runs) for number in runs[0]}
    assert backward[dear] > 0.5 * sum(backward.values())
    assert backward[dear] > 20 * min(run[dear]["forward"] for run in runs)


def test_what_a_checkpoint_computes_again_is_told_apart_from_gradients() -> None:
    block = replace(TINY_GPT2, layers=1)
    graph = trace(block)
    (times,) = loaded(block, residuals="blocks", attention="unfused").profiled(1)
    (plain,) = loaded(block, attention="unfused").profiled(1)
    linears = [number for number, call in enumerate(graph.calls) if call.op == "linear"]
    assert any(times[number].get("again") for number in linears)
    assert all(times[number]["backward"] > 0 for number in linears)
    assert not any(plain[number].get("again") for number in linears)


def test_what_is_profiled_is_the_program_that_is_timed_but_for_the_marks() -> None:
    program = loaded(NETWORK)
    before = program._loss
    from torch._inductor import config
    from torch._inductor.utils import run_and_get_code

    with config.patch(fx_graph_cache=False):
        _, timed = run_and_get_code(lambda: program.backward(program.forward()))
    _, profiled = run_and_get_code(lambda: program.profiled(1))
    assert program._loss is before
    assert len(timed) == len(profiled) == 2
    for ours, theirs in zip(profiled, timed, strict=True):  # but for their first line, a number of the compilation
        plain, marks = re.subn(r"^ *mark = .*\n", "", ours, flags=re.MULTILINE)
        assert marks
        assert plain.splitlines()[1:] == theirs.splitlines()[1:]
