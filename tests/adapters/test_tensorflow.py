"""The tensorflow adapter: its answers, the multiplies that it runs, and one test for each trap that tensorflow sets."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from adapters.tensorflow import Adapter, ops  # noqa: E402
from adapters.tensorflow.counting import count_eager, count_graph, executed_ops  # noqa: E402
from harness.workload.models import MLP  # noqa: E402
from harness.workload.trace import trace  # noqa: E402
from tests.helpers.executions import adapter_of  # noqa: E402
from tests.helpers.small_models import NegativeImages  # noqa: E402
from tests.helpers.tiny import TINY_GPT2, TINY_MLP, answers, counts, sample  # noqa: E402

EXECUTIONS = Adapter.executions
COMPILED = EXECUTIONS[1:]


@cache
def adapter(precision: str = "fp32") -> Any:
    return adapter_of("tensorflow", precision=precision)


def loaded(model: Any, execution: str, gradients: str = "params", precision: str = "fp32") -> Any:
    """The graph, its arrays and a program whose first calls are over; the same one each time."""
    return _loaded(model, execution, gradients, precision)


@cache
def _loaded(model: Any, execution: str, gradients: str, precision: str) -> Any:
    graph = trace(model, gradients)
    arrays = sample(graph)
    program = adapter(precision).load(graph, arrays, execution)
    answers(program)
    return graph, arrays, program


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_bf16_keeps_bf16_gradients_and_a_float32_loss(execution: str) -> None:
    program = loaded(TINY_MLP, execution, precision="bf16")[2]
    assert program.inference().dtype == tf.float32
    assert {g.dtype for g in program.gradient()[1].values()} == {tf.bfloat16}


@pytest.mark.parametrize("execution", COMPILED)
def test_later_calls_neither_trace_nor_compile(execution: str, monkeypatch: pytest.MonkeyPatch) -> None:
    traced, linear = [], ops.linear

    def listening(*arguments: Any) -> Any:
        traced.append(1)
        return linear(*arguments)

    monkeypatch.setattr(ops, "linear", listening)
    graph = trace(TINY_MLP)
    program = adapter().load(graph, sample(graph), execution)
    first = {kind for _, kind in executed_ops(partial(answers, program))}
    assert len(traced) == 3 * TINY_MLP.depth  # inference, gradient, and forward and backward together
    later = {kind for _, kind in executed_ops(lambda: [answers(program) for _ in range(3)])}
    assert len(traced) == 3 * TINY_MLP.depth
    assert (":Compile" in first) == (execution == "xla")
    assert ":Compile" not in later


@pytest.mark.parametrize("execution", COMPILED)
def test_residuals_of_another_shape_are_refused_instead_of_traced(execution: str) -> None:
    _, _, program = loaded(TINY_MLP, execution)
    _, _, other = loaded(MLP(batch=5, depth=3, width=8), execution)
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        program.backward(other.forward())
        program.backward((None, other.forward()[1][:1]))


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_repeated_and_alternating_calls_give_the_same_answers(execution: str) -> None:
    _, _, program = loaded(TINY_MLP, execution)
    losses, (split, fused) = answers(program)
    for _ in range(2):
        program.gradient()
        again, (split_again, fused_again) = answers(program)
        assert again == losses
        for name in split:
            np.testing.assert_array_equal(split_again[name], split[name])
            np.testing.assert_array_equal(fused_again[name], fused[name])


@pytest.mark.parametrize("execution", COMPILED)
def test_forward_keeps_activations_once_and_no_copies_of_parameters_or_inputs(execution: str) -> None:
    model = MLP(batch=5, depth=3, width=8, inputs=7, classes=6)
    _, _, program = loaded(model, execution)
    kept = program.forward()
    # The rectified layers, and the loss's gradient for the logits, which TensorFlow computes with the loss.
    assert sorted(tuple(tensor.shape) for tensor in kept[1]) == [(5, 6), (5, 8), (5, 8)]
    assert program.residual_bytes(kept) == 4 * (2 * 5 * 8 + 5 * 6)


def test_the_compiled_forward_copies_no_weight() -> None:
    _, _, program = loaded(MLP(batch=5, depth=3, width=8, inputs=7, classes=6), "xla")
    returned = [line for line in program._forward.hlo().splitlines() if line.startswith("  ROOT ")][-1]
    shapes = returned.split(" tuple(")[0]
    assert "[8,8]" not in shapes and "[7,8]" not in shapes and "[5,7]" not in shapes
    assert "[5,8]" in shapes


def test_an_eager_tape_holds_activations_logits_and_the_gradient_of_the_loss() -> None:
    _, _, program = loaded(MLP(batch=5, depth=3, width=8, inputs=7, classes=6), "eager")
    # Beside what a graph keeps: the logits, for a second derivative, and the loss of each row, for its shape.
    assert program.residual_bytes(program.forward()) == 4 * (2 * 5 * 8 + 2 * 5 * 6 + 5)


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_gradients_are_dense_even_of_a_tied_table(execution: str) -> None:
    _, _, program = loaded(TINY_GPT2, execution)
    for gradients in (program.backward(program.forward()), program.gradient()[1]):
        assert all(isinstance(g, tf.Tensor) for g in gradients.values())


def test_parameters_are_not_folded_into_the_program() -> None:
    """TensorFlow turns a captured tensor of up to 128 elements into a constant."""
    graph, arrays, _ = loaded(TINY_MLP, "graph")
    for execution in COMPILED:
        program = adapter().load(graph, arrays, execution)
        before = answers(program)[0]
        program._variables["b3"].assign_add(np.arange(8, dtype=np.float32))
        after = answers(program)[0]
        assert all(a != b for a, b in zip(before, after, strict=True))


def test_a_dead_multiply_is_not_counted_in_a_graph_and_a_fused_one_is() -> None:
    x = tf.ones((4, 8))

    def body() -> Any:
        y = tf.nn.relu(tf.nn.bias_add(tf.matmul(x, tf.transpose(x)), tf.ones(4)))
        tf.matmul(y, y, name="dead")
        return tf.reduce_sum(y)

    function = tf.function(body, autograph=False).get_concrete_function()
    traced = [op.type for op in function.graph.get_operations()]
    assert traced.count("MatMul") == 2
    found = count_graph(function.graph, function)
    assert (found.matmuls, found.flops) == (1, 2 * 4 * 4 * 8)
    assert count_eager(body).matmuls == 2


def test_a_convolution_in_a_function_that_reads_its_kernel_from_a_variable_is_counted_with_its_groups() -> None:
    """As Keras's grouped convolution is, even where TensorFlow runs op by op."""
    image, kernel = tf.ones((2, 8, 8, 4)), tf.Variable(tf.ones((3, 3, 2, 6)))
    function = tf.function(lambda x: tf.nn.conv2d(x, kernel, strides=1, padding="SAME"), jit_compile=True)
    executed = count_eager(lambda: function(image))
    assert (executed.matmuls, executed.flops) == (1, 2 * (2 * 8 * 8 * 6) * (3 * 3 * 2))


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_grouped_convolutions_say_why_they_count_differently(execution: str) -> None:
    grouped, depthwise = (counted(groups, execution) for groups in (2, 4))
    assert grouped["backward"].matmuls == 2 + 2 and "group" in grouped["backward"].note
    assert ("pairs" in depthwise["backward"].note) == (execution == "xla")
    assert depthwise["forward"].note == ""


def counted(groups: int, execution: str) -> Any:
    graph, _, program = loaded(NegativeImages(groups), execution)
    return counts(adapter(), program, graph, execution)


def test_wait_takes_nested_values_and_no_device_clock_is_claimed() -> None:
    program = loaded(TINY_MLP, "graph")[2]
    adapter().wait((program.gradient(), [program.forward()]))
    result, seconds = adapter().device_seconds(program.inference)
    assert float(result) == float(program.inference()) and seconds is None


def test_on_a_gpu_the_peak_is_what_the_allocator_gave_out_from_before_the_call_until_it_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, steps = adapter(), []
    experimental = tf.config.experimental
    monkeypatch.setattr(ours, "_gpu", "Fake GPU")
    monkeypatch.setattr(tf.test.experimental, "sync_devices", lambda: steps.append("wait"))
    monkeypatch.setattr(experimental, "reset_memory_stats", lambda device: steps.append("reset"))
    monkeypatch.setattr(experimental, "get_memory_info", lambda device: {"current": 1, "peak": len(steps)})
    assert ours.peak_bytes(lambda: steps.append("call")) == (None, 4)
    assert steps == ["wait", "reset", "call", "wait"]
