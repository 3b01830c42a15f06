"""A thousand random configs, good and broken, through Hydra's composition and our validation."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict

from harness.config import device
from harness.config.expand import job_from
from harness.config.job import job_of
from harness.errors import UserError, explanation
from harness.job import Job
from harness.sweep.run import launch
from harness.sweep.sweep import Sweep

COMPOSITIONS, EACH = 50, 20
GROUPS = {
    "model": ["mlp", "resnet18", "gpt2", "perceptron", "null", "[mlp]", "mlp,gpt2"],
    "device": ["auto", "cpu", "cuda", "gpu", "null"],
    "precision": ["fp32", "tf32", "bf16", "fp64", "../config"],
    "variants": ["all", "eager", "torch", "jax", "numpy", "nothing"],
    "measure": ["brief", "quick", "standard", "rigorous", "slow"],
    "tracking": ["local", "off", "server", "${model}"],
    "study": ["default", "smoke", "gpu", "../study/smoke", "null"],
}
VALUES = [
    *("1", "2", "4", "7", "2.5", "0.5", "1e-9", "0", "-1", "-0.0", "1e400", "nan", "inf", "10000000", "10000001"),
    *("99999999999999999999999999", "true", "null", "''", "x", "'a b'", "../../x", "/tmp", "..", "a/b", "-", "ü", "\\"),
    *("[]", "[1,2]", "[eager]", "[by_hand]", "[eager,eager]", "[../x]", "{}", "{a: 1}", "{executions: [../../x]}"),
    *("{executions: [../../x], interpreters: {cpu: null, cuda: null}}", "[../../x]", "cpu", "cuda", "failed", "all"),
    *("${model.width}", "${nothing}", "${oc.env:HOME}", "${model}", "???", "{", "]", "a=b", "a,b", "glob(*)", "\u202e"),
]
NEW_KEYS = ["speed", "model.layers", "frameworks.fake", "frameworks.'../x'", "variants.fake", "variants.numpy", "a.b.c"]


@pytest.fixture
def large_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "gpus", lambda: ["A GPU, 1.0"])
    monkeypatch.setattr(device, "memory_bytes", lambda: 2**36)


def keys(config: Any, prefix: str = "") -> Iterator[str]:
    """Every key of a composed config, with dots."""
    for key, value in config.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from keys(value, f"{prefix}{key}.")


GOOD = [
    *("model.batch=2", "seed=7", "sweep=before", "study.name=mine", "measure.trials=2", "measure.budget_s=0.5"),
    *("redo=all", "redo=failed", "device.threads=null", "tracking.uri=null", "results=elsewhere", "variants.torch=[]"),
]


def overrides(generator: random.Random, known: list[str]) -> list[str]:
    """One to four overrides: good ones, of what there is, of what there is not, and of nothing that can be read."""
    made = []
    for _ in range(generator.randint(1, 4)):
        how = generator.random()
        key = generator.choice(known if how < 0.8 else NEW_KEYS)
        value = generator.choice(VALUES)
        if how < 0.6:
            made.append(generator.choice(GOOD))
        elif how > 0.97:
            made.append("".join(generator.choices("abc=+~.[]{}$'\"\\ ,:09\n", k=generator.randint(1, 12))))
        elif generator.random() < 0.1:
            made.append(f"~{key}")
        else:
            made.append(f"{generator.choice(['', '', '', '+', '++'])}{key}={value}")
    return made


def outcome_of(act: Callable[[], Any]) -> Any:
    """What `act` returns, or the sentence by which it is refused; anything else is a bug and raised."""
    try:
        return act()
    except Exception as error:
        said = explanation(error)
        if said is None:
            raise
        assert said.strip() and "Traceback" not in said
        return said


def assert_stays_in_results(job: Job) -> None:
    """Nothing that this job writes lies outside its results folder."""
    root = job.results.resolve()
    for variant in job.variants:
        for path in (job.path(variant), launch(job, variant).log):
            assert path.resolve().is_relative_to(root), path
    assert job.folder.resolve().parent.parent == root / "records"


@pytest.mark.slow
def test_a_thousand_random_configs_end_in_a_plan_or_in_a_sentence(
    composed: Callable[..., DictConfig], large_machine: None
) -> None:
    generator = random.Random(20260101)
    plans = refusals = 0
    for _ in range(COMPOSITIONS):
        chosen = [f"{g}={generator.choice(o[:3] if generator.random() < 0.9 else o)}" for g, o in GROUPS.items()]
        chosen += ["model.width=8"] if generator.random() < 0.1 else []
        config = outcome_of(partial(composed, *chosen))
        if isinstance(config, str):
            config = composed()
            refusals += 1
        known = list(keys(OmegaConf.to_container(config)))
        for _ in range(EACH):
            spoilt, given = copy.deepcopy(config), overrides(generator, known)

            def plan(spoilt: DictConfig = spoilt, given: list[str] = given) -> Sweep:
                with open_dict(spoilt):
                    ConfigLoaderImpl._apply_overrides_to_config(OverridesParser.create().parse_overrides(given), spoilt)
                return Sweep.of([job_from(spoilt)])

            found = outcome_of(plan)
            if isinstance(found, Sweep):
                plans += 1
                assert_stays_in_results(found.jobs[0])
            else:
                refusals += 1
    assert plans + refusals >= 1000
    assert min(plans, refusals) > 50, (plans, refusals)


@pytest.mark.parametrize("execution", ["../../../x", "/tmp/x", "a/b", ".hidden", ""])
@pytest.mark.parametrize("where", ["execution", "framework"])
def test_no_name_of_a_variant_leaves_the_results_folder(plain: dict[str, Any], where: str, execution: str) -> None:
    framework, done = ("fake", execution) if where == "execution" else (execution, "eager")
    plain["frameworks"][framework] = {"executions": [done], "interpreters": {}}
    plain["variants"] = {framework: [done]}
    with pytest.raises(UserError, match=r"must be a name of letters"):
        job_of(plain)
