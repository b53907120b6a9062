"""The program ``monolayer``: imports a command when it is used, and turns errors into exit codes."""

import re
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from monolayer._version import __version__
from monolayer.errors import BadInput, MonolayerError

# Each command is the function of that name in the module of that name. The texts repeat the first lines of their
# docstrings, so that --help imports none of them.
COMMANDS = {
    "fetch": "Bring a dataset onto the machine, check it and keep it in the cache.",
    "train": "Train one network and score it on the test rows, once.",
    "sweep": "Train every combination of the axes' values side by side; the test rows stay sealed.",
    "probe": "Probe frozen features: a grid on each feature set, all choices on validation, the test rows opened once.",
    "ladder": "Train one layer on several kinds of features of images (pixels, edges, patches) with both losses.",
    "compare": "Compare two runs on the same rows: accuracy, paired test, calibration, templates.",
    "audit": "Find duplicates between (and within) the files of a dataset, or judge claimed accuracies.",
    "reproduce": "Run every experiment of the bonus assignment and write report.html, report.md and results.json.",
    "report": "Render figures/ and report.html again from the contents of a run's folder.",
    "predict": "Predict the class of each input, and its probability.",
    "calibrate": "Fit a temperature on the run's validation rows and keep it with its network.",
    "export": "Write a network in another format, with its scaling and its temperature.",
    "data": "Look at a dataset before training.",
}
SETTINGS: dict[str, Any] = {"add_completion": False, "pretty_exceptions_enable": False, "rich_markup_mode": None}

# The parser's class of errors; its package and its messages depend on the version of typer.
UsageError: Any = typer.BadParameter.__base__
LEAST = re.compile(r"(?:equal to |x>=)(-?\d+)")


class Commands(TyperGroup):
    """Commands that are imported when they are used."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order of --help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name; None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"monolayer.cli.{cmd_name}"), cmd_name)
        if not isinstance(command, typer.Typer):  # a group of commands
            function, command = command, typer.Typer(**SETTINGS)
            command.command(cmd_name)(function)
        return typer.main.get_command(command)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands into --help."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


app = typer.Typer(
    cls=Commands,
    help="Train, tune and explain one-layer image classifiers, and say honestly what their numbers mean.",
    no_args_is_help=True,
    **SETTINGS,
)


def _print_version(is_requested: bool) -> None:
    if is_requested:
        sys.stdout.write(f"monolayer {__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command; the exit code is 0, 2 for bad input, 130 if interrupted, or 1 for any other expected error."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as on stderr: names of files may not be UTF-8
    try:
        # So that the parser raises its errors, which are printed in the same form as others.
        code = app(standalone_mode=False)
    except UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
            sys.exit(2)
        _fail(describe_usage_error(error), 2)
    except MonolayerError as error:
        _fail(str(error), 2 if isinstance(error, BadInput) else 1)
    except OSError as error:
        # A path that the system refuses is bad input; anything else, such as a full pipe, is not.
        reason = f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror or error}."
        _fail(reason, 2 if error.filename else 1)
    if isinstance(code, int):  # of typer.Exit
        sys.exit(code)


def _fail(text: str, code: int) -> NoReturn:
    """Print what went wrong, in one sentence on stderr, and exit."""
    sys.stderr.write(f"monolayer: {text}\n")
    sys.exit(code)


def describe_usage_error(error: Any) -> str:
    """The error as one sentence, in the form of ``--epochs is 'x'; accepted is a whole number``."""
    message = " ".join(error.format_message().split())
    parameter = getattr(error, "param", None)
    names = [name for name in getattr(parameter, "opts", ()) if name.startswith("--")]
    if not names or message.startswith("Missing"):
        return message if message.endswith((".", "?")) else f"{message}."
    reason = " ".join(str(error.message).split()).rstrip(".")
    value, place, accepted = _find_value(names[0]), "", _describe_accepted(reason)
    if not value and error.ctx and error.ctx.default_map:
        value, place = error.ctx.default_map.get(error.param.name, ""), f"{error.ctx.meta['source of defaults']}: "
    what = f"{names[0]} is {value!r}; accepted is {accepted}" if accepted and value else f"{names[0]}: {reason}"
    return f"{place}{what}."


def _describe_accepted(reason: str) -> str:
    if least := LEAST.search(reason):
        return f"a whole number of {least[1]} or above"
    return "a whole number" if "integer" in reason else "a number" if re.search("float|number", reason) else ""


def _find_value(name: str) -> str:
    """The value of this option on the command line; of several, the last."""
    value = ""
    for word, following in zip(sys.argv, [*sys.argv[1:], ""], strict=True):
        if word == name:
            value = following
        elif word.startswith(f"{name}="):
            value = word.partition("=")[2]
    return value


if __name__ == "__main__":
    main()
