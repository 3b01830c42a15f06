"""User and password for an MLflow server: from its address or the environment, and nowhere else."""

from __future__ import annotations

import os
from urllib.parse import unquote, urlsplit

USERNAME, PASSWORD, TOKEN = (f"MLFLOW_TRACKING_{what}" for what in ("USERNAME", "PASSWORD", "TOKEN"))
_replaced: dict[str, str | None] = {}  # what the user's environment had before the latest address with a password


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

    So no message of MLflow's can hold them, and it finds them for artifacts too. They are for this address alone: the
    next one finds the environment as the user gave it.
    """
    for name, value in _replaced.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    _replaced.clear()
    for name, value in zip((USERNAME, PASSWORD), credentials_of(uri) or (), strict=False):
        _replaced[name] = os.environ.get(name)
        os.environ[name] = value
    return plain(uri)
