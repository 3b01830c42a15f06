"""The same bits from every call: what each framework is told, and where there is nothing to be told."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.base import Unsupported
from adapters.choices import Choices
from tests.helpers.executions import adapter_of
from tests.helpers.programs import run, work

torch = pytest.importorskip("torch")

from adapters.torch import determinism  # noqa: E402

pytestmark = pytest.mark.usefixtures("no_code_generation")

ROOT = Path(__file__).parents[2]
BY_SWITCH = [("torch", "eager"), ("torch", "compile"), ("tensorflow", "eager"), ("tensorflow", "graph")]


def described(framework: str) -> str:
    return adapter_of(framework).describe()["deterministic"]


@pytest.mark.parametrize(("framework", "execution"), BY_SWITCH)
def test_it_computes_the_same_and_says_so(framework: str, execution: str) -> None:
    """`run` verifies the bits too."""
    _, _, _, differing = run(framework, execution, "mlp", deterministic=True)
    assert not differing
    assert described(framework) == "yes"
    workload, arrays, _ = work("mlp")
    adapter_of(framework).load(workload.graph, arrays, execution)
    assert described(framework) == "no"


@pytest.mark.parametrize(("framework", "execution"), [("jax", "jit"), ("tensorflow", "xla")])
def test_xlas_kernels_for_a_cpu_need_no_telling(framework: str, execution: str) -> None:
    workload, arrays, _ = work("mlp")
    with pytest.raises(Unsupported, match=f"^{framework}: .* deterministic as they are"):
        adapter_of(framework).load(workload.graph, arrays, execution, Choices(deterministic=True))


def test_xla_knows_the_option_that_a_gpu_is_given() -> None:
    jax = pytest.importorskip("jax")
    from adapters.jax.adapter import DETERMINISTIC
    from adapters.jax.executable import Executable

    assert float(Executable(jax.numpy.negative, "highest", DETERMINISTIC)(jax.numpy.float32(1))) == -1


def test_cublas_reads_its_variable_before_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with pytest.raises(Unsupported, match="CUBLAS_WORKSPACE_CONFIG"):
        determinism.use(True, torch.device("cuda"))
    determinism.use(False, torch.device("cuda"))


@pytest.mark.parametrize(("chosen", "said"), [("True", ":4096:8"), ("False", "None"), (None, "None")])
def test_a_worker_is_told_by_its_environment(chosen: str | None, said: str) -> None:
    environment = {} if chosen is None else {"TWOFOLD_DETERMINISTIC": chosen}
    program = "import os, adapters.torch.environment; print(os.environ.get('CUBLAS_WORKSPACE_CONFIG'))"
    printed = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == said


def test_an_op_without_such_a_kernel_is_unsupported() -> None:
    """torch has one that no CPU can do: what it says there is what it says on a GPU."""
    determinism.use(True, torch.device("cpu"))
    with pytest.raises(RuntimeError) as raised:
        torch.nn.functional.max_unpool2d(torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1, dtype=torch.int64), 2)
    assert "no deterministic kernel" in str(adapter_of("torch").refusal(raised.value))


@pytest.fixture(autouse=True)
def _no_longer_afterwards() -> Iterator[None]:
    """The switches are the process's."""
    yield
    determinism.use(False, torch.device("cpu"))


def test_an_op_of_tensorflow_without_such_a_kernel_is_unsupported() -> None:
    tf = pytest.importorskip("tensorflow")
    error = tf.errors.UnimplementedError(None, None, "A deterministic GPU implementation of X is not available.")
    assert "no deterministic kernel" in str(adapter_of("tensorflow").refusal(error))
    assert adapter_of("tensorflow").refusal(ValueError("deterministic")) is None
