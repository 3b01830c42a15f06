"""Torch.compile without a C++ compiler that works: unsupported, and with what to install; in real worker processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")

from adapters.base import Unsupported
from adapters.torch.toolchain import require_compiler
from harness.measure.protocol import Failure, Outcome
from harness.measure.worker import Worker
from harness.workload.workload import Workload, save


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Failure | None]:
    """What a worker of torch says to an op for which code is generated, on a PATH of one folder and with CXX if given.

    One kernel, the same in each phase, is enough to see which compiler is called.
    """
    folder = save(Workload.of("op", {"op": "add", "batch": 2, "width": 4}), tmp_path / "workload")
    monkeypatch.delenv("CXX", raising=False)
    empty = tmp_path / "bin"
    empty.mkdir()

    def ask(execution: str, path: Path = empty, **environment: str) -> Failure | None:
        environment |= {"PATH": str(path), "TWOFOLD_CACHE_DIR": str(tmp_path / "cache")}
        with Worker(sys.executable, sorted(os.sched_getaffinity(0)), tmp_path / "log", environment) as worker:
            worker.open(120, framework="torch", device="cpu", threads=1, precision="fp32")
            try:
                worker.load(300, folder, execution)
            except Failure as failure:
                assert not list((tmp_path / "cache").rglob("*.cpp")), failure
                return failure
        return None

    return ask


def script(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_without_a_compiler_it_is_unsupported_and_says_what_to_install(load: Callable[..., Failure | None]) -> None:
    failure = load("compile")
    assert failure is not None and failure.outcome is Outcome.UNSUPPORTED
    assert "g++ does not run; install g++, or set CXX" in failure.reason


def test_eager_needs_none(load: Callable[..., Failure | None]) -> None:
    assert load("eager") is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (None, "does not run; install g++, or set CXX"),  # no such file
        (
            '[ "$1" = --version ] && exit 0; echo "x.cpp:2: fatal error: no Python.h" >&2; exit 1',
            "error: no Python.h);",
        ),
        ("exit 0", "(exit code 0); install g++ and Python's headers"),  # and has written nothing
    ],
    ids=["not there", "an error", "nothing written"],
)
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # the compiler still uses it
def test_a_compiler_that_cannot_compile_is_unsupported_with_what_it_said(
    tmp_path: Path, body: str | None, said: str
) -> None:
    """Inductor's own setting is what CXX becomes when a process imports it; the last test has a worker's."""
    from torch._inductor import config

    compiler = tmp_path / "c++"
    if body is not None:
        script(compiler, body)
    with config.patch({"cpp.cxx": (None, str(compiler))}), pytest.raises(Unsupported) as refusal:
        require_compiler()
    assert f"{compiler} " in str(refusal.value) and said in str(refusal.value)


def test_a_compiler_that_works_is_used_wherever_it_is(load: Callable[..., Failure | None], tmp_path: Path) -> None:
    """Nothing else on the PATH is needed, not even openssl."""
    wrapper = script(tmp_path / "g++", f'echo "$*" >>"{tmp_path}/calls"; PATH={os.environ["PATH"]} exec g++ "$@"')
    assert load("compile", CXX=wrapper) is None
    assert "torchinductor" in (tmp_path / "calls").read_text()
