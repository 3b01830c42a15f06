"""A fake framework in real processes: see `tests/fakes`."""

from __future__ import annotations

import gc
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import threadpoolctl

from harness.workload.workload import Workload, save
from tests.helpers import order

if TYPE_CHECKING:
    from tests.helpers.sweeps import Sweep

# A shell that starts tests in the background has them, and what they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Hundreds of processes are started, which would each compile the project's files anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Torch takes the instructions that this CPU names, without first compiling and loading a library for each of them.
os.environ["TORCHINDUCTOR_VEC_ISA_OK"] = "1"

# In processes that share cores, NumPy's threads mostly wait for each other: the oracle was up to 30 times slower.
threadpoolctl.threadpool_limits(1, user_api="blas")


@pytest.fixture(autouse=True, scope="module")
def frameworks_as_they_were() -> Iterator[None]:
    """Torch's threads, precision and denormals and jax's float64 are settings of the process, which adapters choose."""
    torch = sys.modules.get("torch")
    before = (torch.get_num_threads(), torch.get_float32_matmul_precision()) if torch else None
    yield
    if torch and before:
        torch.set_num_threads(before[0])
        torch.set_float32_matmul_precision(before[1])
    if torch := sys.modules.get("torch"):
        torch.set_flush_denormal(False)
    if jax := sys.modules.get("jax"):
        jax.config.update("jax_enable_x64", False)


@pytest.fixture(scope="session")
def fake_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An executable that is Python for the framework `fake`."""
    script = tmp_path_factory.mktemp("bin") / "python"
    launcher = Path(__file__).parent / "fakes" / "python.py"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(launcher))} "$@"\n')
    script.chmod(0o755)
    return str(script)


@pytest.fixture
def sweep(tmp_path: Path, fake_python: str) -> Iterator[Sweep]:
    """Starts sweeps of its own; ends what is left of them."""
    from tests.helpers.sweeps import Sweep  # MLflow takes seconds

    made = Sweep(tmp_path / "the results", fake_python)
    yield made
    for process in made.started:
        process.kill()  # harmless to one that has ended; its workers die with it
        process.communicate()


@pytest.fixture(scope="session")
def tiny() -> Workload:
    """Work that takes no time."""
    return Workload.of("mlp", {"batch": 2, "depth": 2, "width": 4})


@pytest.fixture(scope="session")
def tiny_folder(tiny: Workload, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its arrays and the oracle's answer, as a worker loads them."""
    return save(tiny, tmp_path_factory.mktemp("workload"))


@pytest.hookimpl(optionalhook=True)  # without pytest-xdist there is nothing to schedule
def pytest_xdist_make_scheduler(config: Any, log: Any) -> Any:
    """Groups of tests, and a crash that costs one of them."""
    if config.getvalue("dist") != "loadgroup":
        return None
    from tests.helpers.scheduling import CrashProofScheduling

    return CrashProofScheduling(config, log)


def pytest_collection_finish() -> None:
    """Spare garbage collection the million objects of frameworks and tests, which take it most of a second."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in its own
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run in several processes (`-n 3 --dist loadgroup`), the tests of a file share what they load."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.name))
    if getattr(config.option, "loadgroup", False):
        order.spread(items)
