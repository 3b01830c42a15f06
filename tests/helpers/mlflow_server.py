"""A real MLflow server, and a door before it that asks for a password."""

from __future__ import annotations

import base64
import http.client
import os
import socket
import subprocess
import sys
import urllib.request
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.helpers.processes import eventually

_PATIENCE_S = 300  # on a machine with much else to do


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class MlflowServer:
    """A server on a free port, that can be stopped and started again. It keeps its files in `folder`."""

    def __init__(self, folder: Path, database: str = "") -> None:
        self.port, self.folder = free_port(), folder
        self.uri, self.database = f"http://127.0.0.1:{self.port}", database or f"sqlite:///{folder}/m.db"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        serve = ["server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        serve += ["--artifacts-destination", str(self.folder)]
        no_jobs = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *serve],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | no_jobs | {"MLFLOW_BACKEND_STORE_URI": self.database},
        )
        eventually(lambda: self.process.poll() is not None or self.answers(), _PATIENCE_S)
        assert self.process.poll() is None, "it ended instead of serving"

    def answers(self) -> bool:
        """Return True if it is healthy."""
        try:
            urllib.request.urlopen(f"{self.uri}/health", timeout=5).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """Kill it, as a crash does."""
        os.killpg(self.process.pid, 9)
        self.process.wait()


class Door(ThreadingHTTPServer):
    """Passes on requests with the right user and password to a server, health checks without, and refuses all others.

    So do the proxies that people put before MLflow.
    """

    daemon_threads = True

    def __init__(self, behind: MlflowServer, user: str, password: str) -> None:
        super().__init__(("127.0.0.1", 0), _Doorman)
        self.behind = behind
        self.expected = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
        self.address = f"127.0.0.1:{self.server_address[1]}"


class _Doorman(BaseHTTPRequestHandler):
    server: Door

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path != "/health" and self.headers.get("Authorization") != self.server.expected:
            self.send_error(401)
            return
        headers = {name: value for name, value in self.headers.items() if name not in ("Authorization", "Host")}
        with closing(http.client.HTTPConnection("127.0.0.1", self.server.behind.port, timeout=60)) as behind:
            behind.request(self.command, self.path, body, headers)
            answer = behind.getresponse()
            content = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.getheader("Content-Type") or "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on

    def log_message(self, *_: object) -> None:
        """Say nothing."""
