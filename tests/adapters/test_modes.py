"""The modes of torch.compile: what reaches the compiler, what needs a GPU, and programs whose memory is reused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from adapters.base import Unsupported  # noqa: E402
from adapters.choices import CHOICES, Choices  # noqa: E402
from adapters.torch import modes  # noqa: E402
from adapters.torch.adapter import Adapter  # noqa: E402
from harness.measure.clock import first_calls  # noqa: E402
from harness.measure.verify import verify  # noqa: E402
from harness.workload.oracle import reference  # noqa: E402
from harness.workload.workload import Workload  # noqa: E402
from tests.helpers.programs import run, work  # noqa: E402
from tests.helpers.tiny import counts  # noqa: E402

pytestmark = pytest.mark.usefixtures("no_code_generation")


@pytest.fixture(name="compilations")
def _compilations(monkeypatch: pytest.MonkeyPatch, no_code_generation: None) -> list[Any]:
    """What each graph is compiled with: whether CUDA graphs and tuning are on, and the inputs that stay in place."""
    from torch._inductor import config

    from adapters.torch import executable

    seen, inner = [], executable.compile_fx_inner

    def compile_inner(module: Any, example_inputs: Any, **options: Any) -> Any:
        placed = {tuple(sorted(example_inputs[i].shape)) for i in options.get("static_input_idxs", ())}
        seen.append((config.triton.cudagraphs, config.max_autotune, placed))
        return inner(module, example_inputs, **options)

    monkeypatch.setattr(executable, "compile_fx_inner", compile_inner)
    return seen


@pytest.fixture(name="steps")
def _steps(monkeypatch: pytest.MonkeyPatch, no_code_generation: None) -> Callable[[], int]:
    """How many steps have begun, where a CPU that records nothing runs the program that is to be recorded."""
    from torch._inductor import cudagraph_trees

    monkeypatch.setattr(modes, "check_mode", lambda *_: None)
    return lambda: -cudagraph_trees.MarkStepBox.mark_step_counter


def test_modes_are_those_of_the_choice() -> None:
    assert tuple(modes._MODES) == CHOICES["mode"]
    assert modes.options("native") == {}
    assert modes.options("autotune")["max_autotune"]
    assert modes.options("cudagraphs")["triton.cudagraphs"]


def test_tuning_reaches_the_compiler_and_changes_no_answer_and_no_count(compilations: list[Any]) -> None:
    _, _, _, differing = run("torch", "compile", "mlp", mode="autotune")
    assert not differing
    assert {(graphs, tuned) for graphs, tuned, _ in compilations} == {(False, True)}


@pytest.mark.parametrize("chosen", [{}, {"autodiff": "by_hand"}, {"residuals": "all"}, {"tangent": True}])
def test_a_recorded_program_marks_each_step_once_and_copies_no_parameter(
    compilations: list[Any], steps: Callable[[], int], chosen: dict[str, Any]
) -> None:
    workload, arrays, expected = work("mlp")
    torch_adapter, choices = Adapter("cpu", 1, "fp32"), Choices(mode="cudagraphs", **chosen)
    directions = workload.directions() if choices.tangent else {}
    program = torch_adapter.load(workload.graph, arrays, "compile", choices, directions)
    first_calls(torch_adapter, program)
    assert all(graphs for graphs, _, _ in compilations)
    weights = {tuple(sorted(arrays[name].shape)) for name in workload.graph.params if arrays[name].ndim == 2}
    assert all(placed >= weights for _, _, placed in compilations)
    verify(program, workload, expected)
    counts(torch_adapter, program, workload.graph, "compile", choices)

    before = steps()
    program.inference()
    program.backward(program.forward())
    assert steps() - before == 2
    assert not program.repeatable


def test_a_spoilt_result_is_no_number(steps: Callable[[], int]) -> None:
    workload, arrays, _ = work("mlp")
    program = Adapter("cpu", 1, "fp32").load(workload.graph, arrays, "compile", Choices(mode="cudagraphs"))
    loss, gradients = program.gradient()
    program.spoil((loss, gradients))
    assert all(array.isnan().all() for array in (loss, *gradients.values()))


@pytest.mark.parametrize("chosen", [{}, {"autodiff": "by_hand"}])
@pytest.mark.parametrize("op", ["add", "flatten"])
def test_what_an_op_alone_is_given_is_not_spoilt_where_its_results_are_views_of_it(
    steps: Callable[[], int], op: str, chosen: dict[str, Any]
) -> None:
    workload = Workload.of("op", {"op": op, "batch": 2, "tokens": 3, "width": 4, "image": 4, "channels": 2})
    torch_adapter, arrays = Adapter("cpu", 1, "fp32"), workload.sample()
    program = torch_adapter.load(workload.graph, arrays, "compile", Choices(mode="cudagraphs", **chosen))
    first_calls(torch_adapter, program)
    program.spoil((program.inference(), program.gradient()))
    verify(program, workload, reference(workload.graph, arrays))


@pytest.mark.parametrize(("execution", "mode"), [("compile", "cudagraphs"), ("compile", "autotune_cudagraphs")])
def test_cuda_graphs_need_a_gpu(execution: str, mode: str) -> None:
    workload, arrays, _ = work("mlp")
    with pytest.raises(Unsupported, match=r"^torch: CUDA graphs need a GPU"):
        Adapter("cpu", 1, "fp32").load(workload.graph, arrays, execution, Choices(mode=mode))


def test_eager_has_no_modes() -> None:
    workload, arrays, _ = work("mlp")
    with pytest.raises(Unsupported, match=r"torch\.compile"):
        Adapter("cpu", 1, "fp32").load(workload.graph, arrays, "eager", Choices(mode="autotune"))
