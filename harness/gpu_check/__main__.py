"""Everything that only a machine with a GPU can show, in one command: `make gpu-check`.

The most valuable parts come first, so that a time limit cuts off the least valuable ones: gradients, precision and
clocks on the device, small models, lower precisions, larger work, cold caches, replicas where there are two GPUs, then
published sizes, which take the rest. Everything printed and every record and log go into one file, which is rewritten
after each part.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Timer

from hydra import compose, initialize_config_dir

from ..config.expand import job_from
from ..errors import INTERRUPTED, explanation
from ..job import Job
from ..measure.machine.description import describe
from ..measure.machine.gpu import gpus
from ..paths import ROOT
from ..sweep import preflight
from ..workload.workload import save
from .checks import check_variant

MODELS = ("mlp", "resnet18", "gpt2")
LEAST_S = 15  # a part that gets less time than this shows nothing
ENDING_S = 10  # what a sweep needs to sum up after Ctrl-C

# Each part: checks of every model in one precision or a sweep, the seconds it may take, and its overrides.
CHECK, SWEEP = "check", "sweep"
BRIEF = "measure.trials=1 measure.budget_s"
PARTS: tuple[tuple[str, float, str], ...] = (
    (CHECK, 60, "precision=fp32"),
    (SWEEP, 120, f"study.name=gpu_small model=mlp,resnet18,gpt2 {BRIEF}=2 measure.warm_s=1"),
    (SWEEP, 60, f"study.name=gpu_precision model=mlp,resnet18 precision=tf32,bf16 {BRIEF}=2 measure.warm_s=1"),
    (SWEEP, 90, f"study.name=gpu_gpt2 model=gpt2_small model.batch=2 precision=fp32,bf16 {BRIEF}=3"),
    (SWEEP, 90, f"study.name=gpu_resnet model=resnet18_imagenet model.batch=8 precision=fp32,tf32 {BRIEF}=3"),
    (SWEEP, 70, f"study.name=gpu_large_mlp model=mlp model.width=4096 model.batch=4096 {BRIEF}=3"),
    (CHECK, 120, "precision=tf32"),
    (SWEEP, 60, f"study.name=gpu_cold model=mlp measure.cache=cold {BRIEF}=3 measure.warm_s=1"),
    (SWEEP, 90, f"study.name=gpu_replicas model=mlp,gpt2 variants=each choices.replicas=[1,2] {BRIEF}=3"),
    (SWEEP, 3600, "study=gpu"),
)


@dataclass
class CheckRun:
    """One run of all parts: the user's overrides, the time limit, and where the output goes."""

    overrides: tuple[str, ...]
    limit_s: float
    folder: Path
    file: Path
    begun: float = field(default_factory=time.monotonic)

    @property
    def left_s(self) -> float:
        return self.limit_s - (time.monotonic() - self.begun)

    def say(self, line: str) -> None:
        """Print a line, and append it to the log."""
        print(line, flush=True)
        with (self.folder / "log.txt").open("a") as log:
            log.write(f"{line}\n")

    def keep(self) -> None:
        """Write the file that holds everything so far."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        half = self.file.with_name(f"{self.file.name}.part")
        with tarfile.open(half, "w:gz") as archive:
            for path in sorted(self.folder.iterdir()):
                archive.add(path, path.name, filter=_worth_keeping)
        half.replace(self.file)

    def asked(self, part: str) -> list[str]:
        """The overrides of a part; the user's replace its own."""
        own = ["device=cuda", "tracking=off", *part.split(), *self.overrides]
        merged = {override.partition("=")[0].lstrip("+~"): override for override in own}
        return [*merged.values(), f"results='{self.folder / 'results'}'"]


def _worth_keeping(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out the frameworks' compile caches."""
    return None if member.name == "results/cache" else member


def check(check_run: CheckRun, part: str, most_s: float) -> bool:
    """Check every model in every variant while there is time. Returns whether every check made was good."""
    end, good = time.monotonic() + most_s, True
    jobs = [_composed(check_run, f"model={model} {part} study.name=gpu_check") for model in MODELS]
    for job in {job.workload.id: job for job in jobs}.values():  # the user may have chosen the model
        with tempfile.TemporaryDirectory(prefix="twofold-") as temporary:
            folder = save(job.traced, Path(temporary) / "workload")
            for variant in job.variants:
                if end - time.monotonic() < LEAST_S:
                    check_run.say("== no time left for the other checks of this part")
                    return good
                for found in check_variant(job, variant, folder, end):
                    mark = "ok  " if found.good else "FAIL"
                    named = f"{job.workload.label} {job.workload.precision} {variant}"
                    check_run.say(f"{mark} {named}: {found.name}: {found.seen}")
                    good &= found.good
    return good


def sweep(check_run: CheckRun, part: str, most_s: float) -> bool:
    """Run a sweep, and interrupt it cleanly when its time is up, which is no failure. Returns whether it ended well."""
    asked = [sys.executable, "-m", "harness", "-m", *check_run.asked(part)]
    process = subprocess.Popen(asked, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    over = Event()

    def interrupt() -> None:
        over.set()
        process.send_signal(signal.SIGINT)

    timers = [Timer(max(1.0, most_s - ENDING_S), interrupt), Timer(max(1.0, most_s), process.kill)]
    for timer in timers:
        timer.daemon = True  # do not delay the exit after Ctrl-C
        timer.start()
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            check_run.say(line.rstrip())
    for timer in timers:
        timer.cancel()
    if over.is_set():
        check_run.say("== cut short, its time is over")
        return True
    return process.returncode == 0


def _composed(check_run: CheckRun, part: str) -> Job:
    return job_from(compose("config", overrides=check_run.asked(part)))


def _places(check_run: CheckRun) -> int:
    """Return how many replicas there is room for: a GPU or, where the user chose a CPU, a thread for each."""
    device = _composed(check_run, "model=mlp study.name=gpu_check").device
    return len(gpus()) if device.name == "cuda" else device.threads


def run_parts(check_run: CheckRun) -> int:
    """Run all parts that there is time for. Returns exit code 0 if everything is good, else 1. Raises UserError."""
    for line in preflight.check([_composed(check_run, "model=mlp study.name=gpu_check")]):
        check_run.say(f"{line} (its cells are unsupported)")
    check_run.say(f"machine: {describe()}")
    good = True
    for kind, most_s, part in PARTS:
        left_s = min(most_s, check_run.left_s)
        if left_s < LEAST_S:
            check_run.say(f"== skipped, no time left: {kind} {part}")
            continue
        if "replicas" in part and _places(check_run) < 2:
            check_run.say(f"== skipped, there is one device: {kind} {part}")
            continue
        check_run.say(f"== {kind} {part}: at most {left_s:.0f} s")
        begun = time.monotonic()
        try:
            ended_well = (check if kind == CHECK else sweep)(check_run, part, left_s)
        except Exception as error:
            said = explanation(error)
            if said is None:
                raise
            check_run.say(f"== refused: {said}")
            ended_well = False
        good &= ended_well
        check_run.say(f"== {'good' if ended_well else 'NOT GOOD'} after {time.monotonic() - begun:.0f} s")
        check_run.keep()
    return int(not good)


def main(arguments: Sequence[str]) -> int:
    """Run the checks. Returns exit code 0 if all are good, 1 if not, 2 for a user's mistake, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m harness.gpu_check", description=__doc__)
    parser.add_argument("--limit", type=float, default=7200, metavar="SECONDS", help="for everything together")
    parser.add_argument("--file", type=Path, default=Path("results/gpu-check.tar.gz"), help="where everything goes")
    parser.add_argument("overrides", nargs="*", help="as for python -m harness, such as device=cpu model.batch=8")
    given = parser.parse_intermixed_args(arguments)
    with tempfile.TemporaryDirectory(prefix="twofold-") as temporary:
        check_run = CheckRun(tuple(given.overrides), given.limit, Path(temporary), given.file)
        try:
            with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
                code = run_parts(check_run)
        except KeyboardInterrupt:
            check_run.say("== interrupted")
            code = INTERRUPTED
        except Exception as error:
            said = explanation(error)
            if said is None:
                raise
            print(f"twofold: {said}", file=sys.stderr)
            return 2
        check_run.say(f"== done after {time.monotonic() - check_run.begun:.0f} s; everything is in {given.file}")
        check_run.keep()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
