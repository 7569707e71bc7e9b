"""How far a long command is, on standard error: a line that keeps changing on a terminal, a line now and then in a log."""

import sys
import time
from collections.abc import Callable

import click

_LOG_EVERY_SECONDS = 10.0
_TERMINAL_EVERY_SECONDS = 0.2
_CLEARED = "\r\033[K"


class Progress:
    """Of steps that follow each other. `seconds` is a clock that only goes forward."""

    def __init__(self, *, seconds: Callable[[], float] = time.monotonic, on_terminal: bool | None = None) -> None:
        self._seconds = seconds
        self._on_terminal = sys.stderr.isatty() if on_terminal is None else on_terminal
        self._every_seconds = _TERMINAL_EVERY_SECONDS if self._on_terminal else _LOG_EVERY_SECONDS
        self._step = ""
        self._step_began = self._told = self._shown = seconds()
        self._events = 0

    def show(self, step: str, *, done: int, total: int, events: int) -> None:
        """So much of the step is done, for which so many events more were read. The end of a step is always told."""
        now = self._seconds()
        if step != self._step:
            self._step, self._step_began, self._events = step, self._shown, 0
        self._shown = now
        self._events += events
        if done < total and now - self._told < self._every_seconds:
            return
        self._told = now
        self.make_room()
        click.echo(self._line(done, total, now - self._step_began), err=True, nl=not self._on_terminal or done >= total)

    def make_room(self) -> None:
        """Take the line off the terminal, for something else to be written there."""
        if self._on_terminal:
            click.echo(_CLEARED, err=True, nl=False)

    def _line(self, done: int, total: int, elapsed_seconds: float) -> str:
        rate = self._events / elapsed_seconds if elapsed_seconds else 0
        left_seconds = elapsed_seconds / done * (total - done) if done else 0
        return (
            f"{self._step}: {done:,} of {total:,}; {self._events:,} events read, {rate:,.0f} a second; "
            f"{left_seconds:,.0f} s left"
        )


class Tally:
    """Likewise of steps whose length nobody knows."""

    def __init__(self, *, seconds: Callable[[], float] = time.monotonic, on_terminal: bool | None = None) -> None:
        self._seconds = seconds
        self._on_terminal = sys.stderr.isatty() if on_terminal is None else on_terminal
        self._every_seconds = _TERMINAL_EVERY_SECONDS if self._on_terminal else _LOG_EVERY_SECONDS
        self._step = ""
        self._done = 0
        self._told = seconds()

    def show(self, step: str, done: int) -> None:
        """So many of the step are done. The end of a step is always told."""
        if step != self._step:
            self.end()
            self._step = step
        self._done = done
        if self._seconds() - self._told >= self._every_seconds:
            self._told = self._seconds()
            self.make_room()
            click.echo(f"{step}: {done:,}", err=True, nl=not self._on_terminal)

    def end(self) -> None:
        """The step that was shown last has ended."""
        if self._step:
            self.make_room()
            click.echo(f"{self._step}: {self._done:,}, all", err=True)
        self._step = ""

    def make_room(self) -> None:
        """Take the line off the terminal, for something else to be written there."""
        if self._on_terminal:
            click.echo(_CLEARED, err=True, nl=False)
