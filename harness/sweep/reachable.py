"""Checks before anything is measured or logged that MLflow is installed, answers, and takes the user's credentials."""

from __future__ import annotations

import base64
import http.client
import importlib.util
import os
import sys
import urllib.error
import urllib.request

from ..errors import UserError, first_line, masked
from ..views.mlflow.credentials import PASSWORD, TOKEN, USERNAME, credentials_of, plain

_ANSWER_WITHIN_S = 5
_SERVERS = ("http", "https")
_DATABASES = ("postgresql", "mysql", "mssql")
_OTHERS = ("sqlite", "databricks")  # that need no check, or have another way to give credentials
_OTHERWISE = ", or choose tracking=local or tracking=off"


def check_tracking(uri: str | None) -> None:
    """Raise UserError unless a sweep's MLflow is installed and its server or database, if there is one, can be used."""
    if uri is None:
        return
    shown = masked(uri)
    if importlib.util.find_spec("mlflow") is None:
        raise UserError(
            f"tracking.uri={shown}: MLflow is not installed for {sys.executable}; "
            "install mlflow, or choose tracking=off"
        )
    if credentials_of(uri) and uri != os.environ.get("MLFLOW_TRACKING_URI"):
        raise UserError(
            f"tracking.uri={shown}: was given with a password, which Hydra would write into its files; put the whole "
            "address into the environment variable MLFLOW_TRACKING_URI, and choose tracking=server"
        )
    check_address(uri, f"tracking.uri={shown}", _OTHERWISE)


def check_address(uri: str, typed: str, otherwise: str = "") -> None:
    """Raise UserError unless there is a server or a database at an address, or a file is to be one.

    Args:
        uri: the address.
        typed: how a message names it, without a password.
        otherwise: what a user may choose instead, as the end of a message.
    """
    kind = uri.partition(":")[0].partition("+")[0]
    if kind in _SERVERS:
        _check_server(uri, typed, otherwise)
    elif kind in _DATABASES:
        _check_database(uri, typed, otherwise)
    elif kind not in _OTHERS:
        raise UserError(
            f"{typed}: is no address of MLflow; write http://HOST:PORT for a server, postgresql+psycopg2://HOST/NAME "
            f"or sqlite:///FILE for a database{otherwise}"
        )


def _check_server(uri: str, typed: str, otherwise: str) -> None:
    """Raise UserError unless an MLflow server answers there, and takes the credentials of the address or environment.

    A server that is healthy and then answers nothing may be busy; that is no reason to measure nothing.
    """
    server = plain(uri).rstrip("/")
    try:
        urllib.request.urlopen(f"{server}/health", timeout=_ANSWER_WITHIN_S).close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        why = error.reason if isinstance(error, urllib.error.URLError) else error
        raise UserError(
            f"{typed}: MLflow does not answer there ({' '.join(str(why).split())}); start it{otherwise}"
        ) from error
    asked = urllib.request.Request(f"{server}/api/2.0/mlflow/experiments/search?max_results=1")
    if authorization := _authorization(uri):
        asked.add_header("Authorization", authorization)
    try:
        urllib.request.urlopen(asked, timeout=_ANSWER_WITHIN_S).close()
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (401, 403):
            raise UserError(
                f"{typed}: MLflow refuses the request ({error.code} {error.reason}); set {USERNAME} and "
                f"{PASSWORD}{otherwise}"
            ) from error
        raise UserError(
            f"{typed}: is no MLflow server that works ({error.code} {error.reason}); start one{otherwise}"
        ) from error
    except (OSError, http.client.HTTPException):
        return


def _authorization(uri: str) -> str | None:
    """The header that MLflow's client sends: of the address, or of the environment."""
    user, password = credentials_of(uri) or (os.environ.get(USERNAME), os.environ.get(PASSWORD))
    if user and password:
        return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
    token = os.environ.get(TOKEN)
    return f"Bearer {token}" if token else None


def _check_database(uri: str, typed: str, otherwise: str) -> None:
    """Raise UserError unless the database takes a connection."""
    import sqlalchemy

    try:
        engine = sqlalchemy.create_engine(uri, connect_args={"connect_timeout": _ANSWER_WITHIN_S})
        engine.connect().close()
        engine.dispose()
    except ImportError as error:
        raise UserError(
            f"{typed}: {sys.executable} has no driver for it ({error}); for PostgreSQL, install "
            f"psycopg2-binary and write postgresql+psycopg2://{otherwise}"
        ) from error
    except (sqlalchemy.exc.SQLAlchemyError, ValueError) as error:
        raise UserError(
            f"{typed}: the database takes no connection ({first_line(error)}); start it, or correct the address"
            f"{otherwise}"
        ) from error
