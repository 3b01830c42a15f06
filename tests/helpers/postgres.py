"""A real PostgreSQL on loopback, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.helpers.mlflow_server import free_port
from tests.helpers.processes import eventually

BIN = max(Path("/usr/lib/postgresql").glob("*/bin/initdb"), default=Path("nowhere/initdb")).parent
USER, PASSWORD = "twofold", "a secret/of:ours"


@contextmanager
def postgres() -> Iterator[int]:
    """The port of a server whose database `postgres` takes USER and PASSWORD. It never runs as root."""
    account = "postgres" if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="twofold-postgres-"))
    secret = folder / "password"
    secret.write_text(PASSWORD)
    if account:
        for path in (folder, secret):
            shutil.chown(path, account)
    port, data = free_port(), folder / "data"

    def command(name: str, *arguments: str) -> list[str]:
        return [str(BIN / name), *arguments]

    make = command("initdb", "-D", str(data), "-U", USER, "--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync")
    subprocess.run(make, check=True, capture_output=True, cwd=folder, user=account)
    serve = command("postgres", "-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", str(folder))
    server = subprocess.Popen(serve, cwd=folder, user=account, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ready = command("pg_isready", "-h", "127.0.0.1", "-p", str(port))
    try:
        eventually(lambda: subprocess.run(ready, capture_output=True).returncode == 0)
        yield port
    finally:
        server.send_signal(signal.SIGINT)  # it ends without waiting for its clients
        server.wait(60)
        shutil.rmtree(folder, ignore_errors=True)
