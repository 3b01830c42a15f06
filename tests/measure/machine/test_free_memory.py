"""How much memory is left, as a fake kernel and a fake driver say it; and what the real kernel does without any."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import psutil
import pytest

from harness.measure.machine import free_memory
from harness.measure.machine.free_memory import memory_left
from harness.measure.protocol import Failure
from tests.helpers.nvml import fake_nvml
from tests.measure.conftest import Start

MIB = 2**20


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A system on which this process is in the cgroup job/step, without any limit."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/job/step\n")
    for folder, limit in (("job/step", "max"), ("job", "max")):
        write_cgroup(tmp_path / "sys/fs/cgroup" / folder, limit, used=0, files=0)
    return tmp_path


def write_cgroup(folder: Path, limit: str, used: int, files: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\ninactive_file {files}\nactive_file 5\n")


def test_without_a_limit_it_is_what_the_machine_has_left(root: Path) -> None:
    assert memory_left("cpu", root) == pytest.approx(psutil.virtual_memory().available, rel=0.2)
    (root / "proc/self/cgroup").unlink()
    assert memory_left("cpu", root) == pytest.approx(psutil.virtual_memory().available, rel=0.2)


@pytest.mark.parametrize("folder", ["job/step", "job"])
def test_the_limit_of_every_cgroup_around_this_process_counts(root: Path, folder: str) -> None:
    write_cgroup(root / "sys/fs/cgroup" / folder, str(64 * MIB), used=60 * MIB, files=3 * MIB)
    assert memory_left("cpu", root) == 7 * MIB


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    library = fake_nvml()
    monkeypatch.setattr(free_memory, "pynvml", library)
    monkeypatch.setattr(free_memory, "visible_gpu", lambda: 0)
    return library


def test_of_a_gpu_it_is_what_its_driver_says(driver: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory_left("cuda") is None
    monkeypatch.setenv("FAKE_NVML", "[]")
    assert memory_left("cuda") is None, "it does not show its memory"
    driver.free.append(5 * MIB)
    assert memory_left("cuda") == 5 * MIB


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A real cgroup with a limit of 120 MiB, in either of the kernel's two layouts."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    own = {controllers: path for _, controllers, path in (line.split(":", 2) for line in lines)}
    if "memory" in own:
        folder, limit = Path(f"/sys/fs/cgroup/memory{own['memory']}"), "memory.limit_in_bytes"
    else:
        folder, limit = Path(f"/sys/fs/cgroup{own.get('', '')}"), "memory.max"
    made = folder / f"twofold-{os.getpid()}"
    try:
        made.mkdir()
        (made / limit).write_text(str(120 * MIB))
    except OSError as error:
        if made.exists():
            made.rmdir()
        pytest.skip(f"no cgroup with a limit can be made here ({error})")
    yield made
    made.rmdir()


def test_a_worker_that_the_kernel_ends_for_want_of_memory_is_out_of_memory_and_has_not_crashed(
    start: Start, cgroup: Path
) -> None:
    worker = start.opened()
    (cgroup / "cgroup.procs").write_text(str(worker.process.pid))
    with pytest.raises(Failure) as caught:
        worker.load(60, start.folder, "holds")
    assert caught.value.outcome == "oom"
    assert caught.value.reason.startswith("out of memory (the kernel killed the worker during 'load'); see ")
