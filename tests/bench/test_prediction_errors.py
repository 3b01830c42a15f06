"""What `make bench` says of predictions, from cells whose errors are plain to see; neural-cost itself is not needed."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.bench import __main__ as bench
from tests.bench import neural_cost
from tests.bench.prediction_errors import COLUMNS, Cell, compared

MEASURED = {"inference": 0.010, "forward": 0.020}
CELLS = (
    Cell("mlp torch eager", MEASURED, {"ours": 0.011, "zero-shot": 0.030, "replay": 0.009}, bound=0.012),
    Cell("mlp jax jit", MEASURED, {"ours": 0.005, "zero-shot": 0.004}, bound=0.001),
    Cell("gpt2 jax jit", MEASURED, {"ours": 0.010}, refused="ValueError: no such op"),
    Cell("gpt2 torch eager", MEASURED, {"zero-shot": 0.010, "replay": 0.010}, bound=0.010),
)


def test_errors_are_compared_over_the_cells_that_both_predicted() -> None:
    of_inference = {name: (count, ours, theirs) for name, count, ours, theirs in compared(CELLS, "inference")}
    assert of_inference["zero-shot"] == pytest.approx((2, 0.3, 1.3))  # of 10 and 50 %, 200 and 60 %
    assert of_inference["replay"] == pytest.approx((1, 0.1, 0.1))
    of_forward = {name: (count, ours, theirs) for name, count, ours, theirs in compared(CELLS, "forward")}
    assert of_forward["replay"] == pytest.approx((1, 0.45, 0.55))


def test_a_row_says_which_bound_is_beaten_and_why_a_model_is_not_predicted() -> None:
    beaten, kept, refused, unpredicted = (dict(zip(COLUMNS[-2:], cell.row()[-2:], strict=True)) for cell in CELLS)
    assert beaten == {"its lower bound ms": "12", "which is": "beaten"}
    assert kept["which is"] == "kept"
    assert unpredicted["which is"] == "kept"  # exactly as fast
    assert refused == {"its lower bound ms": "", "which is": "not predicted: ValueError: no such op"}
    assert all(len(cell.row()) == len(COLUMNS) for cell in CELLS)
    assert CELLS[0].row()[1:9] == ["20", "10", "11", "+10%", "30", "+200%", "9", "-10%"]
    assert CELLS[3].row()[3:5] == ["", ""]


def test_without_the_package_the_others_run_and_a_sentence_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[str] = []

    def run(command: list[str], check: bool) -> subprocess.CompletedProcess[str]:
        ran.append(command[2])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    for there in (False, True):
        monkeypatch.setattr(bench, "find_spec", lambda name, there=there: find_spec("json") if there else None)
        assert bench.main() == 0
        assert ("tests.bench.neural_cost" in ran) is there
        assert ("pip install neural-cost" in capsys.readouterr().out) is not there
    monkeypatch.setattr(neural_cost, "find_spec", lambda name: None)
    assert neural_cost.main([]) == 2
    assert f"{sys.executable} -m pip install neural-cost" in capsys.readouterr().err
