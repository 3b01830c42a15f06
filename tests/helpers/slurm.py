"""A real SLURM on this machine's loopback, without systemd: munged, slurmctld, and one slurmd for each node."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import time
from pathlib import Path

from tests.helpers.processes import eventually

PACKAGES = {"munge": ("munged", "mungekey"), "slurm-wlm": ("slurmctld", "slurmd", "sbatch")}  # Debian's

_CONFIG = """
ClusterName=twofold
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,sched_min_interval=0
ReturnToService=2
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
KillWait=2
MinJobAge=300
{nodes}
PartitionName=all Nodes={names} Default=YES MaxTime=INFINITE State=UP
"""


def lacking() -> str:
    """Say why there can be no SLURM here; empty if there can."""
    if os.getuid():
        return "a SLURM of its own needs root"
    programs = {program: package for package, of_it in PACKAGES.items() for program in of_it}
    packages = {package for program, package in programs.items() if shutil.which(program, path=_path()) is None}
    return f"not installed: apt-get install {' '.join(sorted(packages))}" if packages else ""


class Slurm:
    """Two nodes of one CPU each, which are both this machine."""

    NODES = ("one", "two")

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hidden = folder / "hidden"  # what is in it no node sees
        self.environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": _path()}
        self._daemons: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start all daemons, and wait until the nodes are idle."""
        (self.folder / "state").mkdir(parents=True)
        self.hidden.mkdir()
        ports = _free_ports(1 + len(self.NODES))
        nodes = [
            f"NodeName={name} NodeHostname={platform.node()} NodeAddr=127.0.0.1 Port={port} CPUs=1 State=UNKNOWN"
            for name, port in zip(self.NODES, ports[1:], strict=True)
        ]
        text = _CONFIG.format(
            host=platform.node(), ports=ports, folder=self.folder, nodes="\n".join(nodes), names=",".join(self.NODES)
        )
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "cgroup.conf").write_text(f"CgroupPlugin={_cgroup_plugin()}\n")
        key, munge = self.folder / "munge.key", self.folder / "munge"
        self._run("mungekey", "--create", f"--keyfile={key}")
        files = [f"--{what}-file={munge}.{what}" for what in ("pid", "log", "seed")]
        self._start("munged", "--foreground", "--force", f"--key-file={key}", f"--socket={munge}.socket", *files)
        eventually(Path(f"{munge}.socket").exists)
        self._start("slurmctld", "-D")
        for name in self.NODES:
            hide = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(self.hidden)]
            self._start(*hide, "slurmd", "-D", "-N", name)
        eventually(lambda: self.ask("sinfo", "--noheader", "--format=%T %D").split() == ["idle", str(len(self.NODES))])

    def ask(self, *command: str) -> str:
        """Run one of SLURM's commands. Returns what it prints; nothing if it fails."""
        completed = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        return completed.stdout if completed.returncode == 0 else ""

    def stop(self) -> None:
        """End all daemons and what they run."""
        self.ask("scancel", "--user=root")
        deadline = time.monotonic() + 10
        while self.ask("squeue", "--noheader") and time.monotonic() < deadline:
            time.sleep(0.1)
        for daemon in reversed(self._daemons):
            daemon.terminate()
            daemon.wait(20)

    def _run(self, *command: str) -> None:
        subprocess.run(command, env=self.environment, check=True)

    def _start(self, *command: str) -> None:
        with (self.folder / "daemons.log").open("ab") as log:
            daemon = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, start_new_session=True)
        self._daemons.append(daemon)


def _cgroup_plugin() -> str:
    """No plugin, which SLURM 23.02 was the first to allow; before, one that loads and is used for nothing."""
    told = subprocess.run(["slurmd", "-V"], env={"PATH": _path()}, capture_output=True, text=True, check=True).stdout
    release = tuple(map(int, told.split()[1].split(".")[:2]))
    return "disabled" if release >= (23, 2) else "cgroup/v1"


def _path() -> str:
    """Where daemons are."""
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


def _free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
