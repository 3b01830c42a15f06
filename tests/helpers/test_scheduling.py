"""How tests are spread over processes: groups stay together, and a crash is one failure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_a_group_is_kept_together(request: pytest.FixtureRequest) -> None:
    """pytest-xdist writes it behind a test's name. Without it, programs are compiled anew in each process: minutes."""
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("these tests all run in one process")
    assert request.node.nodeid.endswith("@test_scheduling.py")


# The first crashes with a test of its group still to run, the second as the last of all, with nothing to run after it.
CRASHES = {
    "test_early.py": "import os\ndef test_dies(): os.abort()\ndef test_lives(): pass\n",
    "test_middle.py": "import time\ndef test_sleeps(): time.sleep(1)\n",
    "test_more.py": "import time\ndef test_sleeps(): time.sleep(1)\ndef test_lives(): pass\n",
    "test_z_late.py": "import os, time\ndef test_lives(): time.sleep(2)\ndef test_dies(): os.abort()\n",
}


@pytest.mark.slow
def test_a_test_that_kills_its_process_is_one_failure_and_never_a_hang(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    for name, text in CRASHES.items():
        (tmp_path / name).write_text(text)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-n",
        "2",
        "--dist",
        "loadgroup",
        "-p",
        "no:cacheprovider",
        str(tmp_path),
    ]
    options = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path)]
    found = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert "2 failed, 5 passed" in found.stdout, found.stdout[-3000:]
    assert all("::test_dies" in line for line in found.stdout.splitlines() if "crashed while running" in line)
