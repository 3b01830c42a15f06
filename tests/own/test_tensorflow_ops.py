"""Which op of a user's own Keras model each gradient belongs to where TensorFlow runs it op by op."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

tf = pytest.importorskip("tensorflow")

from adapters.tensorflow import Adapter  # noqa: E402
from adapters.tensorflow.counting import count_eager, observed_ops  # noqa: E402
from adapters.tensorflow.own_ops import Layers  # noqa: E402
from adapters.tensorflow.own_profiled_eager import EagerOps, _ran, eager_times  # noqa: E402
from tests.helpers.own import least  # noqa: E402

SIZE = 1000  # of a square matrix whose product takes longer than anything else here

pytestmark = pytest.mark.xdist_group("tensorflow-eager")

LAYERS = Layers(SimpleNamespace(name="model", _flatten_layers=list))


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    """As other tests in this process have it, which TensorFlow does not let them change."""
    Adapter("cpu", 1, "fp32")


def belonging(loss: Callable[[Any], Any], source: Any) -> dict[str, list[str]]:
    """The types of ops that belong to each op of the forward pass, in order; those of no op are under an empty name."""
    noted, found = EagerOps(LAYERS), []
    with noted.gradients_known():
        with observed_ops(noted.call), tf.GradientTape() as tape:
            tape.watch(source)
            result = loss(source)
        with observed_ops(lambda kind, *of_op: found.append((kind, noted.gradient(kind, *of_op)))):
            tape.gradient(result, source)
    ours: dict[str, list[str]] = {}
    for kind, number in found:
        ours.setdefault("" if number is None else f"{number} {noted.calls[number].op}", []).append(kind)
    return ours


def test_each_gradient_belongs_to_its_own_call_in_every_branch_and_a_sum_of_them_to_none() -> None:
    def loss(x: Any) -> Any:
        return tf.reduce_sum(tf.matmul(tf.nn.relu(x), tf.nn.relu(x)) + tf.matmul(x, x))

    ours = belonging(loss, tf.ones((8, 8)))
    assert ours["0 Relu"] == ours["1 Relu"] == ["ReluGrad"]
    assert ours["2 MatMul"] == ours["3 MatMul"] == ["MatMul", "MatMul"]
    assert ours[""].count("AddN") == 1


def test_a_gradient_of_the_users_own_belongs_to_that_function_with_all_that_it_computes_again() -> None:
    @tf.custom_gradient
    def mine(x: Any) -> Any:
        def gradient(dy: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(x)
                again = tf.tanh(x)
            return tape.gradient(again, x, dy)

        return tf.tanh(x), gradient

    ours = belonging(lambda x: tf.reduce_sum(mine(tf.nn.relu(x))), tf.ones((4, 8)))
    assert ours["2 mine"] == ["Tanh", "TanhGrad"]
    assert ours["0 Relu"] == ["ReluGrad"]
    assert "1 Tanh" not in ours


def test_a_traced_function_is_one_op_with_its_gradient_and_what_is_traced_is_none() -> None:
    @tf.function
    def inner(x: Any) -> Any:
        return tf.matmul(tf.tanh(x), x)

    ours = belonging(lambda x: tf.reduce_sum(tf.nn.relu(inner(x))), tf.ones((8, 8)))
    assert "0 inner" in ours and "1 Relu" in ours and "MatMul" not in str(ours)
    assert len(ours["0 inner"]) == 1
    fresh = tf.function(lambda x: tf.matmul(x, x))
    assert count_eager(lambda: fresh(tf.ones((8, 8)))).matmuls == 1


def test_a_gradient_within_the_loss_is_of_the_forward_pass_and_has_the_line_that_asks_for_it() -> None:
    def penalised(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = tf.reduce_sum(tf.tanh(x))
        return tf.reduce_sum(tf.square(tape.gradient(value, x)))

    noted = EagerOps(LAYERS)
    with noted.gradients_known(), observed_ops(noted.call):
        penalised(tf.ones((4, 8)))
    (inner,) = (call for call in noted.calls if call.op == "TanhGrad")
    line = penalised.__code__.co_firstlineno + 4
    assert inner.line == f"{Path(__file__).name}:{line}"
    assert any(name.endswith("TanhGrad") for name in belonging(penalised, tf.ones((4, 8))))


def test_a_backward_pass_that_is_slow_is_that_of_its_op() -> None:
    large = tf.ones((SIZE, SIZE))

    @tf.custom_gradient
    def slow(x: Any) -> Any:
        return tf.identity(x), lambda dy: dy * tf.reduce_sum(tf.matmul(large, large))

    def forward() -> Any:
        with tf.GradientTape() as tape:
            source = tf.ones((4, 8))
            tape.watch(source)
            return tape, tf.reduce_sum(slow(tf.nn.relu(source))), source

    runs = eager_times(LAYERS, forward, lambda kept: kept[0].gradient(kept[1], kept[2]), 5)
    assert len(runs) == 5
    own = {op.op: op for op in least(runs)}
    assert own["slow"].backward_s > 10 * sum(op.backward_s for name, op in own.items() if name != "slow")
    assert 0 < own["slow"].forward_s < own["slow"].backward_s
    assert own["Relu"].forward_s > 0 < own["Relu"].backward_s


def test_what_cannot_be_told_belongs_to_no_op() -> None:
    x = tf.ones((8, 8))

    def phase() -> None:
        tf.nn.relu(x)
        tf.matmul(x, x)
        elsewhere = threading.Thread(target=lambda: tf.matmul(x, x))  # where nobody notes it
        elsewhere.start()
        elsewhere.join()

    told = _ran(lambda *_: 7, phase)
    assert sorted(str(number) for number, _ in told) == ["7", "None", "None"]


def test_tensorflow_is_afterwards_as_it_was() -> None:
    from tensorflow.python import pywrap_tfe

    before = pywrap_tfe.TFE_Py_TapeSetRecordOperation
    noted = EagerOps(LAYERS)
    with noted.gradients_known():
        pass
    assert pywrap_tfe.TFE_Py_TapeSetRecordOperation is before
    gone = weakref.ref(noted)
    del noted
    gc.collect()
    assert gone() is None, "a tape still asks it for gradients"
