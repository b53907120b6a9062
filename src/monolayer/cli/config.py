"""``--config`` and ``--resume``: options from a file, as if they were on the command line."""

import json
import tomllib
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

from monolayer.errors import BadInput

COMMANDS = ("train", "sweep", "probe", "ladder")  # those with --config
SECTION = "training"  # of the options that are not fields of a dataclass
# By command: the section and the key of each option in a config; filled when the command is imported.
LAYOUTS: dict[str, dict[str, tuple[str, str]]] = {}
# In the request of an unfinished run: the keys that are not options, and the options that are chosen again on resuming.
FACTS = ("format", "command", "arguments", "fingerprint", "engine", "log")
CHOSEN_ANEW = ("engine", "threads")


def apply_config(context: typer.Context, path: Path | None) -> Path | None:
    """Make the options in a file the defaults of a command.

    Raises:
        BadInput: if the file cannot be read, or an option in it is unknown.
    """
    if path is not None and not context.resilient_parsing:
        _set_defaults(context, _load(path), str(path))
    return path


def apply_request(context: typer.Context, folder: Path | None) -> Path | None:
    """Make the options of the unfinished run in a folder the defaults of a command.

    Raises:
        BadInput: if the folder has no unfinished run of this command.
    """
    if folder is not None and not context.resilient_parsing:
        from monolayer.runs.unfinished import read_request

        request = read_request(folder.resolve(), context.info_name or "")
        content = {name: value for name, value in request.items() if name not in FACTS}
        content["training"] = {k: v for k, v in content["training"].items() if k not in CHOSEN_ANEW}
        _set_defaults(context, content, str(folder))
    return folder


def _load(path: Path) -> dict[str, Any]:
    readers = {".json": json.loads, ".toml": tomllib.loads}
    if path.suffix.lower() not in readers:
        raise BadInput(f"--config {path}: accepted is a file whose name ends in .toml or .json.")
    try:
        content = readers[path.suffix.lower()](path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"--config {path}: cannot be read ({error.strerror}).") from None
    except ValueError as error:
        raise BadInput(f"--config {path}: is not {path.suffix[1:].upper()} ({error}).") from None
    if not isinstance(content, dict):
        raise BadInput(f"--config {path}: is not a table of options.")
    return content


def _set_defaults(context: typer.Context, content: Mapping[str, Any], source: str) -> None:
    """Options of other commands are ignored, so that a sweep can start from the config of a run."""
    for name in COMMANDS:
        import_module(f"monolayer.cli.{name}")
    known: dict[str, set[str]] = {}
    for layout in LAYOUTS.values():
        for section, key in layout.values():
            known.setdefault(section, set()).add(key)
    placed = {place: name for name, place in LAYOUTS[context.info_name or ""].items()}
    options = {parameter.name: parameter for parameter in context.command.params}
    defaults = {}
    for section, key, value in _flatten(content, known, source):
        if (section, key) in placed and value is not None:
            name = placed[section, key]
            defaults[name] = _format_value(value, options[name], f"{source}: {section} {key}".replace(":  ", ": "))
    context.default_map = {**(context.default_map or {}), **defaults}
    context.meta["source of defaults"] = source


def _flatten(content: Mapping[str, Any], known: dict[str, set[str]], source: str) -> list[tuple[str, str, Any]]:
    """(section, key, value) of every option; names may be written with hyphens, as on the command line."""
    found = []
    for name, value in _underscore(content).items():
        if name in known[""]:
            found.append(("", name, value))
        elif name not in known or not isinstance(value, Mapping):
            accepted = ", ".join([*sorted(known[""]), *(f"[{section}]" for section in known if section)])
            raise BadInput(f"{source}: has {name!r}, which is unknown; accepted are {accepted}.")
        else:
            options = _underscore(value)
            unknown = [key for key in options if key not in known[name]]
            if unknown:
                accepted = ", ".join(sorted(known[name]))
                raise BadInput(f"{source}: [{name}] has no option {unknown[0]!r}; accepted are {accepted}.")
            found += [(name, key, one) for key, one in options.items()]
    return found


def _underscore(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name.replace("-", "_"): value for name, value in content.items()}


def _format_value(value: Any, option: Any, place: str) -> Any:
    """The value as its words on the command line, where it is parsed and checked like any other."""
    if isinstance(value, Mapping) and option.name == "grid":
        return [f"{axis}={_join(values, place)}" for axis, values in value.items()]
    takes_many = getattr(option, "multiple", False) or option.nargs == -1
    if takes_many:
        return [_format_word(one, place) for one in (value if isinstance(value, list) else [value])]
    return value if isinstance(value, bool) and getattr(option, "is_flag", False) else _format_word(value, place)


def _join(values: Any, place: str) -> str:
    return ",".join(_format_word(one, place) for one in (values if isinstance(values, list) else [values]))


def _format_word(value: Any, place: str) -> str:
    if isinstance(value, list | Mapping):
        raise BadInput(f"{place} is {value!r}; accepted is a single value.")
    return str(value)
