"""What every adapter says of itself, and how it refuses what it cannot do: one sentence each."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import adapters
from adapters.base import Unsupported
from tests.adapters.test_contract import work
from tests.helpers.executions import EXECUTIONS, FRAMEWORK_FILES, FRAMEWORKS, adapter_of


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_executions_are_those_of_its_configuration(framework: str) -> None:
    adapter = importlib.import_module(f"adapters.{framework}").Adapter
    assert list(adapter.executions) == [e for name, e in EXECUTIONS if name == framework]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_it_describes_is_short_text_with_its_version(framework: str) -> None:
    described = adapter_of(framework).describe()
    assert all(isinstance(k, str) and isinstance(v, str) and len(v) < 500 for k, v in described.items())
    assert any(importlib.import_module(framework).__version__ in value for value in described.values())


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(
    ("device", "precision"), [("cuda", "fp32"), ("tpu", "fp32"), ("cpu", "tf32")], ids=["cuda", "tpu", "tf32 on a CPU"]
)
def test_what_cannot_be_done_here_is_unsupported_in_one_sentence(framework: str, device: str, precision: str) -> None:
    """The interpreters that run these tests have the frameworks' CPU builds, whatever the machine has."""
    with pytest.raises(Unsupported) as refusal:
        adapter_of(framework, device, precision)
    assert_is_a_sentence(framework, str(refusal.value))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_unknown_execution_is_unsupported(framework: str) -> None:
    graph, arrays, _ = work("mlp")
    with pytest.raises(Unsupported, match="telepathy") as refusal:
        adapter_of(framework).load(graph, arrays, "telepathy")
    assert_is_a_sentence(framework, str(refusal.value))


def assert_is_a_sentence(framework: str, refusal: str) -> None:
    """It begins with the framework's name, and ends as all refusals do."""
    assert refusal.startswith(f"{framework}: ")
    assert len(refusal) > 20
    assert "\n" not in refusal and not refusal.endswith(".")


def test_every_adapter_has_a_configuration_and_every_configuration_an_adapter() -> None:
    helpers = {"base", "choices", "common", "own", "profiled", "replicated"}
    assert {m.name for m in pkgutil.iter_modules(adapters.__path__)} - helpers == set(FRAMEWORK_FILES)
