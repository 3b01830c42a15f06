"""The stored ceilings: whose they are, and what becomes of others."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UserError
from harness.records.ceilings import LAYOUT, Ceilings, Pass, Probe, load, store

EAGER, JIT = {"execution": "eager"}, {"execution": "jit"}


def ceilings(conditions: dict[str, str], seconds: float = 0.5) -> Ceilings:
    probes = (
        Probe("relu", "8x8", (64, 64), {"forward": Pass(seconds, 0, 512), "backward": Pass(seconds, 0, 768)}),
        Probe("tanh", "8x8", (), {}, "it has none"),
    )
    called = {"a linear layer": 0.1, "18 layers": 0.2}
    networks = {"layers": {"forward": seconds, "backward": 1.5 * seconds}, "attention": {}}
    return Ceilings(conditions, {"forward": called, "backward": called}, probes, networks)


def test_what_is_stored_is_loaded_again_under_its_conditions_only(tmp_path: Path) -> None:
    store(tmp_path, "here", ceilings(EAGER))
    store(tmp_path, "here", ceilings(JIT, 0.7))
    assert load(tmp_path, "here", EAGER) == ceilings(EAGER)
    assert load(tmp_path, "here", JIT) == ceilings(JIT, 0.7)
    assert load(tmp_path, "here", {"execution": "xla"}) is None


def test_the_same_conditions_are_replaced(tmp_path: Path) -> None:
    store(tmp_path, "here", ceilings(EAGER))
    store(tmp_path, "here", ceilings(EAGER, 0.7))
    assert load(tmp_path, "here", EAGER) == ceilings(EAGER, 0.7)


def test_another_machine_has_none_and_leaves_none(tmp_path: Path) -> None:
    store(tmp_path, "here", ceilings(EAGER))
    assert load(tmp_path, "there", EAGER) is None
    store(tmp_path, "there", ceilings(JIT))
    assert load(tmp_path, "here", EAGER) is None


def test_an_op_that_failed_is_not_tried_again() -> None:
    assert not ceilings(EAGER).lacks("tanh")
    assert ceilings(EAGER).lacks("gelu")


@pytest.mark.parametrize("content", ["[]", f'{{"layout": {LAYOUT}, "machine": "here", "ceilings": [{{}}]}}', "{"])
def test_a_corrupt_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "ceilings.json").write_text(content)
    with pytest.raises(UserError, match=r"ceilings\.json: not whole ceilings .*; delete it, and make explain"):
        load(tmp_path, "here", EAGER)
