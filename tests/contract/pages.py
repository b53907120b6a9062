"""The pages of the site as sessions: their Python and console blocks in order, in one folder, outputs compared."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE
from pathlib import Path
from unittest import SkipTest

import pytest
from sybil import Example, Sybil
from sybil.evaluators.doctest import NUMBER, OutputChecker
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser, SkipParser

from monolayer.cli.main import main

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
# Numbers are compared to the digits shown, "..." stands for anything, and the folding of lines is no matter.
FLAGS = NUMBER | ELLIPSIS | NORMALIZE_WHITESPACE
INTERRUPTION = "^C"
EPOCHS_BEFORE_INTERRUPTION = 3


@dataclass(frozen=True)
class Command:
    """A line of a terminal, and what is shown below it; None where nothing is."""

    line: str
    shown: str | None


def run_page(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run a page's blocks in order, in the current folder; what was skipped, as it stands there.

    Raises:
        AssertionError: if an output differs from the one shown, or a command fails without saying so.
    """
    skipped = []
    shell = Shell(monkeypatch)
    for example in list_examples(path, shell):
        try:
            example.evaluate()
        except SkipTest:
            skipped.append(str(example.parsed))
    return skipped


def list_examples(path: Path, shell: Shell) -> Iterator[Example]:
    """The blocks of a page that run."""
    sybil = Sybil(
        parsers=[
            PythonCodeBlockParser(doctest_optionflags=FLAGS),
            CodeBlockParser("console", shell.evaluate),
            CodeBlockParser("sh", shell.evaluate),
            SkipParser(),
        ],
        path=str(path.parent),
        pattern=path.name,
    )
    return iter(sybil.parse(path).examples())


class Shell:
    """A terminal as far as pages need one: `monolayer` in this process, variables, and other commands through bash."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.enter(".")

    def evaluate(self, example: Example) -> None:
        """Run a block: lines that begin with "$ " with what is shown below each, or (in sh) lines alone."""
        for command in split_commands(str(example.parsed)):
            where = f"{example.path}:{example.line}: {command.line}"
            found = self.run(command)
            if command.shown is not None:
                shown = command.shown.removeprefix(INTERRUPTION).lstrip()
                checker = OutputChecker()
                assert checker.check_output(shown, found, FLAGS), f"{where}\nshown:\n{shown}\nfound:\n{found}"

    def enter(self, folder: str) -> None:
        """Go to a folder, as `cd` does."""
        self.monkeypatch.chdir(folder)
        self.monkeypatch.setenv("PWD", os.getcwd())

    def run(self, command: Command) -> str:
        """What the command prints on stdout; where it fails, or is interrupted, on stderr too."""
        words = [os.path.expandvars(word) for word in shlex.split(command.line, comments=True)]
        match words:
            case ["export", *assignments]:
                for assignment in assignments:
                    self.monkeypatch.setenv(*assignment.split("=", 1))
            case ["cd", folder]:
                self.enter(folder)
            case ["monolayer", *_]:
                with self.monkeypatch.context() as patch:
                    patch.setattr(sys, "argv", words)
                    return run_monolayer(command)
            case _:
                return subprocess.run(["bash", "-c", command.line], check=True, capture_output=True, text=True).stdout
        return ""


def run_monolayer(command: Command) -> str:
    """Run main() on sys.argv as a terminal would."""
    is_interrupted = command.shown is not None and command.shown.startswith(INTERRUPTION)
    out, err = io.StringIO(), Interrupting() if is_interrupted else io.StringIO()
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
    text = err.getvalue() + out.getvalue() if code else out.getvalue()
    is_failure_shown = bool(command.shown and command.shown.startswith((INTERRUPTION, "monolayer: ")))
    assert (code != 0) == is_failure_shown, f"{command.line} ended with {code}:\n{err.getvalue()}"
    return text


class Interrupting(io.StringIO):
    """A terminal at which somebody presses Ctrl-C after some epochs."""

    def __init__(self) -> None:
        super().__init__()
        self.n_epochs = 0

    def write(self, text: str) -> int:
        if text.startswith("Epoch"):
            self.n_epochs += 1
            if self.n_epochs == EPOCHS_BEFORE_INTERRUPTION:
                os.kill(os.getpid(), signal.SIGINT)
        return super().write(text)


def split_commands(text: str) -> list[Command]:
    """The commands of a block."""
    is_terminal = text.lstrip().startswith("$ ")
    commands: list[Command] = []
    for line in text.replace("\\\n", " ").splitlines():
        if is_terminal and not line.startswith("$ "):
            last = commands.pop()
            commands.append(Command(last.line, f"{last.shown or ''}{line}\n"))
        elif line.strip() and not line.startswith("#"):
            commands.append(Command(line.removeprefix("$ "), None))
    return commands


def renew_pictures(page: Path) -> None:
    """Run a page and keep the pictures that it draws in docs/images."""
    page = page.resolve()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("COLUMNS", "90")
        run_page(page, patch)
        for picture in Path(folder).glob("*.png"):
            shutil.copy(picture, DOCS / "images" / picture.name)


if __name__ == "__main__":
    renew_pictures(Path(sys.argv[1]))
