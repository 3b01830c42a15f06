"""The gate against the libraries: what is slower fails, what is equal passes, what crashes is one failure."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from adapters.base import Program
from harness.workload.workload import Workload
from tests.parity import group, lines, pairs, side, table
from tests.parity.compare import Result, compare
from tests.parity.side import Side

CONV = Workload("op", lines.UnderLoss(op="conv2d", batch=8, image=24, channels=32))
SECONDS = 0.3

Numbers = tuple[float, float, float]  # a centre, its lower and its upper end
Sides = tuple[Program, Side, Callable[[Any], None]]


@pytest.fixture(scope="module")
def torch_sides() -> Sides:
    """The adapter's program of a convolution, and the same in torch.nn."""
    from adapters.torch import Adapter
    from tests.parity import torch_nn

    arrays = CONV.sample()
    adapter = Adapter("cpu", 1, "fp32")
    return adapter.load(CONV.graph, arrays, "eager"), torch_nn.side(CONV.graph, arrays, "eager"), adapter.wait


def found(sides: Sides, theirs: Side | None = None, **planted: Callable[..., Any]) -> dict[str, Result]:
    program, library, wait = sides
    names = ("inference", "forward", "backward", "gradient")
    calls = {name: getattr(program, name) for name in names} | planted
    ours = SimpleNamespace(phases=names, export=program.export, **calls)
    return {r["phase"]: r for r in compare("torch", CONV.graph, ours, theirs or library, wait, SECONDS)}


def twice(call: Callable[..., Any]) -> Callable[..., Any]:
    def doubled(*given: Any) -> Any:
        call(*given)
        return call(*given)

    return doubled


@pytest.mark.slow
def test_a_doubled_convolution_fails_in_its_phase_and_what_is_equal_passes(
    torch_sides: Sides,
) -> None:
    results = found(torch_sides, inference=twice(torch_sides[0].inference))
    assert not results["inference"]["good"]
    assert results["inference"]["again"]
    assert 1.5 < results["inference"]["cpu"] < 3
    assert results["gradient"]["good"]
    assert results["backward"]["good"]


def test_what_is_not_the_same_work_is_told(torch_sides: Sides) -> None:
    program, library, _ = torch_sides
    loss, gradients = program.gradient()
    fewer = {name: g for name, g in gradients.items() if name != "b"}
    with pytest.raises(AssertionError, match="gradients of 9216 numbers, ours of 9248"):
        found(torch_sides, replace(library, phases={"gradient": lambda: (loss, fewer)}))
    with pytest.raises(AssertionError, match="their loss is"):
        found(torch_sides, replace(library, phases={"gradient": lambda: (1.01 * loss, gradients)}))
    halved = {**gradients, "w": gradients["w"] / 2}
    with pytest.raises(AssertionError, match="gradients' norm"):
        found(torch_sides, replace(library, phases={"gradient": lambda: (loss, halved)}))


def test_the_interval_of_a_ratio_covers_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(400):
        theirs = np.exp(rng.normal(0, 0.05, 25) + rng.normal(0, 0.1, 25).cumsum() / 10)
        ours = 1.2 * theirs * np.exp(rng.standard_t(4, 25) * 0.04)
        ratio = pairs.ratio(np.stack((ours, theirs), axis=1))
        hits += ratio.low <= 1.2 <= ratio.high
    assert 0.91 < hits / 400 < 0.985


def test_it_decides_by_the_interval() -> None:
    def judged(wall: Numbers, cpu: Numbers, seconds: tuple[float, float] = (0.01, 0.01)) -> tuple[bool, str]:
        return pairs.verdict(pairs.Ratio(*wall), pairs.Ratio(*cpu), seconds)

    narrow = (1.02, 1.01, 1.03)
    assert judged(narrow, narrow) == (True, "ok")
    assert judged((1.08, 1.06, 1.10), narrow) == (False, "slower")
    assert judged((1.06, 0.99, 1.08), narrow)[0]
    assert judged((1.30, 1.05, 1.60), narrow) == (True, "ok by CPU time: the clock's interval is wide")
    assert judged((0.90, 0.70, 1.60), (1.08, 1.06, 1.10))[1].startswith("slower by CPU time")
    wide = (1.08, 1.01, 1.25)
    assert judged(wide, wide)[0]
    assert not judged((1.12, 1.01, 1.25), wide)[0]
    assert judged((2.0, 1.9, 2.1), narrow, (9e-4, 5e-4)) == (True, "not judged: below 1 ms")


WORKER = """
import json, os, sys, time
for what in sys.argv[1:]:
    print(json.dumps({"what": what}), flush=True)
    if what == "crash":
        os.abort()
    if what == "silent":
        time.sleep(60)
    print(json.dumps({"what": what, "good": True}), flush=True)
"""


def test_a_line_that_takes_the_process_down_is_one_failure(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WORKER]
    answers = list(group.answers(command, ["a", "crash", "b", "silent", "c"], tmp_path / "log", deadline_s=5))
    assert [answer["what"] for answer in answers] == ["a", "crash", "b", "silent", "c"]
    assert [answer.get("good", False) for answer in answers] == [True, False, True, False, True]
    assert "SIGABRT" in answers[1]["failed"]
    assert "no answer within 5 s" in answers[3]["failed"]


def test_words_select_lines() -> None:
    assert [str(line) for line in lines.selected(["jax", "mlp"])] == ["jax jit mlp"]
    assert {line.execution for line in lines.selected(["tensorflow", "graph", "ops"])} == {"graph"}
    assert {line.what for line in lines.selected(["compile"])} == set(lines.COMPILED)
    assert [line.execution for line in lines.selected(["torch", "unet"])] == ["eager", "compile"]
    with pytest.raises(ValueError, match="'resnet' selects no line"):
        lines.selected(["resnet"])


def test_every_family_of_the_catalogue_has_a_line() -> None:
    from harness.workload.models import MODELS

    assert set(MODELS) - set(lines.MODELS) == {"op", "resnet34", "one_net"}


def test_the_table_names_what_failed_and_what_is_faster_by_design() -> None:
    numbers = {"centre": 0.7, "low": 0.65, "high": 0.75, "cpu": 0.7, "ours_s": 0.01}
    result = numbers | {"phase": "gradient", "library": "Keras", "good": True, "verdict": "ok"}
    rows: list[tuple[lines.Line, dict[str, Any]]] = [
        (lines.Line("tensorflow", "graph", "lstm"), result),
        (lines.Line("tensorflow", "graph", "convnext"), {"failed": "the process was killed by SIGABRT"}),
    ]
    written = table.markdown(rows, {"cpu": "a CPU of that name", "cpus": 2})
    assert written.startswith("a CPU of that name, 2 CPUs; tensorflow ")
    assert "0.70 [0.65, 0.75]\\* | 0.70 | ok |" in written
    assert "a Keras user pays more" in written
    assert "FAILED: the process was killed by SIGABRT" in written
    slower = result | {"centre": 1.4, "low": 1.3, "high": 1.5}
    assert "pays more" not in table.markdown([(rows[0][0], slower)], {"cpu": "a CPU", "cpus": 2})


def test_more_parameters_are_told_apart_from_missing_work() -> None:
    lstm = Workload.of("lstm", {"batch": 2, "tokens": 3, "layers": 2, "width": 8, "vocabulary": 16}).graph
    gru = Workload.of("gru", {"batch": 2, "tokens": 3, "layers": 2, "width": 8, "vocabulary": 16}).graph
    assert [side.more_parameters(f, lstm) for f in ("torch", "jax", "tensorflow")] == [64, 0, 0]
    assert [side.more_parameters(f, gru) for f in ("torch", "jax", "tensorflow")] == [0, -32, 0]
