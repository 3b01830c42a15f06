"""How far predictions of a forward pass are off: ours and neural-cost's, of the same cells in the same run.

`python -m tests.bench.neural_cost [MODEL ...] [KEY=VALUE ...]` measures this machine's ceilings if they are missing,
then each model in torch eager and jax jit on the CPU, then asks neural-cost. Ours predicts `forward`, which keeps what
backward needs; theirs predicts `inference`, which keeps nothing. All are held to both, and judged by the latter.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser

from harness.config.expand import requested
from harness.errors import report
from harness.explain.measure_probes import measure_missing
from harness.job import Job
from harness.measure.worker import MALLOC
from harness.notebook import measure
from harness.paths import ROOT
from harness.records.record import Record
from harness.sweep.lock import device_lock
from harness.sweep.provenance import version
from harness.sweep.run import conditions, launch
from harness.views.terminal import TERMINAL
from harness.workload.workload import write_description
from tests.bench.prediction_errors import COLUMNS, PHASES, Cell, compared

MODELS = ("mlp", "gpt2", "resnet18")
CELLS = ("variants.torch=[eager]", "variants.jax=[jit]", "variants.tensorflow=[]", "device=cpu", "tracking=off")
INSTALL = f"neural-cost is not installed; to compare with it: {sys.executable} -m pip install neural-cost==0.11.1"


def measured(jobs: Sequence[Job], asked: Sequence[str]) -> list[Record]:
    """The records of the cells, which hold our predictions, made before they were measured."""
    with device_lock("cpu", TERMINAL.say):
        for job in jobs:
            measure_missing(job, partial(launch, job), conditions(job), partial(version, job), TERMINAL.say)
    return list(measure(*asked, "sweep=neural-cost", "redo=all").records)


def planned(asked: Sequence[str]) -> list[Job]:
    """A job for each model. Raises UserError and HydraException."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
        requests = requested(tuple(asked), lambda single: compose("config", overrides=list(single)), parser)
        return [request.job for request in requests]


def theirs(framework: str, jobs: Sequence[Job]) -> list[dict[str, float | str]]:
    """What neural-cost predicts of each job's forward pass, in a fresh process: see `neural_cost_forward.py`."""
    device = jobs[0].device
    with tempfile.TemporaryDirectory(prefix="twofold-") as temporary:
        folders = [Path(temporary) / str(number) for number in range(len(jobs))]
        for job, folder in zip(jobs, folders, strict=True):
            write_description(job.traced, folder)
        command = [sys.executable, "-m", "tests.bench.neural_cost_forward", framework, str(device.threads)]
        output = subprocess.run(
            [*command, *map(str, folders)],
            env=os.environ | MALLOC[device.memory],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
    return list(json.loads(output.splitlines()[-1]))


def cell_of(record: Record, answer: Mapping[str, float | str]) -> Cell:
    """Our record of a cell, beside neural-cost's answer."""
    seconds = {name: float(number) for name, number in answer.items() if name != "refused"}
    if "predicted_forward_s" in record.metrics:
        seconds["ours"] = record.metrics["predicted_forward_s"]
    times = {phase: 1e-3 * (record.phases[phase].ms or math.nan) for phase in PHASES}
    name = f"{record.model} {record.framework} {record.execution}"
    return Cell(name, times, seconds, seconds.pop("bound", None), str(answer.get("refused", "")))


def cells_of(asked: Sequence[str]) -> tuple[list[Cell], int]:
    """The cells that were measured, and how many were not. Raises UserError and HydraException."""
    jobs = planned(asked)
    records = measured(jobs, asked)
    by_name = {record.cell: record for record in records if record.outcome == "ok"}
    cells = []
    for framework in ("torch", "jax"):
        for job, answer in zip(jobs, theirs(framework, jobs), strict=True):
            names = (job.cell(variant) for variant in job.variants if variant.framework == framework)
            cells += [cell_of(by_name[name], answer) for name in names if name in by_name]
    return cells, len(records) - len(cells)


def main(arguments: Sequence[str]) -> int:
    """Print the table and the medians; 1 if one of neural-cost's is not above ours, 2 if it is not installed."""
    if find_spec("neural_cost") is None:
        print(INSTALL, file=sys.stderr)
        return 2
    models = [argument for argument in arguments if "=" not in argument] or MODELS
    settings = [argument for argument in arguments if "=" in argument]
    try:
        cells, missing = cells_of([f"model={','.join(models)}", *CELLS, *settings])
    except Exception as error:
        return report(error)
    TERMINAL.show(COLUMNS, [cell.row() for cell in cells])
    for phase in PHASES:
        for predictor, count, our_error, their_error in compared(cells, phase):
            print(f"median error of {phase}, {count} cells: ours {our_error:.0%}, {predictor} {their_error:.0%}")
    missed = any(our_error >= their_error for _, _, our_error, their_error in compared(cells, "inference"))
    return int(missed or missing > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
