"""What a command asks of this machine and cannot have there: folders, interpreters, servers and MLflow."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from omegaconf import DictConfig

from harness.config.expand import job_from
from harness.errors import UserError
from harness.sweep import preflight
from tests.config.conftest import Refused


@contextlib.contextmanager
def answering(reply: bytes) -> Iterator[int]:
    """A server on a free port that sends `reply` to whoever connects, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.recv(4096)
                        connection.sendall(reply)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def test_results_that_are_a_file_are_refused(refused: Refused, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    message = refused(f"results={blocked}/results")
    assert all(said in message for said in (f"results={blocked}/results", "choose another folder"))


def test_an_interpreter_without_the_framework_is_refused(refused: Refused, tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", symlinks=True)
    python = tmp_path / "bare" / "bin" / "python"
    message = refused("variants=torch", f"frameworks.torch.interpreters.cpu={python}")
    assert all(said in message for said in (f"torch is not installed for {python}", "variants.torch=[]"))


def test_where_no_wanted_framework_is_there_it_says_so_of_each(refused: Refused) -> None:
    missing = [f"frameworks.{name}.interpreters.cpu=/nowhere/{name}" for name in ("torch", "jax")]
    message = refused("variants=torch,jax", *missing)
    assert all(said in message for said in ("torch: its interpreter /nowhere/torch", "jax: its interp"))


def test_an_interpreter_that_does_not_start_is_refused(refused: Refused, tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_bytes(b"\x7fELF, but not really")
    broken.chmod(0o755)
    message = refused("variants=torch", f"frameworks.torch.interpreters.cpu={broken}")
    assert str(broken) in message


@pytest.mark.parametrize(
    "reply", [b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.0 404 Not Found\r\n\r\n"], ids=["silence", "ssh", "no MLflow"]
)
def test_a_server_that_is_not_mlflow_is_refused(refused: Refused, reply: bytes) -> None:
    with answering(reply) as port:
        message = refused("tracking=server", f"tracking.uri=http://127.0.0.1:{port}")
    assert all(said in message for said in (f":{port}", "does not answer", "tracking=off"))


def test_a_port_where_nobody_listens_is_refused(refused: Refused) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    message = refused("tracking=server", f"tracking.uri=http://127.0.0.1:{port}")
    assert all(said in message for said in (f":{port}", "refused", "tracking=local"))


@pytest.mark.parametrize("address", ["htp://host", "/a/folder", "file:///a/folder", "host:5000"])
def test_what_is_no_address_of_mlflow_is_refused(refused: Refused, address: str) -> None:
    message = refused("tracking=server", f"tracking.uri='{address}'")
    assert message.startswith(f"tracking.uri={address}: is no address of MLflow; write http://HOST:PORT for a server, ")
    assert message.endswith(", or choose tracking=local or tracking=off")


def test_mlflow_that_is_not_installed_is_refused_only_where_it_is_asked_for(
    composed: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    given = ("variants=numpy", "device=cpu", f"results={tmp_path}")
    assert preflight.check([job_from(composed(*given, "tracking=off"))]) == []
    for tracking in ("local", "server"):
        with pytest.raises(UserError, match=r"MLflow is not installed for .*; install mlflow, or choose tracking=off"):
            preflight.check([job_from(composed(*given, f"tracking={tracking}"))])
