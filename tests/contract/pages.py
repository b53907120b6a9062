"""Run the code blocks of a page as one session in one folder, and compare the outputs."""

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
# Numbers are compared to the digits shown, "..." matches anything, and line breaks are ignored.
FLAGS = NUMBER | ELLIPSIS | NORMALIZE_WHITESPACE
INTERRUPTION = "^C"
EPOCHS_BEFORE_INTERRUPTION = 3


@dataclass(frozen=True)
class Command:
    """A command line and the output shown below it, or None if no output is shown."""

    line: str
    shown: str | None


def run_page(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run a page's blocks in order in the current folder and return the blocks that were skipped.

    Raises:
        AssertionError: if an output differs from the one shown, or a command fails unexpectedly.
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
    """The executable blocks of a page."""
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
    """A minimal shell: `monolayer` runs in this process, `export` and `cd` are supported, bash runs other commands."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.enter(".")

    def evaluate(self, example: Example) -> None:
        """Run a block: lines that begin with "$ ", each with its output, or (in sh) command lines only."""
        for command in split_commands(str(example.parsed)):
            where = f"{example.path}:{example.line}: {command.line}"
            found = self.run(command)
            if command.shown is not None:
                shown = command.shown.removeprefix(INTERRUPTION).lstrip()
                checker = OutputChecker()
                assert checker.check_output(shown, found, FLAGS), f"{where}\nshown:\n{shown}\nfound:\n{found}"

    def enter(self, folder: str) -> None:
        """Change the current folder, as `cd` does."""
        self.monkeypatch.chdir(folder)
        self.monkeypatch.setenv("PWD", os.getcwd())

    def run(self, command: Command) -> str:
        """Return what the command prints on stdout, and on stderr too if it fails or is interrupted."""
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
    """Run main() with sys.argv as a shell does."""
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
    """A stream that sends SIGINT, as Ctrl-C does, after some epochs."""

    def __init__(self) -> None:
        super().__init__()
        self.n_epochs = 0

    def write(self, text: str) -> int:
        if text.startswith("Epoch"):
            self.n_epochs += 1
            if self.n_epochs == EPOCHS_BEFORE_INTERRUPTION:
                signal.raise_signal(signal.SIGINT)
        return super().write(text)


def split_commands(text: str) -> list[Command]:
    """Split a block into commands with their outputs."""
    is_terminal = text.lstrip().startswith("$ ")
    commands: list[Command] = []
    for line in text.replace("\\\n", " ").splitlines():
        if is_terminal and not line.startswith("$ "):
            last = commands.pop()
            commands.append(Command(last.line, f"{last.shown or ''}{line}\n"))
        elif line.strip() and not line.startswith("#"):
            commands.append(Command(line.removeprefix("$ "), None))
    return commands


def update_images(page: Path) -> None:
    """Run a page and copy the images that it draws to docs/images."""
    page = page.resolve()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("COLUMNS", "90")
        run_page(page, patch)
        for image in Path(folder).glob("*.png"):
            shutil.copy(image, DOCS / "images" / image.name)


if __name__ == "__main__":
    update_images(Path(sys.argv[1]))
