"""Workers that do not fit into memory together: who is measured with whom, in real processes and by script."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path

import pytest

from harness.job import Device, Measure
from harness.measure import groups
from harness.measure.groups import CONTEXT, SPARE, Group
from harness.measure.launch import Conditions, Launch
from harness.measure.machine.free_memory import held_bytes
from harness.measure.protocol import Failure, Outcome, PeakMemory
from harness.measure.trial import Measured, run_trial
from harness.measure.worker import Worker
from tests.helpers.processes import children

MIB = 2**20
ENOUGH = 2**40


class Scripted(Worker):
    """Holds what `peak` says once it is asked."""

    def __init__(self, peak: int) -> None:
        self.peak = peak

    def peak_memory(self, deadline_s: float) -> PeakMemory:
        return PeakMemory({"forward": 1, "backward": self.peak} if self.peak else {})


class Gpu:
    """A GPU of so many bytes, of which prepared workers hold all that they ever needed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, total: int | None) -> None:
        self.left = total
        monkeypatch.setattr(groups, "memory_left", lambda device: self.left)

    def fill(self, sizes: Mapping[str, int], peaks: dict[str, int], turn: int = 0) -> Group[str]:
        """A group that each of these workers was offered to, and prepared in if it was admitted."""
        group = Group("cuda", peaks, turn, queued=0)
        for name, size in sizes.items():
            if group.admits(name, Scripted(size)):
                group.note_loaded(name, 60.0)
                self.left = None if self.left is None else self.left - size - CONTEXT
        return group


def test_a_gpu_takes_as_many_workers_as_fit_and_what_is_not_known_needs_as_much_as_the_largest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = {"a": 100 * MIB, "b": 300 * MIB, "c": 200 * MIB, "d": 10 * MIB}
    room = sum(sizes[name] + CONTEXT for name in "ab") + SPARE
    peaks: dict[str, int] = {}
    first = Gpu(monkeypatch, room + 200 * MIB + CONTEXT).fill(sizes, peaks)
    assert first.waiting == ["c", "d"], "each is thought to need what b needed"
    assert peaks == {name: sizes[name] + CONTEXT for name in "ab"}
    known = {name: size + CONTEXT for name, size in sizes.items()}
    second = Gpu(monkeypatch, room + 200 * MIB + CONTEXT).fill(sizes, known)
    assert second.waiting == ["d"], "c is known to fit"
    assert Gpu(monkeypatch, room + 200 * MIB + 2 * CONTEXT + 10 * MIB).fill(sizes, known).waiting == []


@pytest.mark.parametrize("total", [0, None])
def test_the_first_is_always_admitted_and_everyone_where_nobody_knows_what_is_left(
    monkeypatch: pytest.MonkeyPatch, total: int | None
) -> None:
    group = Gpu(monkeypatch, total).fill({"a": 5 * MIB, "b": 0}, {})
    assert group.waiting == ([] if total is None else ["b"])


def test_those_that_are_being_prepared_are_promised_what_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    Gpu(monkeypatch, SPARE + 25 * MIB)
    group = Group("cuda", dict.fromkeys("abc", 10 * MIB), 0, queued=0)
    assert [group.admits(name, Scripted(0)) for name in "abc"] == [True, True, False]
    assert group.waiting == ["c"]


def test_only_one_that_ran_out_of_memory_beside_others_is_tried_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    Gpu(monkeypatch, None)
    group: Group[str] = Group("cuda", {}, 0, queued=0)
    full, wrong = Failure(Outcome.OOM, "out of memory"), Failure(Outcome.ERROR, "wrong")
    group.admits("a", Scripted(1))
    group.admits("b", Scripted(1))
    group.admits("c", Scripted(1))
    assert [group.queue_retry("a", wrong), group.queue_retry("b", full), group.queue_retry("c", full)] == [
        False,
        True,
        True,
    ]
    assert group.crowded == ["b", "c"], "c too: the others were there while it loaded"
    alone: Group[str] = Group("cuda", {}, 1, queued=0)
    alone.admits("b", Scripted(1))
    assert not alone.queue_retry("b", full)


class Room:
    """Real workers of the fake framework on a CPU with so many places for them, of as much memory as each holds."""

    def __init__(self, python: str, arrays: Path, folder: Path) -> None:
        self.python, self.arrays, self.folder = python, arrays, folder
        self.ended: list[str] = []
        self.most_at_once = 0

    def __call__(self, *executions: str, trials: int = 1, budget_s: float = 0.3) -> dict[str, Measured]:
        ready: Future[Path] = Future()
        ready.set_result(self.arrays)
        conditions = Conditions(
            Device("cpu", 1, "kept"),
            Measure("brief", trials, 0.02, budget_s, 0.1, 60.0),
            "fp32",
            sorted(os.sched_getaffinity(0)),
            self.folder / "cache",
        )
        known = {name: Measured() for name in executions}
        for _ in range(trials):
            launches = {
                name: Launch("fake", name, {}, self.python, self.folder / f"{name}.log")
                for name in executions
                if not known[name].failure
            }
            run_trial(
                launches, known, conditions, ready, lambda name, left_s: self.ended.append(name), doing=self._look
            )
        return known

    def _look(self, what: str, name: str, left_s: float | None) -> None:
        holding = [child for child in children(os.getpid()) if held_bytes(child)[0] > 150 * MIB]
        self.most_at_once = max(self.most_at_once, len(holding))


@pytest.fixture
def room(fake_python: str, tiny_folder: Path, tmp_path: Path) -> Room:
    return Room(fake_python, tiny_folder, tmp_path)


def with_memory_of(total: int) -> Callable[[str], int]:
    """What is left of so many bytes, as the kernel would say it of a machine on which nothing else runs."""
    return lambda device: total - sum(held_bytes(child)[0] for child in children(os.getpid()))


@pytest.mark.slow
def test_workers_are_measured_in_groups_that_fit_and_say_so(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each holds 200 MiB and what Python takes; two have room, and three do not."""
    monkeypatch.setattr(groups, "memory_left", with_memory_of(SPARE + 550 * MIB))
    names = ("holds", "holds-10001", "holds-10002", "holds-10003")
    known = room(*names, trials=2)
    assert room.most_at_once == 2
    assert sorted(room.ended) == sorted([*names, *names])
    for name, result in known.items():
        assert result.failure is None and len(result.trials) == 2 and 200 * MIB < result.peak_bytes < 350 * MIB, name
    turns = {name: result.turns for name, result in known.items()}
    assert sorted(turn for turns_of in turns.values() for turn in turns_of) == [0] * 4 + [1] * 4
    first, second = sorted(names, key=lambda name: turns[name][1])[:2]
    assert known[first].group == (
        f"group 1, in the same rounds as {second} alone: not all variants fitted into memory together"
    )


def test_with_enough_memory_there_is_one_group_and_nothing_is_said(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "memory_left", lambda device: ENOUGH)
    known = room("plain", "sleepy", "deferred")
    assert {(tuple(result.turns), result.group) for result in known.values()} == {((0,), "")}


@pytest.fixture
def shared_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A device whose memory nobody can foresee, with room for one program."""
    (tmp_path / "device").mkdir()
    monkeypatch.setenv("FAKE_DEVICE", str(tmp_path / "device"))
    monkeypatch.setattr(groups, "memory_left", lambda device: ENOUGH)


def test_what_runs_out_of_memory_beside_others_is_measured_alone(room: Room, shared_gpu: None) -> None:
    """While one warms up, and in the first calls of another that has no room alone either."""
    known = room("plain", "crowded-6", "memory-1")
    assert known["crowded-6"].failure is None and known["crowded-6"].turns[0] in (1, 2)
    failure = known["memory-1"].failure
    assert failure and failure.outcome == "oom" and "8.00 TiB" in failure.reason
    assert sorted(room.ended) == ["crowded-6", "memory-1", "plain"], "each is published once"


def test_out_of_memory_in_the_rounds_is_measured_again_alone_and_leaves_no_half_measured_trial(
    room: Room, shared_gpu: None
) -> None:
    known = room("plain", "crowded-14", budget_s=5)  # in 0.3 s of a busy machine there may be no fourteenth call
    assert known["crowded-14"].failure is None
    assert known["crowded-14"].turns == [1] and len(known["crowded-14"].trials) == 1
    assert known["crowded-14"].group.startswith("group 2, in rounds of its own: ")
    assert known["plain"].turns == [0]
    assert sorted(room.ended) == ["crowded-14", "plain"]


def test_a_process_that_is_gone_holds_nothing() -> None:
    assert held_bytes(2**22 - 1) == (0, 0)
    now, most = held_bytes(os.getpid())
    assert MIB < now <= most
