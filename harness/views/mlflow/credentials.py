"""User and password for an MLflow server: from its address or the environment, and nowhere else."""

from __future__ import annotations

import os
from urllib.parse import unquote, urlsplit

USERNAME, PASSWORD, TOKEN = (f"MLFLOW_TRACKING_{what}" for what in ("USERNAME", "PASSWORD", "TOKEN"))
_GIVEN = {name: os.environ.get(name) for name in (USERNAME, PASSWORD)}


def credentials_of(uri: str) -> tuple[str, str] | None:
    """The user and password inside an address; None if it has no password."""
    parts = urlsplit(uri)
    return (unquote(parts.username or ""), unquote(parts.password)) if parts.password else None


def plain(uri: str) -> str:
    """A server's address without user and password."""
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def use_credentials(uri: str) -> str:
    """Hand the credentials of a server's address to MLflow, which reads the environment. Returns the plain address.

    So no message of MLflow's can hold them, and it finds them for artifacts too. For a server whose address has none,
    the environment is again as the user gave it.
    """
    given = credentials_of(uri)
    values = dict(zip((USERNAME, PASSWORD), given, strict=True)) if given else _GIVEN
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    return plain(uri)
