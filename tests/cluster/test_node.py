"""The kind of machine that a sweep is measured on: the first node decides, and others measure nothing."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.cluster import node
from harness.cluster.node import agree, agreed_machine, forget_machine
from harness.errors import UserError
from harness.records.record import records

MACHINE = {"cpu": "Quick 3000", "cpus": 64, "gpus": []}


def test_the_first_node_decides_and_its_like_agree(tmp_path: Path) -> None:
    assert agreed_machine(tmp_path) == {}
    agree(tmp_path, "cpu", MACHINE)
    agree(tmp_path, "cpu", dict(MACHINE))
    assert agreed_machine(tmp_path) == MACHINE
    assert not list(records(tmp_path)), "it is no record"
    assert [path.name for path in tmp_path.iterdir()] == ["machine.json"]


def test_another_kind_is_refused_with_what_differs_until_nothing_is_kept(tmp_path: Path) -> None:
    agree(tmp_path, "cpu", MACHINE)
    other = MACHINE | {"cpus": 32}
    with pytest.raises(UserError, match=r"is of another kind .*\(cpus is 32, not 64\); choose nodes of one kind"):
        agree(tmp_path, "cpu", other)
    forget_machine(tmp_path)
    forget_machine(tmp_path)
    agree(tmp_path, "cpu", other)
    assert agreed_machine(tmp_path) == other


def test_of_many_kinds_that_start_at_once_one_is_agreed_on(tmp_path: Path) -> None:
    # In processes of their own, as nodes are: what each writes first has its process number in its name.
    program = """
import sys
from pathlib import Path
from harness.cluster.node import agree
from harness.errors import UserError
try:
    agree(Path(sys.argv[1]), "cpu", {"cpus": int(sys.argv[2]), "gpus": []})
    print(sys.argv[2])
except UserError:
    pass
"""

    def start(cpus: int) -> str:
        asked = [sys.executable, "-c", program, str(tmp_path), str(cpus)]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()

    with ThreadPoolExecutor(6) as pool:
        (agreed,) = filter(None, pool.map(start, range(1, 7)))
    assert agreed_machine(tmp_path)["cpus"] == int(agreed)


def test_a_node_without_the_device_decides_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^device=cuda: node .* has no NVIDIA GPU; choose others"):
        agree(tmp_path, "cuda", MACHINE)
    assert agreed_machine(tmp_path) == {}


def test_a_node_that_is_refused_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    agree(tmp_path, "cpu", MACHINE)
    monkeypatch.setattr(subprocess, "run", lambda *asked, **options: pytest.fail("it was started"))
    with pytest.raises(SystemExit) as ended:
        node.measure(tmp_path, "cpu", ["model=mlp"])
    assert ended.value.code == 2
    assert capfd.readouterr().err.startswith("twofold: node ")


def test_a_spoilt_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "machine.json").write_text("{")
    with pytest.raises(UserError, match=r"machine.json: not a whole JSON file .*; delete it"):
        agreed_machine(tmp_path)
