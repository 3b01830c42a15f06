"""Everything that only a GPU machine can show, in one command: `make gpu-check`.

Identity on the device, precision in force, the device's clock against the host's, then the table of a study.
Prints a line for each check and ends with exit code 1 if one fails.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from . import preflight
from .config import Settings, Variant
from .errors import UserError
from .jobs import job_settings
from .measure.pool import MALLOC, ROOT, Worker
from .measure.protocol import Failure
from .sweep import conditions, launch
from .workload.workload import save

MODELS = ("mlp", "resnet18", "gpt2")

# TF32 keeps 10 bits of the fraction: multiplies that really use it are off by more than this, fp32's by less.
TF32_SHOWS = 3e-5

# The host's clock includes the launch; below this share of it the two clocks do not see the same work.
LEAST_SHARE = 0.5
MOST_SHARE = 1.02


@dataclasses.dataclass(frozen=True)
class Finding:
    """One check of one variant: what was seen, and whether that is as it should be."""

    name: str
    good: bool
    seen: str


def identity(errors: dict[str, float], precision: str) -> Finding:
    """Gradients agree with the oracle, to the precision asked for and no better than it could."""
    worst = max(errors.values())
    shown = worst > TF32_SHOWS
    good = shown if precision == "tf32" else not shown
    return Finding(f"{precision} multiplies in force", good, f"largest gradient error {worst:.1e}")


def clocks(host_s: dict[str, float], device_s: dict[str, float]) -> list[Finding]:
    """The device's own time of each phase is most of the host's, and never more."""
    return [
        Finding(f"{phase}: device time within host time", LEAST_SHARE <= share <= MOST_SHARE, f"share {share:.2f}")
        for phase, seconds in device_s.items()
        if (share := seconds / host_s[phase]) is not None
    ]


def check_variant(job: Settings, variant: Variant, folder: Path) -> list[Finding]:
    """All checks of one variant in a worker of its own."""
    start, with_all = launch(job, variant), conditions(job)
    with Worker(start.interpreter, with_all.cpus, start.log, MALLOC[with_all.memory]) as worker:
        try:
            worker.ask(
                "open",
                with_all.deadline_s,
                framework=variant.framework,
                device="cuda",
                threads=len(with_all.cpus),
                precision=job.workload.precision,
            )
            asked = {"execution": start.execution, "choices": start.choices}
            worker.ask("load", with_all.deadline_s, folder=str(folder), **asked)
            verified = worker.ask("verify", with_all.deadline_s)
            timed = worker.ask("device_clock", with_all.deadline_s)
        except Failure as failure:
            return [Finding(failure.outcome, failure.outcome == "unsupported", failure.reason)]
    return [
        identity(verified["gradient_errors"], job.workload.precision),
        *clocks(timed["host_s"], timed["device_s"]),
    ]


def check_models(compose_job: Callable[[Sequence[str]], Settings]) -> bool:
    """Every model in fp32 and tf32, every variant. True if all is as it should be."""
    good = True
    for model in MODELS:
        for precision in ("fp32", "tf32"):
            job = compose_job([f"model={model}", f"precision={precision}", "device=cuda", "study.name=gpu_check"])
            with tempfile.TemporaryDirectory(prefix="twofold-") as temporary:
                folder = save(job.workload, Path(temporary) / "workload")
                for variant in job.variants:
                    for found in check_variant(job, variant, folder):
                        mark = "ok  " if found.good else "FAIL"
                        print(f"{mark} {model} {precision} {variant}: {found.name}: {found.seen}", flush=True)
                        good &= found.good
    return good


def main() -> int:
    """Exit code 0 if all checks hold and the study ends well, 1 if not, 2 without a GPU."""

    def compose_job(overrides: Sequence[str]) -> Settings:
        config: DictConfig = compose("config", overrides=list(overrides))
        job = job_settings(config)
        preflight.check(job)
        return job

    try:
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            good = check_models(compose_job)
    except UserError as error:
        print(f"twofold: {error}", file=sys.stderr)
        return 2
    table = subprocess.run([sys.executable, "-m", "harness", "-m", "study=gpu"], check=False)
    return int(not good or table.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
