"""Programs that answer right and multiply otherwise than asked, in each framework: their counts make them invalid."""

from __future__ import annotations

import re
from typing import Any

import pytest

from adapters.choices import Choices
from harness.measure.clock import first_calls
from harness.measure.protocol import Failure
from harness.measure.verify import verify
from harness.workload.oracle import reference
from harness.workload.workload import Workload
from tests.helpers.executions import adapter_of
from tests.helpers.tiny import counts

pytestmark = pytest.mark.usefixtures("no_code_generation")

LAYERS, INPUTS = 3, 12  # the first layer is the one with a weight of that many inputs
BACKWARD = 2 * LAYERS - 1
WORK = Workload.of("mlp", {"batch": 4, "depth": LAYERS, "width": 16, "inputs": INPUTS})


def counted(framework: str, execution: str, **chosen: Any) -> dict[str, Any]:
    """What an MLP's program executes. Its loss and gradients must be the oracle's. Raises Failure."""
    arrays = WORK.sample()
    adapter, choices = adapter_of(framework), Choices(**chosen)
    program = adapter.load(WORK.graph, arrays, execution, choices)
    first_calls(adapter, program)
    verify(program, WORK, reference(WORK.graph, arrays))
    return counts(adapter, program, WORK.graph, execution, choices)


def refused(framework: str, execution: str, **chosen: Any) -> tuple[str, list[int]]:
    """The phase that the refusal names, and the multiplies: those executed, then those expected."""
    with pytest.raises(Failure) as caught:
        counted(framework, execution, **chosen)
    assert caught.value.outcome == "invalid"
    assert "\n" not in caught.value.reason
    return caught.value.reason.split()[0], [int(n) for n in re.findall(r"(\d+) multiplies", caught.value.reason)]


@pytest.fixture
def jax_without_the_first_dw(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is computed element by element, which is no multiply."""
    import jax
    import jax.numpy as jnp

    from adapters.jax import ops

    @jax.custom_vjp
    def multiply(x: Any, w: Any) -> Any:
        return x @ w

    def pull(kept: Any, grad: Any) -> Any:
        x, w = kept
        return grad @ w.T, jnp.sum(x[:, :, None] * grad[:, None, :], axis=0)

    multiply.defvjp(lambda x, w: (x @ w, (x, w)), pull)
    linear = ops.linear
    monkeypatch.setattr(ops, "linear", lambda x, w, b: multiply(x, w) + b if len(w) == INPUTS else linear(x, w, b))


@pytest.fixture
def torch_without_the_first_dw(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same in torch, whose weights are [out, in]: the gradient comes from a difference that is zero."""
    from adapters.torch import ops

    linear = ops.linear

    def first(x: Any, w: Any, b: Any) -> Any:
        elementwise = (x[:, None, :] * w).sum(-1)
        return linear(x, w.detach(), b) + (elementwise - elementwise.detach())

    monkeypatch.setattr(ops, "linear", lambda x, w, b: (first if w.shape[1] == INPUTS else linear)(x, w, b))


@pytest.fixture
def torch_that_multiplies_the_first_layer_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """In backward, as a checkpoint that nobody asked for."""
    from torch.utils.checkpoint import checkpoint

    from adapters.torch import ops

    linear = ops.linear

    def whole(x: Any, w: Any, b: Any) -> Any:
        y = linear(x, w, b)
        return y.relu() - (-y).relu()

    def first(x: Any, w: Any, b: Any) -> Any:
        return checkpoint(whole, x, w, b, use_reentrant=False)

    monkeypatch.setattr(ops, "linear", lambda x, w, b: (first if w.shape[1] == INPUTS else linear)(x, w, b))


@pytest.fixture
def tensorflow_with_the_inputs_dx(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tape watches the input, and computes a gradient that is then dropped."""
    import tensorflow as tf

    from adapters.tensorflow.autodiff import Reverse

    pull = Reverse.pull

    def run_watching(self: Any, values: Any) -> Any:
        sources = [*(values[name] for name in self._sources), values["x"]]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(sources)
            loss = self._loss(values, values)
        return loss, (tape, loss, sources, None)

    monkeypatch.setattr(Reverse, "run", run_watching)
    monkeypatch.setattr(Reverse, "pull", lambda self, kept: pull(self, kept)[:-1])


EXECUTIONS = [("torch", "eager"), ("torch", "compile"), ("jax", "jit"), ("tensorflow", "eager"), ("tensorflow", "xla")]


@pytest.mark.parametrize("residuals", ["store", "blocks"])
@pytest.mark.parametrize(("framework", "execution"), EXECUTIONS)
def test_an_honest_program_is_valid(framework: str, execution: str, residuals: str) -> None:
    assert counted(framework, execution, residuals=residuals)["forward"].matmuls == LAYERS


@pytest.mark.parametrize("residuals", ["store", "blocks"])
def test_a_dw_that_jax_does_not_multiply_is_noticed(jax_without_the_first_dw: None, residuals: str) -> None:
    again = LAYERS - 1 if residuals == "blocks" else 0
    wanted = [BACKWARD + again - 1, BACKWARD + again]
    assert refused("jax", "jit", residuals=residuals) == ("backward", wanted)


@pytest.mark.parametrize("residuals", ["store", "blocks"])
def test_a_dw_that_torch_does_not_multiply_is_noticed(torch_without_the_first_dw: None, residuals: str) -> None:
    again = LAYERS - 1 if residuals == "blocks" else 0
    wanted = [BACKWARD + again - 1, BACKWARD + again]
    assert refused("torch", "eager", residuals=residuals) == ("backward", wanted)


@pytest.mark.parametrize("residuals", ["store", "blocks"])
def test_a_dw_that_torch_does_not_compile_to_a_multiply_is_noticed(
    torch_without_the_first_dw: None, residuals: str
) -> None:
    """However much it recomputes of a checkpoint, which is its own choice: the rest must be there."""
    phase, (executed, expected, *recomputed) = refused("torch", "compile", residuals=residuals)
    assert (phase, expected) == ("backward", BACKWARD)
    assert executed - sum(recomputed) == BACKWARD - 1


def test_a_multiply_that_torch_runs_again_is_noticed(torch_that_multiplies_the_first_layer_again: None) -> None:
    assert refused("torch", "eager") == ("backward", [BACKWARD + 1, BACKWARD])


def test_a_dx_that_tensorflow_computes_of_its_input_is_noticed(tensorflow_with_the_inputs_dx: None) -> None:
    assert refused("tensorflow", "eager") == ("backward", [BACKWARD + 1, BACKWARD])
