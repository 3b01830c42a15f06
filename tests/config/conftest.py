"""Composed configs, in this process and as a user types them."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from harness.errors import explanation
from harness.sweep import preflight
from tests.helpers.temporary import with_temporary
from tests.helpers.typed import asked, planned

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf"
SMALL = {
    "variants": "numpy",
    "device": "cpu",
    "tracking": "off",
    "measure.budget_s": "0.1",
    "model.batch": "4",
    "model.width": "8",
}

Refused = Callable[..., str]


@pytest.fixture
def hydra_is_there() -> Iterator[None]:
    """For `tests/helpers/typed.py`."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


@pytest.fixture
def composed(hydra_is_there: None) -> Callable[..., DictConfig]:
    """`composed(*overrides)`: the config that Hydra makes of them."""
    return lambda *overrides: compose("config", overrides=list(overrides))


@pytest.fixture(scope="session")
def default() -> dict[str, Any]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = OmegaConf.to_container(compose("config", overrides=["device=cpu"]), resolve=True)
        assert isinstance(config, dict)
        return {str(key): value for key, value in config.items()}


@pytest.fixture
def plain(default: dict[str, Any]) -> dict[str, Any]:
    """The default config as plain values, to be spoilt."""
    return copy.deepcopy(default)


class TypeIn:
    """`type_in(*overrides, flags=())`: runs `python -m harness` as a user would. Results and lock are apart."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.results = folder, folder / "results"

    def __call__(self, *overrides: str, flags: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        defaults = {
            "variants": "numpy",
            "device": "cpu",
            "tracking": "off",
            "results": str(self.results),
            "measure.trials": "1",
            "measure.budget_s": "0.1",
            "measure.warm_s": "0.1",
            "model.batch": "4",
            "model.width": "8",
        }
        given = {override.partition("=")[0] for override in overrides}
        overridden_models = any(name in given for name in ("model", "~model", "study"))
        rest = [
            f"{key}={value}"
            for key, value in defaults.items()
            if key not in given and not (key.startswith("model.") and overridden_models)
        ]
        return subprocess.run(
            [sys.executable, "-m", "harness", *flags, *rest, *overrides],
            cwd=ROOT,
            env=with_temporary(self.folder),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


@pytest.fixture
def type_in(tmp_path: Path) -> TypeIn:
    return TypeIn(tmp_path)


@pytest.fixture
def refused(hydra_is_there: None, tmp_path: Path) -> Refused:
    """`refused(*overrides)`: the sentence by which a command is refused before anything is measured."""

    def refuse(*overrides: str) -> str:
        given = {override.lstrip("+~").partition("=")[0] for override in overrides}
        rest = [
            f"{key}={value}"
            for key, value in SMALL.items()
            if key not in given and not (key.startswith("model.") and "model" in given)
        ]
        if "results" not in given:
            rest.append(f"results={tmp_path / 'results'}")
        try:
            planned(*rest, *overrides)
            preflight.check([one.job for one in asked(*rest, *overrides)])
        except Exception as error:
            message = explanation(error)
            if message is None:
                raise
            return message
        pytest.fail(f"{overrides} is taken")

    return refuse
