"""A framework that nobody has heard of: a module with an adapter and a YAML are all that it takes to be measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.sweeps import TINY, Sweep

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

# The module is `tests/fakes/adapters/fake.py`, which the interpreter finds.
YAML = """
executions: [deferred]
interpreters: {{cpu: '{python}', cuda: null}}
"""


def test_a_module_and_a_yaml_are_enough_for_a_sweep(sweep: Sweep, fake_python: str, tmp_path: Path) -> None:
    (tmp_path / "conf" / "framework").mkdir(parents=True)
    (tmp_path / "conf" / "framework" / "fake.yaml").write_text(YAML.format(python=fake_python))
    added = [f"hydra.searchpath=['file://{tmp_path}/conf']", "+framework@frameworks.fake=fake"]
    code, printed = sweep.run(*added, *TINY, "variants=numpy", "+variants.fake=[deferred]", "tracking=off")
    assert code == 0, printed
    assert sweep.outcomes() == {"by_hand": "ok", "deferred": "ok"}
