"""Two releases of JAX in the same rounds, each in an environment that the test makes from the package index."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.commands.compare import main
from harness.records.record import read, records
from tests.helpers.sweeps import TINY, Sweep

RELEASES = {"before": "0.9.2", "after": "0.10.2"}

pytestmark = [pytest.mark.external, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(scope="module")
def pythons(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The interpreter of each release; skips where the index has none of them, or cannot be reached."""
    folder = tmp_path_factory.mktemp("releases")
    for name, release in RELEASES.items():
        subprocess.run([sys.executable, "-m", "venv", folder / name], check=True)
        pip = [str(folder / name / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        installed = subprocess.run([*pip, f"jax=={release}"], capture_output=True, text=True, timeout=400, check=False)
        if installed.returncode:
            pytest.skip(f"jax {release} cannot be installed: {installed.stderr.strip().splitlines()[-1]}")
    return {name: folder / name / "bin" / "python" for name in RELEASES}


def test_two_releases_are_measured_in_the_same_rounds_and_compared(
    sweep: Sweep, pythons: dict[str, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    interpreters = [f"environments.{name}.interpreter='{python}'" for name, python in pythons.items()]
    code, printed = sweep.run("variants=versions", *TINY, "tracking=off", *interpreters)
    assert code == 0, printed
    found = {record.environment_name: record for record in map(read, records(sweep.results / "records/adhoc/main"))}
    assert {name: record.versions["jax"] for name, record in found.items()} == RELEASES
    assert found["before"].described["jax"] == RELEASES["before"], "that is what its process had loaded"
    assert found["before"].rounds == found["after"].rounds
    junit = tmp_path / "gate.xml"
    code = main(["main@before", "main@after", "--results", str(sweep.results), "--junit", str(junit)])
    said = capsys.readouterr().out
    assert code in (0, 1), said
    assert "jax is 0.9.2 in A and 0.10.2 in B" in said
    assert all(f"mlp jax jit  {phase}" in said for phase in ("forward", "backward", "step", "ratio"))
    assert 'classname="mlp" name="jax jit"' in junit.read_text()
