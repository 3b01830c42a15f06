"""Everything that only a GPU machine can show, in one command: `make gpu-check`.

The parts come in the order of their worth, so that a time limit cuts off what is worth least: gradients, precision and
clocks on the device, small models, lower precisions, then larger work up to published sizes. All that was printed and
every record and log go into one file, which is written anew after each part.
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

from ..config.compose import job_from
from ..errors import explanation
from ..job import Job
from ..measure.machine.description import describe
from ..paths import ROOT
from ..sweep import preflight
from ..workload.workload import save
from .checks import check_variant

MODELS = ("mlp", "resnet18", "gpt2")
LEAST_S = 15  # a part with less time than this shows nothing
ENDING_S = 10  # from Ctrl-C to the end of a sweep, in which it sums up
INTERRUPTED = 130  # its exit code

# Checks of each model in a precision, or a sweep; and how many seconds it may take.
CHECK, SWEEP = "check", "sweep"
PARTS: tuple[tuple[str, float, str], ...] = (
    (CHECK, 240, "precision=fp32"),
    (SWEEP, 170, "study.name=gpu_small model=mlp,resnet18,gpt2 measure.budget_s=2 measure.warm_s=1"),
    (CHECK, 240, "precision=tf32"),
    (SWEEP, 60, "study.name=gpu_precision model=mlp,resnet18 precision=tf32,bf16 measure.budget_s=2 measure.warm_s=1"),
    (SWEEP, 70, "study.name=gpu_large_mlp model=mlp model.width=4096 model.batch=4096 measure.budget_s=3"),
    (SWEEP, 90, "study.name=gpu_gpt2 model=gpt2_small model.batch=2 precision=fp32,tf32,bf16 measure.budget_s=4"),
    (SWEEP, 90, "study.name=gpu_resnet model=resnet18_imagenet model.batch=8 precision=fp32,tf32 measure.budget_s=4"),
    (SWEEP, 3600, "study=gpu"),
)


@dataclass
class Contact:
    """One run of the parts: what the user chose, when it must end, and where everything goes."""

    overrides: tuple[str, ...]
    limit_s: float
    folder: Path
    file: Path
    begun: float = field(default_factory=time.monotonic)

    @property
    def left_s(self) -> float:
        return self.limit_s - (time.monotonic() - self.begun)

    def say(self, line: str) -> None:
        """On the terminal and into the log."""
        print(line, flush=True)
        with (self.folder / "log.txt").open("a") as log:
            log.write(f"{line}\n")

    def keep(self) -> None:
        """Write the file that holds everything up to now."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        half = self.file.with_name(f"{self.file.name}.part")
        with tarfile.open(half, "w:gz") as archive:
            for path in sorted(self.folder.iterdir()):
                archive.add(path, path.name, filter=_worth_keeping)
        half.replace(self.file)

    def asked(self, part: str) -> list[str]:
        """The overrides of a part; what the user gave stands instead of its own."""
        own = ["device=cuda", "tracking=off", *part.split(), *self.overrides]
        merged = {override.partition("=")[0].lstrip("+~"): override for override in own}
        return [*merged.values(), f"results='{self.folder / 'results'}'"]


def _worth_keeping(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Not what frameworks compiled."""
    return None if member.name == "results/cache" else member


def check(contact: Contact, part: str, most_s: float) -> bool:
    """Check every model in every variant while there is time. True if all that was seen is as it should be."""
    end, good = time.monotonic() + most_s, True
    jobs = [_composed(contact, f"model={model} {part} study.name=gpu_check") for model in MODELS]
    for job in {job.workload.id: job for job in jobs}.values():  # the user may have chosen the model
        with tempfile.TemporaryDirectory(prefix="twofold-") as temporary:
            folder = save(job.workload, Path(temporary) / "workload")
            for variant in job.variants:
                if end - time.monotonic() < LEAST_S:
                    contact.say("== no time left for the other checks of this part")
                    return good
                for found in check_variant(job, variant, folder, end):
                    mark = "ok  " if found.good else "FAIL"
                    named = f"{job.workload.label} {job.workload.precision} {variant}"
                    contact.say(f"{mark} {named}: {found.name}: {found.seen}")
                    good &= found.good
    return good


def sweep(contact: Contact, part: str, most_s: float) -> bool:
    """Measure; interrupt it in order when its time is over, which is no failure. False for a bad end."""
    asked = [sys.executable, "-m", "harness", "-m", *contact.asked(part)]
    process = subprocess.Popen(asked, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    over = Event()

    def interrupt() -> None:
        over.set()
        process.send_signal(signal.SIGINT)

    timers = [Timer(max(1.0, most_s - ENDING_S), interrupt), Timer(max(1.0, most_s), process.kill)]
    for timer in timers:
        timer.daemon = True  # an end by Ctrl-C does not wait for them
        timer.start()
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            contact.say(line.rstrip())
    for timer in timers:
        timer.cancel()
    if over.is_set():
        contact.say("== cut short, its time is over")
        return True
    return process.returncode == 0


def _composed(contact: Contact, part: str) -> Job:
    return job_from(compose("config", overrides=contact.asked(part)))


def contact_device(contact: Contact) -> int:
    """All parts, as far as time goes. Exit code 0 if all that was seen is good, 1 if not. Raises UserError."""
    for line in preflight.check([_composed(contact, "model=mlp study.name=gpu_check")]):
        contact.say(f"{line} (its cells are unsupported)")
    contact.say(f"machine: {describe()}")
    good = True
    for kind, most_s, part in PARTS:
        left_s = min(most_s, contact.left_s)
        if left_s < LEAST_S:
            contact.say(f"== skipped, no time left: {kind} {part}")
            continue
        contact.say(f"== {kind} {part}: at most {left_s:.0f} s")
        begun = time.monotonic()
        try:
            ended_well = (check if kind == CHECK else sweep)(contact, part, left_s)
        except Exception as error:
            said = explanation(error)
            if said is None:
                raise
            contact.say(f"== refused: {said}")
            ended_well = False
        good &= ended_well
        contact.say(f"== {'good' if ended_well else 'NOT GOOD'} after {time.monotonic() - begun:.0f} s")
        contact.keep()
    return int(not good)


def main(arguments: Sequence[str]) -> int:
    """Exit code 0 if all is good, 1 if not, 2 without a GPU or without any framework."""
    parser = argparse.ArgumentParser(prog="python -m harness.gpu_check", description=__doc__)
    parser.add_argument("--limit", type=float, default=7200, metavar="SECONDS", help="for everything together")
    parser.add_argument("--file", type=Path, default=Path("results/gpu-check.tar.gz"), help="where everything goes")
    parser.add_argument("overrides", nargs="*", help="as for python -m harness, such as device=cpu model.batch=8")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="twofold-") as temporary:
        contact = Contact(tuple(given.overrides), given.limit, Path(temporary), given.file)
        try:
            with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
                code = contact_device(contact)
        except KeyboardInterrupt:
            contact.say("== interrupted")
            code = INTERRUPTED
        except Exception as error:
            said = explanation(error)
            if said is None:
                raise
            print(f"twofold: {said}", file=sys.stderr)
            return 2
        contact.say(f"== done after {time.monotonic() - contact.begun:.0f} s; everything is in {given.file}")
        contact.keep()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
