"""A password inside an address: where it goes, and where it does not."""

from __future__ import annotations

import os

import pytest

from harness.errors import UserError, first_line, masked
from harness.sweep.reachable import check_tracking
from harness.views.mlflow.credentials import PASSWORD, USERNAME, credentials_of, plain, use_credentials


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user whose environment has a name and no password."""
    monkeypatch.setenv(USERNAME, "me")
    monkeypatch.setenv(PASSWORD, "")
    monkeypatch.delenv(PASSWORD)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:secret@host:5000/x", "http://host:5000/x"),
        ("postgresql+psycopg2://me:se%2Fcr@et@host/db: no", "postgresql+psycopg2://host/db: no"),
        (
            "request to https://me:a/b@host failed, http://other is fine",
            "request to https://host failed, http://other is fine",
        ),
        ("sqlite:////home/a@b/mlflow.db", "sqlite:////home/a@b/mlflow.db"),
        ("mlflow:study@http://host", "mlflow:study@http://host"),
    ],
)
def test_a_message_has_no_user_and_no_password(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert first_line(OSError(text)) == shown


def test_an_address_gives_up_its_credentials_to_the_environment_and_for_itself_alone() -> None:
    address = "https://you:a%20b%2Fc@host:5000/mlflow"
    assert credentials_of(address) == ("you", "a b/c")
    assert use_credentials(address) == plain(address) == "https://host:5000/mlflow"
    assert (os.environ[USERNAME], os.environ[PASSWORD]) == ("you", "a b/c")
    assert use_credentials("http://elsewhere") == "http://elsewhere"
    assert (os.environ[USERNAME], os.environ.get(PASSWORD)) == ("me", None)


def test_a_password_that_is_typed_is_refused_without_being_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://host")
    with pytest.raises(UserError, match=r"tracking.uri=http://host: was given with a password, .* MLFLOW_TRACKING_URI"):
        check_tracking("http://me:secret@host")
