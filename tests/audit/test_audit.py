"""What the page says of each tool is so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.audit.page import markdown
from tests.audit.tools import BACKWARD, FORWARD, MULTIPLY, Answer, answers

pytest.importorskip("flax")
PAGE = Path(__file__).parent / "README.md"


@pytest.fixture(scope="module", name="found")
def _found() -> list[Answer]:
    return answers()


def test_each_answer_is_the_multiplies_that_explain_it_and_a_few_percent_of_elementwise_work(
    found: list[Answer],
) -> None:
    for answer in found:
        assert 0 <= answer.forward / (FORWARD * MULTIPLY) - 1 < 0.03, answer
        if answer.backward is not None and answer.multiplies is not None:
            assert 0 <= answer.backward / (answer.multiplies * MULTIPLY) - 1 < 0.03, answer


def test_what_counts_the_dispatched_multiplies_is_exact(found: list[Answer]) -> None:
    exact = [answer for answer in found if answer.tool.startswith(("Twofold", "torch"))]
    assert [(answer.forward, answer.backward) for answer in exact] == [(FORWARD * MULTIPLY, BACKWARD * MULTIPLY)] * 3


def test_the_page_is_what_the_command_writes(found: list[Answer]) -> None:
    assert PAGE.read_text() == markdown(found), "run make audit"
