"""The options of the commands: from the fields of the library's option dataclasses, from --config, and some shared."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, fields, is_dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer

from monolayer.cli.axes import format_axes, parse_axes
from monolayer.cli.config import LAYOUTS, SECTION, apply_config, apply_request
from monolayer.cli.run_options import RunOptions
from monolayer.cli.tracking import TrackingOptions
from monolayer.data.options import DataOptions, SplitOptions
from monolayer.errors import BadInput
from monolayer.recipe.recipe import Recipe


def parse_folder(text: str) -> Path:
    """The path of a folder; an empty text, such as an unset shell variable, is refused."""
    if not text:
        raise typer.BadParameter("'' is not the name of a folder; accepted is a path.")
    return Path(text)


DATASET = "A dataset: cifar10, digits, or the path of data of your own."
DatasetName = Annotated[str, typer.Argument(help=DATASET, metavar="DATASET")]
DatasetToTrain = Annotated[str | None, typer.Argument(help=DATASET, metavar="DATASET", show_default=False)]
FeaturesToTrain = Annotated[
    str | None,
    typer.Option(
        help="Features to compute from images: pixels, hog[:CELL], or patches[:FILTERS] such as patches:1600, with "
        "settings such as patches:1600,size=6,stride=1,pool=3,by=random,activation=soft:0.25,seed=0. For your own data "
        "also the array, tensor or column of the features.",
        show_default="pixels, or the usual names",
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(help="An archive or folder of the dataset; by default MONOLAYER_DATA, the cache or a download."),
]
Out = Annotated[
    Path | None,
    typer.Option(
        help="A new folder for all results.", show_default="nothing is kept", parser=parse_folder, metavar="PATH"
    ),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        help="Resume the run in this folder that was stopped or killed.",
        show_default=False,
        parser=parse_folder,
        callback=apply_request,
        is_eager=True,
        metavar="PATH",
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        help="A .toml or .json file of options, such as the config.json of a run's folder; options given here win.",
        show_default=False,
        callback=apply_config,
        is_eager=True,
        metavar="FILE",
    ),
]
Grid = Annotated[
    list[str] | None,
    typer.Option(
        help="An axis, such as learning-rate=0.001,0.01 or l2=log:1e-5:0.1:9; repeatable.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]

# Options that do not change the result, and so are not in a config.
NOT_IN_CONFIG = frozenset({"out", "config", "resume", "overwrite", "as_json", "dry_run", "top", "dask"})
# Options that are accepted with --resume: how to show the result, where the data and the workers are; and the engine
# and the threads, which change at most the last digits.
WITH_RESUME = frozenset({"resume", "as_json", "top", "data", "dask", "engine", "threads"})
AT_TOP = frozenset({"dataset", "data", "features", "grid"})  # keys of a config outside its sections


RECIPE, SPLIT, READING, TRAINING, TRACKING = Recipe(), SplitOptions(), DataOptions(), RunOptions(), TrackingOptions()


class Only:
    """In the ``Annotated`` of a command's parameter: the fields that become options."""

    def __init__(self, *names: str, **show_default: str) -> None:
        self.names, self.show_default = (*names, *show_default), show_default


class Without:
    """In the ``Annotated`` of a command's parameter: the fields that do not become options."""

    def __init__(self, *names: str) -> None:
        self.names = names


@dataclass(frozen=True)
class Request:
    """The options of a command.

    Args:
        command: its name.
        given: names of the options that were given on the command line or in the config.
        config: everything that determines the result, in the layout that --config reads.
    """

    command: str
    given: frozenset[str]
    config: dict[str, Any]


@dataclass(frozen=True)
class _Group:
    """A parameter of a command that is a dataclass, and the fields of it that are options."""

    section: str
    default: Any
    options: tuple[Field[Any], ...]

    def make(self, values: dict[str, Any]) -> Any:
        """Take the values of its options out of all values; the dataclass that they make."""
        return replace(self.default, **{entry.name: _read(entry, values.pop(entry.name)) for entry in self.options})

    def write(self, made: Any) -> dict[str, Any]:
        """The options of such a dataclass, as written in a config."""
        return {entry.name: _write(entry, getattr(made, entry.name)) for entry in self.options}


def with_options(function: Callable[..., None]) -> Callable[..., None]:
    """Turn each field of the parameters that are dataclasses into an option of the command.

    A parameter's default is an instance, whose values are the defaults of the options, and the parameter's name is the
    section of a config. A parameter annotated :class:`Request` receives the request. The metadata of a field
    has its ``help``; ``choices`` (a function that lists them), ``show_default``, ``min`` and ``option`` (its name on
    the command line) where it has any; ``hyphens`` where names are written with hyphens on the command line; and
    ``parse`` and ``format`` where it is written as a text.
    """
    groups, options, passed = _read_signature(function)
    layout = {entry.name: (group.section, entry.name) for group in groups.values() for entry in group.options}
    layout |= {name: ("" if name in AT_TOP else SECTION, name) for name in passed if name not in NOT_IN_CONFIG}
    if "config" in passed:
        LAYOUTS[function.__name__] = layout

    @wraps(function)
    def run(context: typer.Context, **values: Any) -> None:
        if not values.get("dataset", True):  # click before 8.2 takes an empty list of arguments for given
            values["dataset"] = (context.default_map or {}).get("dataset")
        given = _list_given(context, values)
        arguments = {name: group.make(values) for name, group in groups.items()}
        if "request" in inspect.signature(function).parameters:
            written = {name: _write_passed(name, values[name]) for name in passed}
            for name, group in groups.items():
                written |= group.write(arguments[name])
            arguments["request"] = Request(context.info_name or "", given, _make_config(layout, written))
        function(**arguments, **values)

    parameters = [inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context), *options]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what typer reads
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _read_signature(
    function: Callable[..., None],
) -> tuple[dict[str, _Group], list[inspect.Parameter], list[str]]:
    """The groups by parameter, all options in their order, and the names of the parameters that are passed as given."""
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, _Group] = {}
    options: list[inspect.Parameter] = []
    passed = []
    for name, parameter in inspect.signature(function).parameters.items():
        kind, *extras = get_args(hints[name]) if get_origin(hints[name]) is Annotated else (hints[name],)
        if kind is Request:
            continue
        if is_dataclass(kind):
            default = parameter.default
            entries = {entry.name: entry for entry in fields(kind) if "help" in entry.metadata}
            shown: Mapping[str, str] = {}
            for extra in extras:
                if isinstance(extra, Only):
                    entries, shown = {name: entries[name] for name in extra.names}, extra.show_default
                else:
                    entries = {name: entry for name, entry in entries.items() if name not in extra.names}
            groups[name] = _Group(name, default, tuple(entries.values()))
            types = get_type_hints(kind)
            for entry in entries.values():
                value = getattr(default, entry.name)
                options.append(_make_option(entry, types[entry.name], value, shown.get(entry.name)))
        else:
            passed.append(name)
            options.append(parameter.replace(annotation=hints[name], kind=parameter.KEYWORD_ONLY))
    return groups, options, passed


def _make_option(entry: Field[Any], kind: Any, default: Any, shown: str | None) -> inspect.Parameter:
    metadata = entry.metadata
    words = metadata["help"].rstrip(".")
    if "choices" in metadata:
        choices = [_hyphenate(entry, re.sub(r" \(.*\)", "", choice)) for choice in metadata["choices"]()]
        words += f": {' or '.join(choices) if len(choices) == 2 else ', '.join(choices)}"
    option = typer.Option(
        *([metadata["option"]] if "option" in metadata else []),
        help=f"{words}.",
        show_default=shown or metadata.get("show_default", True),
        min=metadata.get("min"),
    )
    if "parse" in metadata:
        kind, default = str | None, None
    elif isinstance(default, tuple):
        kind, default = list[str] | None, None
    elif isinstance(default, str):
        default = _hyphenate(entry, default)
    return inspect.Parameter(
        entry.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
    )


def _hyphenate(entry: Field[Any], text: str) -> str:
    return text.replace("_", "-") if entry.metadata.get("hyphens") else text


def _read(entry: Field[Any], value: Any) -> Any:
    """The value of a field from that of its option."""
    if isinstance(entry.default, tuple):
        return tuple(value or ())
    return entry.metadata["parse"](value) if "parse" in entry.metadata and value is not None else value


def _write(entry: Field[Any], value: Any) -> Any:
    """The value of a field as written in a config."""
    if isinstance(value, tuple) and "format" not in entry.metadata:
        return list(value)
    return entry.metadata["format"](value) if "format" in entry.metadata and value is not None else value


def _write_passed(name: str, value: Any) -> Any:
    """An option that is not a field, as written in a config; paths are absolute, since other folders read it too."""
    if name == "grid":
        return format_axes(parse_axes(value)) if value else None
    if name == "dataset" and value is not None:
        return [resolve_dataset(place) for place in value] if isinstance(value, list) else resolve_dataset(value)
    return str(value.resolve()) if isinstance(value, Path) else value


def resolve_dataset(name: str) -> str:
    """The name of a dataset unchanged, or the absolute path of a user's data."""
    place = Path(name).expanduser()
    if not name or not place.exists():
        return name
    from monolayer.data.load import NAMES

    return name if name in NAMES else str(place.resolve())


def _make_config(layout: Mapping[str, tuple[str, str]], written: Mapping[str, Any]) -> dict[str, Any]:
    """The options that have a value, by section."""
    config: dict[str, Any] = {}
    for name, (section, key) in sorted(layout.items(), key=lambda entry: entry[1][0] != ""):
        if written[name] is not None:
            (config.setdefault(section, {}) if section else config)[key] = written[name]
    return config


def _list_given(context: typer.Context, values: Mapping[str, Any]) -> frozenset[str]:
    """The names of the options on the command line and in the config.

    Raises:
        BadInput: if an option is given with --resume that is already in the folder.
    """
    sources = {name: source.name for name in values if (source := context.get_parameter_source(name)) is not None}
    typed = [name for name, source in sources.items() if source == "COMMANDLINE"]
    for name in typed if values.get("resume") is not None else ():
        if name not in WITH_RESUME:
            option = next(parameter for parameter in context.command.params if parameter.name == name).opts[0]
            option = "DATASET" if name == "dataset" else option
            raise BadInput(f"{option} is not accepted with --resume, which uses the settings of the folder.")
    return frozenset({*typed, *(name for name, source in sources.items() if source == "DEFAULT_MAP")})
