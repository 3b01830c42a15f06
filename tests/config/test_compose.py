"""Configs composed together are those that Hydra composes one by one, and its mistakes stay its own."""

from __future__ import annotations

import pytest
from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig

from harness.config.compose import Composer, Overrides, resolved

pytestmark = pytest.mark.usefixtures("hydra_is_there")


class Counted:
    """Composes, and counts how often."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, overrides: Overrides) -> DictConfig:
        self.times += 1
        return compose("config", overrides=list(overrides))


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def composer(counted: Counted) -> Composer:
    return Composer(counted, OverridesParser.create(config_loader=GlobalHydra.instance().config_loader()))


@pytest.mark.parametrize(
    "overrides",
    [
        ("seed=3", "model.depth=5", "device.threads=1", "explain=true"),
        ("model=gpt2", "model.layers=2", "measure.budget_s=0.5", "measure=standard"),
        ("study=smoke", "model.batch=7", "study.name=mine"),
        ("model.op=relu", "study=atlas", "model.image=8", "gradients=both"),
        ("choices.residuals=[store,blocks]", "choices.tangent=true", "jobs=['model.depth=1']"),
        ("results='/tmp/a folder'", "seed=1"),
        ("results=/tmp/a", "tracking.uri=null"),
        ("sweep='a: b'", "gradients=both", "device.threads=null"),
        ("+frameworks.fake.executions=[a]", "+variants.fake=[a]", "seed=2", "variants.torch=[]"),
        ("~choices.tangent", "seed=2"),
        ("claim={text: a}", "seed=2"),
        ("tracking.uri=${results}/b", "results=c"),
    ],
)
def test_what_is_put_in_its_place_is_what_hydra_composes(composer: Composer, overrides: Overrides) -> None:
    expected, _ = resolved(compose("config", overrides=list(overrides)))
    assert composer.plain(overrides) == expected
    assert composer.plain(overrides) == expected, "the second time, too"


def test_hydra_composes_once_for_all_values_and_once_for_each_group(composer: Composer, counted: Counted) -> None:
    for depth in range(1, 30):
        assert composer.plain((f"model.depth={depth}", "seed=1"))["model"]["depth"] == depth
    assert counted.times == 1
    for model in ("mlp", "gpt2"):
        for seed in range(30):
            config = composer.plain((f"model={model}", f"seed={seed}"))
            assert (config["model"]["name"], config["seed"]) == (model, seed)
    assert counted.times == 3
    for op in ("linear", "relu", "conv2d"):  # a key that only the study's model has
        assert composer.plain(("study=atlas", f"model.op={op}"))["model"]["op"] == op
    assert counted.times == 4


def test_no_config_is_changed_by_what_is_done_to_another(composer: Composer) -> None:
    first = composer.plain(("choices.residuals=[store]",))
    first["choices"]["residuals"].append("blocks")
    first["model"]["depth"] = 99
    second = composer.plain(("choices.residuals=[store]",))
    assert second["choices"]["residuals"] == ["store"] and second["model"]["depth"] != 99


@pytest.mark.parametrize("mistake", ["model.depht=3", "nothing=1", "model=nothing", "seed.deeper=1", "seed=1,2"])
def test_mistakes_are_told_by_hydra(composer: Composer, mistake: str) -> None:
    with pytest.raises(HydraException) as expected:
        compose("config", overrides=["device=cpu", mistake])
    composer.plain(("device=cpu", "seed=1"))
    with pytest.raises(HydraException) as error:
        composer.plain(("device=cpu", mistake))
    assert str(error.value) == str(expected.value)
