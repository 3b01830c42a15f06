"""The line that says what runs now: on a terminal, drawn while nothing is timed, and nowhere else."""

from __future__ import annotations

import io
import threading

import pytest
from rich.console import Console

from harness.views.progress import Progress


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def progress(screen: io.StringIO, clock: Clock) -> Progress:
    """A progress line on a terminal of 80 columns."""
    return Progress(Console(file=screen, force_terminal=True, width=80, color_system=None), now=clock)


def drawn(screen: io.StringIO) -> str:
    """What was drawn since the last time, as text."""
    text = screen.getvalue()
    screen.seek(0)
    screen.truncate()
    return text


def test_it_says_what_runs_and_how_long_the_rest_takes(progress: Progress, screen: io.StringIO, clock: Clock) -> None:
    with progress.running(120):
        progress.show("preparing mlp depth=2 torch eager")
        line = drawn(screen)
        assert "preparing mlp depth=2 torch eager" in line and "about 2.0 minutes left" in line
        clock.seconds += 60
        progress.show("warming up mlp depth=2 torch eager")
        assert "about 60 seconds left" in drawn(screen)
        progress.show("measuring mlp depth=2 torch eager", 10)
        assert "about 10 seconds left" in drawn(screen)


def test_it_is_drawn_at_most_once_a_second_unless_something_else_begins(
    progress: Progress, screen: io.StringIO, clock: Clock
) -> None:
    with progress.running(120):
        progress.show("measuring a", 50)
        drawn(screen)
        clock.seconds += 0.9
        progress.show("measuring b", 49)
        assert drawn(screen) == ""
        progress.show("preparing c", 49)
        assert "preparing c" in drawn(screen)
        clock.seconds += 1.0
        progress.show("preparing d", 49)
        assert "preparing d" in drawn(screen)


def test_no_thread_draws_it_while_something_is_timed(progress: Progress) -> None:
    before = threading.active_count()
    with progress.running(120):
        progress.show("measuring a", 50)
        assert threading.active_count() == before


def test_a_line_longer_than_the_terminal_is_cut(progress: Progress, screen: io.StringIO) -> None:
    with progress.running(120):
        drawn(screen)
        progress.show("measuring " + "long " * 40, 50)
        assert max(map(len, drawn(screen).splitlines())) < 100


def test_in_a_pipe_there_is_nothing_of_it(screen: io.StringIO, clock: Clock) -> None:
    progress = Progress(Console(file=screen), now=clock)
    with progress.running(120):
        progress.show("measuring a", 50)
    assert screen.getvalue() == ""


def test_it_is_gone_at_the_end_and_what_was_printed_stays(progress: Progress, screen: io.StringIO) -> None:
    with pytest.raises(KeyboardInterrupt), progress.running(120):
        progress.show("measuring a", 50)
        raise KeyboardInterrupt
    drawn(screen)
    progress.show("measuring b", 40)
    assert drawn(screen) == ""
