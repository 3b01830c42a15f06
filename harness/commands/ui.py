"""Opens MLflow's pages on this machine only: `python -m harness.commands.ui PORT [RESULTS]`."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from ..views.mlflow import Tracker, local_uri

# Without this, MLflow opens the pages of its assistant for language models; the charts are in the other one.
_VIEW = "workflowType=machine_learning"


def main(port: int, results: Path) -> None:
    """Print the links, then become the server. Ends with one sentence if there is nothing to show."""
    database = results / "mlflow.db"
    if not database.is_file():
        sys.exit(f"twofold: {database} is not there; run make sweep first")
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            sys.exit(f"twofold: port {port} of 127.0.0.1 is taken; choose another, such as make ui PORT={port + 1}")
    uri = local_uri(results)
    for study, experiment, summary in Tracker.contents(uri):
        print(f"{study}: http://127.0.0.1:{port}/#/experiments/{experiment}/runs?{_VIEW}&compareRunsMode=CHART")
        if summary:
            print(f"  findings: http://127.0.0.1:{port}/#/experiments/{experiment}/runs/{summary}?{_VIEW}")
    print("Ctrl-C ends it", flush=True)
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # else fifteen processes and 2.3 GB
    serve = ["-m", "mlflow", "ui", "--backend-store-uri", uri, "--host", "127.0.0.1", "--port", str(port)]
    os.execv(sys.executable, [sys.executable, *serve, "--workers", "1"])


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "results"))
