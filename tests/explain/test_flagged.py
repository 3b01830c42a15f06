"""A table names likely kernel problems: of single ops from their records, of models from their explanations."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from harness.explain.flagged import problems
from harness.records.record import EXPLAINED, Phase, records
from harness.workload.workload import Workload
from tests.helpers.jobs import PLAIN

LINEAR = Workload.of("op", {"op": "linear"}, gradients="both").as_dict()


def of_op(**ms):
    phases = {"forward": 1.0, "backward": 2.0, "backward_inputs": 1.0, "backward_params": 1.0} | ms
    return replace(PLAIN, model="linear", workload=LINEAR, phases={name: Phase(ms=n) for name, n in phases.items()})


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        ({}, ""),
        ({"backward_params": 2.9}, ""),
        ({"backward_params": 3.1}, "backward_params runs at"),
        ({"backward_inputs": 9.0}, "backward_inputs runs at"),
        ({"forward": 9.0}, "forward runs at"),
    ],
)
def test_a_direction_below_a_third_of_the_best_is_told(ms, said, tmp_path):
    told = " ".join(problems(tmp_path, of_op(**ms)))
    assert said in told and bool(said) == bool(told)


def test_noise_and_ops_without_multiplies_tell_nothing(tmp_path):
    assert not problems(tmp_path, replace(of_op(forward=9.0), noise="others took the CPUs"))
    relu = Workload.of("op", {"op": "relu"}).as_dict()
    assert not problems(tmp_path, replace(of_op(forward=9.0), workload=relu))
    assert not problems(tmp_path, PLAIN), "a whole model"


def test_an_explanation_is_no_record_and_its_flags_are_told_again(tmp_path):
    path = tmp_path / f"{PLAIN.cell}{EXPLAINED}"
    path.write_text(json.dumps({"flags": ["likely a kernel problem: dW of conv2d"]}))
    assert problems(tmp_path, PLAIN) == ["mlp torch-eager: likely a kernel problem: dW of conv2d"]
    assert not list(records(tmp_path))
    path.write_text("{")
    assert not problems(tmp_path, PLAIN)
