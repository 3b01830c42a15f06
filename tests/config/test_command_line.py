"""Mistakes as a user types them, and good runs: exit codes, sentences, and never a traceback.

`test_mistakes.py` and `test_machine_mistakes.py` have every mistake, in this process; here is one of each kind, through
the whole program.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.base import EXTRA_PHASES, PHASES
from adapters.choices import CHOICES
from harness.records.metrics import METRICS
from harness.records.record import read
from harness.records.reduction import REDUCTION
from harness.views.mlflow.run import metrics_of
from tests.config.conftest import ROOT, TypeIn


def assert_refused(result: subprocess.CompletedProcess[str], results: Path, *said: str) -> None:
    assert result.returncode != 0
    assert "Traceback" not in result.stdout + result.stderr
    for text in said:
        assert text in result.stderr
    assert len(result.stderr.splitlines()) <= 20
    assert not list(results.rglob("*.json"))


def assert_refused_in_a_sentence(result: subprocess.CompletedProcess[str], results: Path, *said: str) -> None:
    assert_refused(result, results, *said)
    assert result.stderr.startswith("twofold: ")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("model.batch=0", "model.batch=0"),  # ours
        ("model=perceptron", "model=perceptron: not known; choose from alexnet"),  # a group of Hydra's
        ("measure=null", "Config group override"),  # Hydra raises a ValueError
        ("model.width=${model.nothing}", "model.nothing"),  # OmegaConf
        ("results=/proc/nowhere", "results=/proc/nowhere"),  # this machine
        ("model.depth=2,-1", "model.depth=-1"),  # the last job of a sweep
        ("model.depht=2", "model.depht: no such key of mlp; there are model.batch,"),  # Hydra composes this by itself
        ("framework=pytorch", "choose variants= one of all, compiled, each,"),
    ],
)
def test_a_mistake_is_answered_in_one_sentence_before_anything_is_measured(
    type_in: TypeIn, typed: str, said: str
) -> None:
    assert_refused_in_a_sentence(type_in(typed), type_in.results, said)


@pytest.mark.parametrize(("key", "value"), [("timeout_min", "long"), ("partitoin", "compute")])
def test_a_mistake_in_hydras_own_keys_is_a_sentence_that_names_the_key(type_in: TypeIn, key: str, value: str) -> None:
    answered = type_in("hydra/launcher=submitit_local", f"hydra.launcher.{key}={value}")
    assert_refused_in_a_sentence(answered, type_in.results, f"hydra.launcher.{key}: ")


@pytest.mark.parametrize("typed", ["hydra.bogus=1", "--nonsense"])
def test_what_hydra_finds_by_itself_stays_readable(type_in: TypeIn, typed: str) -> None:
    assert_refused(type_in(typed), type_in.results, typed.partition("=")[0])


def test_help_is_the_choices_and_the_answer_as_it_stands_in_the_readme(type_in: TypeIn) -> None:
    shown = type_in("study=smoke", flags=["--help"])
    assert shown.returncode == 0
    assert "study/why: " in shown.stdout and "model: alexnet" in shown.stdout
    assert all(f" {name}" in shown.stdout for name in (*CHOICES, "variants=torch", "measure.budget_s")), "as typed"
    answer = shown.stdout[shown.stdout.index("A layer is one multiply") : shown.stdout.index("make sweep STUDY=why")]
    assert len(answer.splitlines()) < 40, "one screen"
    readme = {line.strip() for line in (ROOT / "conf/study/why/README.md").read_text().splitlines()}
    assert {line.strip() for line in answer.splitlines()} <= readme


def test_the_config_can_be_shown_and_completed_as_hydras_users_expect(type_in: TypeIn) -> None:
    shown = type_in("model=gpt2", flags=["--cfg", "job"])
    assert shown.returncode == 0 and "heads:" in shown.stdout
    completed = subprocess.run(
        [sys.executable, "-m", "harness", "-sc", "query=bash"],
        env=os.environ | {"COMP_LINE": "twofold model=resnet1", "COMP_POINT": "21"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert completed.stdout.split() == ["model=resnet18", "model=resnet18_imagenet"]


@pytest.mark.slow
def test_hydras_own_sweeper_measures_each_job_by_itself(type_in: TypeIn) -> None:
    result = type_in("hydra/sweeper=basic", "model.depth=2,3")
    assert (result.returncode, result.stderr) == (0, "")
    assert len(list(type_in.results.glob("records/adhoc/main/mlp-*.json"))) == 2


def test_a_good_run_ends_with_zero_and_a_record(type_in: TypeIn) -> None:
    """What all refusals above are told apart from."""
    result = type_in("model.depth=2")
    assert (result.returncode, result.stderr) == (0, "")
    (path,) = type_in.results.glob("records/adhoc/main/mlp-*.json")
    record = read(path)
    assert record.outcome == "ok"
    of_pairs = ("ratio", "ratio_marginal", "split_over_gradient")
    too_few_pairs = {f"{name}_{end}" for name in of_pairs for end in ("low", "high")}
    of_a_device = ("{}_device_ms", "{}_events_ms", "{}_kernels", "{}_peak_mib", "{}_joules")
    forms = ("{}_ms", *of_a_device, "first_{}_s", "executed_{}_matmuls", "executed_{}_flops")
    not_asked = {form.format(phase) for form in forms for phase in EXTRA_PHASES}
    not_everywhere = {"counter_coverage", "cpu_mhz", "cpu_celsius", "throttles", "gpu_mhz", "gpu_celsius", "gpu_watts"}
    not_everywhere |= {"launch_gap", "ratio_device"} | {name for name in METRICS if name.startswith("predicted_")}
    not_everywhere |= {form.format(phase) for form in of_a_device for phase in PHASES} | set(REDUCTION)
    always = set(METRICS) - too_few_pairs - not_everywhere - not_asked
    assert always <= set(metrics_of(record)) <= set(METRICS) - not_asked


@pytest.mark.slow
def test_choices_are_variants_beside_each_other(type_in: TypeIn) -> None:
    chosen = ["choices.autodiff=[reverse,by_hand_recomputed]", "choices.tangent=[false,true]", "gradients=both"]
    result = type_in(*chosen)
    assert (result.returncode, result.stderr) == (0, "")
    found = {r.cell.partition(".cpu.")[2]: r for r in map(read, type_in.results.glob("records/adhoc/main/mlp-*.json"))}
    assert found.keys() == {
        "numpy-by_hand",
        "numpy-by_hand-autodiff=by_hand_recomputed",
        "numpy-by_hand-tangent=True",
        "numpy-by_hand-autodiff=by_hand_recomputed-tangent=True",
    }
    plain = found["numpy-by_hand"]
    assert plain.phases["backward_inputs"].matmuls == plain.phases["forward"].matmuls
    assert (plain.phases["backward_params"].ms or 0) > 0
    assert found["numpy-by_hand-tangent=True"].outcome == "unsupported"
    assert "by_hand autodiff=by_hand_recomputed" in result.stdout


@pytest.mark.slow
def test_a_good_sweep_ends_with_zero_and_a_record_for_each(type_in: TypeIn) -> None:
    result = type_in("model.depth=2,3", flags=["-m"])
    assert (result.returncode, result.stderr) == (0, "")
    assert len(list(type_in.results.glob("records/adhoc/main/mlp-*.json"))) == 2
