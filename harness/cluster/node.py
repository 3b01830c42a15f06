"""What a job does on the node that it is given: makes sure of the node's kind, then runs the harness there.

All nodes of a sweep are of one kind, or its rows could not be compared: the first node to start writes what it is into
a file beside the records, and a node that is something else measures nothing.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import UserError, report
from ..measure.machine.description import describe
from ..paths import draft
from ..records.record import MACHINE, write_json


def measure(folder: Path, device: str, overrides: Sequence[str]) -> None:
    """Run the harness with these overrides. submitit calls this on the node; the exit code is that of its job.

    Args:
        folder: of the sweep's records.
        device: the job's, `cpu` or `cuda`.
        overrides: those of one workload.
    """
    try:
        agree(folder, device, describe())
    except UserError as error:
        sys.exit(report(error))
    code = subprocess.run([sys.executable, "-m", "harness", "-m", *overrides], check=False).returncode
    if code < 0:
        sys.exit(f"twofold: the harness on {platform.node()} was ended by {signal.Signals(-code).name}")
    sys.exit(code)


def agree(folder: Path, device: str, machine: Mapping[str, Any]) -> None:
    """Make this node's machine that of the sweep, if it has none yet. Raises UserError if it has another one."""
    node = platform.node()
    if device == "cuda" and not machine["gpus"]:
        raise UserError(f"device=cuda: node {node} has no NVIDIA GPU; choose others, as by hydra.launcher.partition")
    path = folder / MACHINE
    own = draft(path)
    write_json(own, dict(machine))
    try:
        os.link(own, path)  # of several nodes that start at once, one is the first; on NFS too
    except FileExistsError:
        pass
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written by node {node} ({error.strerror}); choose results=FOLDER"
        ) from error
    finally:
        own.unlink()
    agreed = agreed_machine(folder)
    differing = [key for key in agreed if machine.get(key) != agreed[key]]
    if differing:
        differences = "; ".join(f"{key} is {machine.get(key)}, not {agreed[key]}" for key in differing)
        raise UserError(
            f"node {node} is of another kind than those that {folder} is measured on ({differences}); choose nodes of "
            "one kind, as by hydra.launcher.constraint or partition, and a sweep=NAME for each kind"
        )


def agreed_machine(folder: Path) -> dict[str, Any]:
    """Return the machine that a sweep is measured on; empty if none has begun."""
    path = folder / MACHINE
    try:
        machine = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise UserError(f"{path}: not a whole JSON file ({error}); delete it") from error
    assert isinstance(machine, dict)
    return machine


def forget_machine(folder: Path) -> None:
    """Let the next node decide, because nothing is kept of what was measured."""
    (folder / MACHINE).unlink(missing_ok=True)
