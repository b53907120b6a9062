"""Output to the terminal: progress on stderr, results on stdout. Only this module and ``bars`` import rich."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from textwrap import wrap
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal

import typer

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

# In a file or a pipe, progress is one line at most this often, in seconds.
PLAIN_EVERY = 5.0
LEAST_WIDTH = 5  # characters of a column of words, however narrow the window
INTERRUPTED = 130  # the exit code after Ctrl-C


@dataclass(frozen=True)
class _Step:
    """How far a task is."""

    done: float
    total: float | None
    unit: str
    detail: str

    @property
    def is_end(self) -> bool:
        return self.total is not None and self.done >= self.total

    def format(self) -> str:
        """The amount as text."""
        done, total, unit = self.done, self.total, self.unit
        if unit == "B":
            return f"{done / 1e6:.1f} MB" if total is None else f"{done / 1e6:.1f} of {total / 1e6:.1f} MB"
        return f"{done:g} {unit}" if total is None else f"{done:g} of {total:g} {unit}".rstrip()


class Console:
    """The progress of a command on stderr, a :class:`monolayer.progress.Progress`.

    Rich respects ``NO_COLOR`` and dumb terminals; if stderr is not a terminal, progress is written as plain lines.
    """

    def __init__(self) -> None:
        from rich.console import Console as RichConsole

        self._err = RichConsole(stderr=True, highlight=False, soft_wrap=True)
        self._bars: RichProgress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._started: dict[str, tuple[float, float]] = {}
        self._written: dict[str, float] = {}
        self._ended: set[str] = set()

    def info(self, text: str) -> None:
        """One line on stderr, above the bars."""
        self._err.print(text, markup=False)

    def warn(self, text: str) -> None:
        """A highlighted line on stderr."""
        self._err.print(text, style="bold yellow", markup=False)

    def advance(self, task: str, done: float, total: float | None, unit: str = "", detail: str = "") -> None:
        """Move the task's bar, or write a plain line now and then."""
        if self._err.is_terminal:
            self._move_bar(task, _Step(done, total, unit, detail))
        else:
            self._write_plain(task, _Step(done, total, unit, detail))

    def close(self) -> None:
        """Remove the bars before other output."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
        self._tasks.clear()

    def _move_bar(self, task: str, step: _Step) -> None:
        if self._bars is None:
            from monolayer.cli.bars import make_bars

            self._bars = make_bars(self._err)
            self._bars.start()
        if task not in self._tasks:
            self._tasks[task] = self._bars.add_task(task, total=step.total, unit=step.unit)
        self._bars.update(self._tasks[task], completed=step.done, total=step.total, detail=step.detail)

    def _write_plain(self, task: str, step: _Step) -> None:
        now = time.monotonic()
        start, before = self._started.setdefault(task, (now, step.done))
        if task in self._ended:
            return
        if step.is_end:
            self._ended.add(task)
        elif now - self._written.get(task, start) < PLAIN_EVERY:
            return
        self._written[task] = now
        elapsed = now - start
        left = ""
        if step.total is not None and before < step.done < step.total:
            left = f", {_format_seconds(elapsed * (step.total - step.done) / (step.done - before))} left"
        detail = f"; {step.detail}" if step.detail else ""
        self.info(f"{task}: {step.format()}, {_format_seconds(elapsed)}{left}{detail}")


def _format_seconds(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


@contextmanager
def open_console() -> Iterator[Console]:
    """A console whose bars are removed when the block ends."""
    console = Console()
    try:
        yield console
    except KeyboardInterrupt:
        console.close()
        console.warn("Interrupted.")
        raise
    finally:
        console.close()


def print_json(content: Any) -> None:
    """One JSON object on stdout and nothing else."""
    sys.stdout.write(json.dumps(content, allow_nan=False) + "\n")


def print_json_line(content: Any) -> None:
    """Print one JSON object on a line of stdout and flush it, for readers of a stream."""
    sys.stdout.write(json.dumps(content, allow_nan=False) + "\n")
    sys.stdout.flush()


@contextmanager
def let_reader_leave() -> Iterator[None]:
    """End without an error if the reader of stdout closes it early, as ``| head`` does."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would flush into the pipe at its end
        raise typer.Exit from None


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on stdout; every column but the first is aligned right.

    Numbers and intervals are never wrapped. If the window is too narrow, their headers are wrapped, then the cells of
    other columns; if that is not enough, the table is wider than the window. No column is left out.
    """
    from rich.console import Console as RichConsole
    from rich.table import Table
    from rich.text import Text

    console = RichConsole(highlight=False)
    widths = [max((len(row[i]) for row in rows), default=1) for i in range(len(columns))]
    is_wide = sum(max(len(column), width) + 3 for column, width in zip(columns, widths, strict=True)) >= console.width
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    needed = 1
    for i, column in enumerate(columns):
        is_whole = any(row[i][:1].isdigit() or row[i][:1] == "[" for row in rows)
        header = "\n".join(wrap(column, widths[i], break_long_words=False)) if is_wide and is_whole else column
        justify: Literal["left", "right"] = "left" if i == 0 else "right"
        least = None if is_whole else min(widths[i], LEAST_WIDTH)
        table.add_column(header, justify=justify, no_wrap=is_whole, overflow="fold", min_width=least)
        needed += 3 + (least or max(widths[i], *map(len, header.split("\n"))))
    console.width = max(console.width, needed)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def print_line(text: str) -> None:
    """One line on stdout."""
    sys.stdout.write(text + "\n")


class Interruption:
    """The first Ctrl-C finishes the epoch and saves; the second stops at once."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.is_requested = False

    def should_stop(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self.is_requested

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Take the signal."""
        if self.is_requested:
            raise KeyboardInterrupt
        self.is_requested = True
        # In another thread: the signal may arrive during a write of this one, and streams are not reentrant.
        text = "Stopping after this epoch; press Ctrl-C again to stop without saving more."
        threading.Thread(target=self._console.warn, args=(text,), daemon=True).start()


@contextmanager
def catch_interruption(console: Console) -> Iterator[Interruption]:
    """Ctrl-C requests a clean stop while the block runs."""
    interruption = Interruption(console)
    previous = signal.signal(signal.SIGINT, interruption.handle)
    try:
        yield interruption
    finally:
        signal.signal(signal.SIGINT, previous)
