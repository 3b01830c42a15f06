"""Several replicas in real workers: reduced gradients in each, multiplies of each, and what is left when they end."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.base import Unsupported
from adapters.choices import Choices
from adapters.replicated import LOCAL_PHASES, REPLICATED_PHASES
from harness.measure.protocol import Failure
from harness.measure.worker import Worker
from harness.workload.cost import phase_work
from harness.workload.replicas import share
from harness.workload.workload import Workload, save
from tests.helpers.executions import adapter_of
from tests.helpers.processes import children, eventually, gone

SIZES = {"batch": 8, "depth": 3, "width": 16}
WORKLOAD = Workload.of("mlp", SIZES)
CHOICES = {"replicas": 2}
EXECUTIONS = [("torch", "eager"), ("jax", "jit"), ("tensorflow", "graph")]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The workload in each precision."""
    return {
        precision: save(Workload.of("mlp", SIZES, precision=precision), tmp_path_factory.mktemp(precision))
        for precision in ("fp32", "fp64")
    }


@pytest.fixture
def loaded(folders: dict[str, Path], tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """`loaded(framework, execution)` is a worker that holds a program of two replicas."""
    workers: list[Worker] = []

    def load(framework: str, execution: str, precision: str = "fp32") -> Worker:
        cpus = sorted(os.sched_getaffinity(0))
        worker = Worker(sys.executable, cpus, tmp_path / "log", {"TWOFOLD_REPLICAS": "2"})
        workers.append(worker)
        worker.open(120, framework=framework, device="cpu", threads=2, precision=precision)
        assert worker.load(120, folders[precision], execution, CHOICES).described["replicas"].startswith("2 ")
        return worker

    yield load
    for worker in workers:
        worker.close()


@pytest.mark.slow
@pytest.mark.parametrize(("framework", "execution"), EXECUTIONS)
def test_each_replica_has_the_whole_batchs_gradients_from_its_part_of_the_work(
    loaded: Callable[..., Worker], framework: str, execution: str
) -> None:
    worker = loaded(framework, execution)
    verified = worker.verify(60)
    assert max(verified.gradient_errors.values()) < 1e-6
    counts, asked = worker.count(60), phase_work(share(WORKLOAD, 2).graph)
    assert list(counts) == list(REPLICATED_PHASES)
    for phase, counted in counts.items():
        work = asked[phase.removesuffix("_local")]
        assert (counted.matmuls, counted.flops) == (work.matmuls, work.flops), phase
    samples = worker.measure(60, 2, 1)
    assert set(LOCAL_PHASES) < samples.seconds.keys()
    assert all(seconds > 0 for phase in samples.seconds.values() for seconds in phase)
    own = worker.reduction(60)
    assert own["reduction"] > 0 and own["compute"] > 0 if framework == "torch" else own == {}
    for peer in children(worker.process.pid, "spawn_main"):  # torch's
        fails_when_it_dies(worker, peer)


def fails_when_it_dies(worker: Worker, peer: int) -> None:
    os.kill(peer, signal.SIGKILL)
    with pytest.raises(Failure) as failure:
        worker.measure(60, 1, 1)
    assert failure.value.outcome == "error"
    assert failure.value.reason == "RuntimeError: a replica failed: its process died"


@pytest.mark.slow
@pytest.mark.parametrize(("framework", "execution"), EXECUTIONS)
def test_in_float64_they_are_as_exact_as_float64_is_and_none_outlasts_the_worker(
    loaded: Callable[..., Worker], framework: str, execution: str
) -> None:
    worker = loaded(framework, execution, "fp64")
    assert max(worker.verify(60).gradient_errors.values()) < 1e-14
    peers = children(worker.process.pid, "spawn_main")
    assert len(peers) == (framework == "torch")
    worker.close()
    eventually(lambda: all(map(gone, peers)))


@pytest.mark.parametrize(
    ("framework", "execution", "gradients", "chosen", "words"),
    [
        ("torch", "eager", "params", {}, "torch: replicas=2 needs a CPU for each and device.threads is 1"),
        ("jax", "jit", "params", {}, "jax: replicas=2 needs a CPU for each and device.threads is 1"),
        ("torch", "compile", "params", {}, "torch: several replicas run eagerly here"),
        ("tensorflow", "graph", "params", {}, "tensorflow: replicas=2 needs a CPU for each and device.threads is 1"),
        ("tensorflow", "eager", "params", {}, "tensorflow: op by op, replicas would take turns"),
        ("tensorflow", "xla", "params", {}, "tensorflow: XLA compiles for one device here"),
        ("numpy", "by_hand", "params", {"autodiff": "by_hand"}, "with several replicas there is no autodiff=by_hand"),
        ("torch", "eager", "both", {}, "replicas reduce gradients of parameters, not gradients=both"),
        ("torch", "eager", "params", {"optimizer": "sgd"}, "with several replicas there is no optimizer=sgd"),
        ("jax", "jit", "params", {"tangent": True}, "with several replicas there is no tangent=True"),
    ],
)
def test_what_several_replicas_cannot_do_is_unsupported_in_one_sentence(
    framework: str, execution: str, gradients: str, chosen: dict[str, Any], words: str
) -> None:
    workload = Workload.of("mlp", {"batch": 8, "depth": 2, "width": 4}, gradients=gradients)
    graph = share(workload, 2).graph
    with pytest.raises(Unsupported, match=f"^{words}") as refusal:
        adapter_of(framework).load(graph, workload.sample(), execution, Choices(replicas=2, **chosen), {})
    assert "\n" not in str(refusal.value) and not str(refusal.value).endswith(".")


def test_the_batch_of_a_model_of_ones_own_is_not_split() -> None:
    from adapters.common.refusals import check_own_choices

    with pytest.raises(Unsupported, match=r"^replicas=2: the batch of a model of your own is not split"):
        check_own_choices(Choices(replicas=2), "fp32")
