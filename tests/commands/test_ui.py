"""What `make ui` answers where it cannot serve."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.commands import ui


@pytest.mark.parametrize("arguments", [[], ["x"], ["0"], ["65536"], ["-1"], ["5000.5"], [""]])
def test_what_is_no_port_ends_in_a_sentence_and_exit_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        ui.command_line(arguments)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("twofold: ") and said.count("\n") == 1
    assert "give a port from 1 to 65535" in said


def test_without_results_there_is_nothing_to_show(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"mlflow\.db is not there; run make sweep first"):
        ui.command_line(["5000", str(tmp_path)])
