"""A line on a terminal that says what runs now and how long the rest takes; nothing in a pipe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich import progress
from rich.console import Console
from rich.table import Column

from .plural import duration

REDRAWN_AFTER_S = 1.0


class Progress:
    """The line. It is drawn only inside `show`, which must be called while nothing is timed.

    A thread that redraws it, as rich has one, would take processor time from the programs that are measured.
    """

    def __init__(self, console: Console, now: Callable[[], float] = time.monotonic) -> None:
        self._console, self._now = console, now
        self._bar: progress.Progress | None = None
        self._start = self._drawn = self._end = 0.0  # on the clock; the end is an estimate
        self._verb = ""

    @contextmanager
    def running(self, seconds: float) -> Iterator[None]:
        """Show the line in this context, if a person watches. `seconds` is how long all is expected to take."""
        if not self._console.is_interactive or not seconds:
            yield
            return
        self._start, self._end, self._verb = self._now(), self._now() + seconds, ""
        what = progress.TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, ratio=1))
        left = progress.TextColumn("{task.fields[left]}", markup=False, table_column=Column(no_wrap=True))
        columns = (progress.BarColumn(20), what, left)
        with progress.Progress(*columns, console=self._console, auto_refresh=False, transient=True, expand=True) as bar:
            self._console.show_cursor()  # a second Ctrl-C leaves no time to restore it
            bar.add_task("starting", left="", total=seconds)
            self._bar = bar
            try:
                yield
            finally:
                self._bar = None

    def show(self, what: str, left_s: float | None = None) -> None:
        """Say what is done from now on. `left_s` corrects the estimate of what remains after that.

        Another first word of `what` is drawn at once, everything else at most once a second.
        """
        now = self._now()
        if left_s is not None:
            self._end = now + left_s
        verb = what.partition(" ")[0]
        if self._bar is None or (verb == self._verb and now - self._drawn < REDRAWN_AFTER_S):
            return
        self._drawn, self._verb = now, verb
        left_s = max(0.0, self._end - now)
        (task,) = self._bar.task_ids
        elapsed_s = now - self._start
        left = f"about {duration(left_s)} left" if left_s >= 0.5 else ""
        self._bar.update(task, description=what, total=elapsed_s + left_s, completed=elapsed_s, left=left, refresh=True)
