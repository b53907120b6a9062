"""The reference of the command line, written by typer from the commands themselves, so that it cannot go stale."""

import re
import subprocess
import sys
import textwrap

from sphinx.application import Sphinx

TYPER = "typer monolayer.cli.main utils docs --name monolayer"
PAGE, MARK = "reference/commands", "<!-- the commands -->"
WIDTH = 82  # characters of a block


def setup(app: Sphinx) -> dict[str, bool]:
    """Put typer's pages in place of the mark."""
    app.connect(
        "env-before-read-docs",
        lambda app, env, names: names.append(PAGE) if PAGE not in names else None,
    )
    app.connect("source-read", insert_commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def insert_commands(app: Sphinx, name: str, source: list[str]) -> None:
    """Write the commands into their page."""
    if name == PAGE:
        source[0] = source[0].replace(MARK, describe_commands())


def show_example(match: re.Match[str]) -> str:
    """An example as a block, folded as one would type it."""
    words = textwrap.TextWrapper(
        WIDTH,
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "```console\n" + " \\\n".join(words.wrap(f"$ {match[1]}")) + "\n```"


def describe_commands() -> str:
    """Every command with its arguments and options, as Markdown."""
    words = [sys.executable, "-m", *TYPER.split()]
    text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    # From the first command on: the page says itself what stands before.
    text = text[text.index("\n## ") :]
    text = re.sub(r"^Example: (.*)$", show_example, text, flags=re.MULTILINE)
    text = re.sub(r"\{(DATASET|\w+)\}", r"\1", text)
    # The type stands beside the option, not within its name, where the eye looks for it.
    return re.sub(r"^\* `(\S+) <(.+?)>`", r"* `\1` *\2*", text, flags=re.MULTILINE)
