"""Texts that are longer than PostgreSQL takes them; tests/views/test_mlflow_server.py shows it a real one."""

from __future__ import annotations

import pytest

from harness.views.mlflow.limits import longest_tag, shortened

SAID = "\n\nThe rest is too long for MLflow; it stands in findings.md."


def test_a_text_is_cut_at_the_end_of_a_line() -> None:
    text = "\n".join(f"line {number}" for number in range(100))
    cut = shortened(text, 200, "findings.md")
    assert 190 < len(cut) <= 200 and cut.endswith(SAID)
    assert text.startswith(f"{cut.removesuffix(SAID)}\n")


def test_one_long_line_is_cut_where_it_must_be() -> None:
    assert shortened("x" * 300, 200, "findings.md") == "x" * (200 - len(SAID)) + SAID


@pytest.mark.parametrize(("characters", "most"), [(200, 200), (100_000, None)])
def test_what_fits_stays_as_it_is(characters: int, most: int | None) -> None:
    assert shortened("x" * characters, most, "findings.md") == "x" * characters


def test_only_a_database_file_takes_any_length() -> None:
    assert longest_tag("sqlite:///results/mlflow.db") is None
    assert longest_tag("http://host:5000") == longest_tag("postgresql+psycopg2://host/mlflow") == 8_000
