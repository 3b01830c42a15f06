"""Opens MLflow's pages on this machine only: `python -m harness.commands.ui PORT [RESULTS]`.

Exit code 1 if there is nothing to show or the port is taken, 2 for a missing or impossible port.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from ..views.mlflow.client import local_uri
from ..views.mlflow.pages import NAME, lines_of, local_server, studies

_QUIET = "--log-level warning"  # a line for each request would bury the links


def main(port: int, results: Path) -> None:
    """Print the links, then become the server. Exits with a one-line message if there is nothing to show."""
    database = results / "mlflow.db"
    if not database.is_file():
        sys.exit(f"twofold: {database} is not there; run make sweep first")
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            sys.exit(f"twofold: port {port} of 127.0.0.1 is taken; choose another, such as make ui PORT={port + 1}")
    uri, server = local_uri(results), local_server(port)
    for study in studies(uri):
        print("\n".join([study.name, *lines_of(study.pages, server)]))
        print(f"  every run, not arranged\n    {study.plain_link(local_server(port, '127.0.0.1'))}")
    print("Ctrl-C stops it", flush=True)
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # otherwise it starts fifteen processes (2.3 GB)
    hosts = ["--allowed-hosts", f"localhost:{port},127.0.0.1:{port},{NAME}:{port}", "--cors-allowed-origins", server]
    serve = ["-m", "mlflow", "ui", "--backend-store-uri", uri, "--registry-store-uri", uri, "--host", "127.0.0.1"]
    serve += ["--port", str(port), "--workers", "1", "--uvicorn-opts", _QUIET, *hosts]
    os.execv(sys.executable, [sys.executable, *serve])


def command_line(arguments: Sequence[str]) -> None:
    """Run `main`, or exit with code 2 and a one-line message if the port is not a port."""
    port = arguments[0] if arguments else ""
    if not (port.isascii() and port.isdecimal() and 1 <= int(port) <= 65535):
        print(f"twofold: {port or 'no port'}: give a port from 1 to 65535, such as 5000", file=sys.stderr)
        sys.exit(2)
    main(int(port), Path(arguments[1] if len(arguments) > 1 else "results"))


if __name__ == "__main__":
    command_line(sys.argv[1:])
