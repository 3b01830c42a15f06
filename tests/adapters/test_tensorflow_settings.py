"""What the tensorflow adapter sets for its process: kernels, threads, precision, denormals; and what it refuses."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from adapters.base import Unsupported  # noqa: E402
from adapters.choices import Choices  # noqa: E402
from adapters.tensorflow import Adapter  # noqa: E402
from tests.adapters.test_tensorflow import EXECUTIONS, TINY_MLP, adapter, loaded  # noqa: E402
from tests.helpers.executions import THREADS  # noqa: E402


@pytest.mark.parametrize(
    ("execution", "kernels", "said"),
    [("xla", "plain", "XLA"), ("graph", "the other", "cannot change that")],
)
def test_kernels_that_cannot_be_switched_any_more_are_unsupported(execution: str, kernels: str, said: str) -> None:
    """Whether oneDNN is on was decided when TensorFlow was imported; real workers: `tests/test_kernels.py`."""
    is_on = Adapter("cpu", THREADS, "fp32").describe()["onednn"] == "on"
    other, same = ("plain", "onednn") if is_on else ("onednn", "plain")
    chosen = Choices(kernels=other if kernels == "the other" else kernels)
    with pytest.raises(Unsupported, match=said):
        adapter().load(*loaded(TINY_MLP, "eager")[:2], execution, chosen)
    assert adapter().load(*loaded(TINY_MLP, "eager")[:2], "graph", Choices(kernels=same))


def test_tf32_is_switched_off_for_fp32_and_execution_is_synchronous() -> None:
    tf.config.experimental.enable_tensor_float_32_execution(True)
    tf.config.experimental.set_synchronous_execution(False)
    described = Adapter("cpu", THREADS, "fp32").describe()
    assert not tf.config.experimental.tensor_float_32_execution_enabled()
    assert tf.config.experimental.get_synchronous_execution()
    assert described["tf32"] == "off"
    assert described["intra_op_threads"] == described["inter_op_threads"] == str(THREADS)


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_denormals_are_flushed(execution: str) -> None:
    def product(x: Any) -> Any:
        return x * 0.5

    run = product if execution == "eager" else tf.function(product, jit_compile=execution == "xla")
    assert run(tf.Variable(np.array([1e-38, 1.5e-38], np.float32))).numpy().view(np.uint32).tolist() == [0, 0]


def test_settings_that_cannot_be_had_are_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter().wait(adapter().load(*loaded(TINY_MLP, "eager")[:2], "eager").inference())
    with pytest.raises(Unsupported, match="already runs"):
        Adapter("cpu", THREADS + 1, "fp32")
    with pytest.raises(Unsupported, match="tf32"):
        Adapter("cpu", THREADS, "tf32")
    with pytest.raises(Unsupported, match="neither"):
        Adapter("tpu", THREADS, "fp32")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    with pytest.raises(Unsupported, match="no CUDA device"):
        Adapter("cuda", THREADS, "fp32")
    with pytest.raises(Unsupported, match="no execution"):
        adapter().load(*loaded(TINY_MLP, "eager")[:2], "jit")


def test_gpu_memory_is_not_taken_whole() -> None:
    assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
