"""The parent's side of a worker: what it answers, and what becomes of a line that takes the process down."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.measure.worker import MALLOC
from harness.paths import ROOT

DEADLINE_S = 300.0  # from one answer to the next: a compiler's minute on a busy machine

Answer = dict[str, Any]


def answers(
    command: Sequence[str], whats: Sequence[str], log: Path, deadline_s: float = DEADLINE_S
) -> Iterator[Answer]:
    """What the command answers for each name of `whats`, which are its last arguments.

    Where it ends, or is silent, before the last, the line on which it was has failed; another process does the rest.
    """
    left = list(whats)
    while left:
        begun = ""
        why = "was silent"
        for answer in _answers([*command, *left], log, deadline_s):
            if "ended" in answer:
                why = answer["ended"]
            elif answer.keys() == {"what"}:
                begun = answer["what"]
            else:
                yield answer
        if not why:
            return
        begun = begun or left[0]
        yield {"what": begun, "failed": why}
        left = left[left.index(begun) + 1 :]


def command(framework: str, execution: str, seconds: float) -> list[str]:
    """The worker of that framework and execution."""
    return [sys.executable, "-m", "tests.parity.worker", framework, execution, str(seconds)]


def _answers(command: Sequence[str], log: Path, deadline_s: float) -> Iterator[Answer]:
    """Answers as they come; the last is how the process `ended`, empty where it did all that was asked."""
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2"} | os.environ | MALLOC["kept"]
    environment["TWOFOLD_CACHE_DIR"] = str((ROOT / "results" / "cache").resolve())
    with log.open("a") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, cwd=ROOT, env=environment)
    assert process.stdout is not None
    buffer = b""
    try:
        while select.select([process.stdout], [], [], deadline_s)[0]:
            chunk = os.read(process.stdout.fileno(), 2**16)
            if not chunk:
                code = process.wait()
                how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
                yield {"ended": f"the process {how}" if code else ""}
                return
            *lines, buffer = (buffer + chunk).split(b"\n")
            yield from map(json.loads, lines)
        yield {"ended": f"no answer within {deadline_s:.0f} s"}
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
