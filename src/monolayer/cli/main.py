"""The command ``monolayer``: its commands, and how errors become one sentence and an exit code."""

from __future__ import annotations

import re
import sys
from io import TextIOWrapper
from typing import Annotated, Any

import typer

from monolayer._version import __version__
from monolayer.cli.audit import audit
from monolayer.cli.calibrate import calibrate
from monolayer.cli.compare import compare
from monolayer.cli.console import print_error, print_line
from monolayer.cli.data import data
from monolayer.cli.export import export
from monolayer.cli.fetch import fetch
from monolayer.cli.ladder import ladder
from monolayer.cli.predict import predict
from monolayer.cli.probe import probe
from monolayer.cli.report import report
from monolayer.cli.reproduce import reproduce
from monolayer.cli.sweep import sweep
from monolayer.cli.train import train
from monolayer.errors import BadInput, MonolayerError

# The parser's own class of errors; which package has it, and how it words them, depends on typer's version.
UsageError: Any = typer.BadParameter.__base__
LEAST = re.compile(r"(?:equal to |x>=)(-?\d+)")


def describe_usage_error(error: Any) -> str:
    """The error as one sentence, in the form of ``--epochs is 'x'; accepted is a whole number``."""
    said = " ".join(error.format_message().split())
    names = [name for name in getattr(getattr(error, "param", None), "opts", ()) if name.startswith("--")]
    if not names or said.startswith("Missing"):
        return said if said.endswith((".", "?")) else f"{said}."
    reason = " ".join(str(error.message).split()).rstrip(".")
    value, accepted = _find_value(names[0]), _say_accepted(reason)
    return f"{names[0]} is {value!r}; accepted is {accepted}." if accepted and value else f"{names[0]}: {reason}."


def _say_accepted(reason: str) -> str:
    if least := LEAST.search(reason):
        return f"a whole number of {least[1]} or above"
    return "a whole number" if "integer" in reason else "a number" if re.search("float|number", reason) else ""


def _find_value(name: str) -> str:
    """What the command line gives this option; the last counts where it stands twice."""
    value = ""
    for word, following in zip(sys.argv, [*sys.argv[1:], ""], strict=True):
        if word == name:
            value = following
        elif word.startswith(f"{name}="):
            value = word.partition("=")[2]
    return value


app = typer.Typer(
    help="Train, tune and explain one-layer image classifiers, and say honestly what their numbers mean.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (fetch, train, sweep, probe, ladder, compare, audit, reproduce, report, predict, calibrate, export):
    app.command()(command)
app.add_typer(data, name="data")


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print_line(f"monolayer {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command; exit with 0 done, 2 bad input, 130 interrupted (typer's own), 1 anything else we foresaw."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr does: names of files need not be UTF-8
    try:
        # The parser's errors are told like ours, so it is not to print them itself.
        code = app(standalone_mode=False)
    except UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
        else:
            print_error(describe_usage_error(error))
        sys.exit(2)
    except BadInput as error:
        print_error(str(error))
        sys.exit(2)
    except MonolayerError as error:
        print_error(str(error))
        sys.exit(1)
    except OSError as error:
        # A path that the user named and the system refuses is bad input; anything else, such as a full pipe, is not.
        print_error(f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror or error}.")
        sys.exit(2 if error.filename else 1)
    if isinstance(code, int):  # of typer.Exit
        sys.exit(code)


if __name__ == "__main__":
    main()
