"""What `train` and `sweep` have in common: a folder that can be gone on with, or none."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from monolayer.cli import options as opt
from monolayer.cli.console import print_line
from monolayer.errors import BadInput

if TYPE_CHECKING:
    from monolayer.cli.console import Console
    from monolayer.data.dataset import Splits
    from monolayer.recipe.recipe import Recipe
    from monolayer.runs.resume import Unfinished

# What may be said beside --resume: how to show what comes out, where the data and the workers are now, and by what to
# compute, which changes the result in its last digits at the most.
BESIDE_RESUME = frozenset({"resume", "as_json", "top", "data", "dask", "engine", "threads"})


@dataclass(frozen=True)
class DataRequest:
    """Which rows a command asked for."""

    dataset: str
    data: str | None
    split: opt.SplitOptions
    reading: dict[str, Any] = field(default_factory=dict)
    transformer: str = ""  # that makes features of images; empty: they are taken as they are

    def load(self, data: Path | None, console: Console, *, flips: bool = False) -> Splits:
        """The dataset, divided; ``data`` names a copy that is somewhere else now, ``flips`` says that some are met."""
        place = data or (Path(self.data) if self.data else None)
        splits = self.split.split(opt.load_dataset(self.dataset, place, console, self.reading))
        if not self.transformer:
            return splits
        from monolayer.data.features_cache import extract_features
        from monolayer.features.registry import parse_features

        made = extract_features(splits, parse_features(self.transformer), flips=flips, progress=console)
        console.info(
            f"{made.transformer.n_features_out:,} features an image by {made.transformer.say()}: {made.folder}"
        )
        return made.splits

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> DataRequest:
        """What :meth:`to_dict` gave."""
        reading = dict(content.get("reading") or {})
        if "resize" in reading:
            reading["resize"] = tuple(reading["resize"])
        split, transformer = opt.SplitOptions(**content["split"]), content.get("transformer", "")
        return cls(content["dataset"], content["data"], split, reading, transformer)


def read_data_request(context: typer.Context) -> DataRequest:
    """The rows that a command's options ask for.

    Raises:
        BadInput: if no dataset is named.
    """
    given = context.params
    if given["dataset"] is None:
        raise BadInput("Name a dataset, such as cifar10 or digits, or a folder to go on with: --resume DIR.")
    data = str(given["data"].resolve()) if given["data"] else None
    reading = opt.read_reading(context)
    transformer = _take_transformer(reading, given["dataset"])
    return DataRequest(_name_dataset(given["dataset"]), data, opt.read_split(context), reading, transformer)


def _take_transformer(reading: dict[str, Any], dataset: str) -> str:
    """What --features says where it names a kind of features, taken out of ``reading``; empty where it names an array.

    Raises:
        BadInput: if the kind does not take what is said of it, or it is none and the dataset has no arrays to name.
    """
    if "features" not in reading:
        return ""
    from monolayer.features.registry import is_spec, parse_features

    if not is_spec(reading["features"]) and not _has_only_images(dataset):
        return ""
    parse_features(reading["features"])
    return str(reading.pop("features"))


def _has_only_images(dataset: str) -> bool:
    """Whether this is a dataset of images that has no array, tensor or column of features to be named."""
    from monolayer.data.load import NAMES
    from monolayer.data.readers.registry import IMAGES, find_reader

    place = Path(dataset)
    return dataset in NAMES or (place.exists() and find_reader(place).takes == IMAGES)


def _name_dataset(name: str) -> str:
    """A dataset's name as it is; a path in full, since it may be gone on with from another folder."""
    from monolayer.data.load import NAMES

    place = Path(name).expanduser()
    return str(place.resolve()) if name not in NAMES and name and place.exists() else name


@contextmanager
def open_work(context: typer.Context, console: Console) -> Iterator[Unfinished | None]:
    """The folder that a command's --out or --resume names, this process's alone; None where nothing is kept.

    Raises:
        BadInput: if the folder cannot be had, or --resume is given with anything that the folder says already.
    """
    out, resume = context.params["out"], context.params["resume"]
    if out is None and resume is None:
        yield None
        return
    from monolayer.runs.resume import begin_folder, resume_folder

    _check_beside_resume(context)
    command = context.info_name or ""
    with resume_folder(resume, command) if resume else begin_folder(out, command) as work:
        try:
            yield work
        except KeyboardInterrupt:
            if work.can_be_resumed:
                console.warn(describe_resume(context, out or resume))
            raise


def describe_resume(context: typer.Context, folder: Path) -> str:
    """How to go on with a run that stopped, where it went on."""
    words = ["monolayer", context.info_name or "", "--resume", str(folder)]
    if dask := context.params.get("dask"):
        words += ["--dask", dask]
    return f"Go on with: {shlex.join(words)}"


def settle(work: Unfinished, request: dict[str, Any], splits: Splits, console: Console) -> None:
    """Write down what was asked for, or, when it was written before, see that the rows are still the same.

    Says so where the engine is another one.

    Raises:
        BadInput: if these are not the rows that the unfinished run was training on.
    """
    from monolayer.engine.select import describe_engine

    engine = describe_engine()
    if work.request is None:
        work.describe({"arguments": sys.argv, "fingerprint": splits.identity, "engine": engine, **request})
    elif work.request["fingerprint"] != splits.identity:
        raise BadInput(f"The rows of {splits.dataset.name} are not those that the run began with; name them: --data.")
    elif work.request.get("engine", engine) != engine:
        console.warn(f"The run began on {work.request['engine']} and goes on on {engine}: the last digits will differ.")


def fit_batch_sizes(
    context: typer.Context, recipes: Sequence[Recipe], splits: Splits, console: Console, axes: Iterable[str] = ()
) -> list[Recipe]:
    """The recipes with batches that the training rows fill, where no batch size was asked for; says what changes."""
    from monolayer.training.run import fit_batch_size

    source = context.get_parameter_source("batch_size")
    is_asked = "batch_size" in axes or (source is not None and source.name == "COMMANDLINE")
    fitted = [fit_batch_size(recipe, splits, is_asked=is_asked) for recipe in recipes]
    if fitted != list(recipes):
        console.info(
            f"Batches have all {len(splits.train)} training rows, which are fewer than {recipes[0].batch_size}."
        )
    return fitted


def read_command(work: Unfinished | None) -> list[str] | None:
    """The command that a run began with, which --resume is no part of; None where nothing is kept."""
    return work.request["arguments"] if work is not None and work.request is not None else None


def show_where(context: typer.Context, *, is_complete: bool) -> None:
    """Where everything is, and how to go on with what is not finished."""
    folder = context.params["out"] or context.params["resume"]
    if folder is None:
        return
    print_line(f"Everything is in {folder}; the page is {folder / 'report.html'}")
    if not is_complete:
        print_line(describe_resume(context, folder))


def _check_beside_resume(context: typer.Context) -> None:
    if context.params["resume"] is None:
        return
    for name in context.params:
        source = context.get_parameter_source(name)
        if name not in BESIDE_RESUME and source is not None and source.name == "COMMANDLINE":
            option = "DATASET" if name == "dataset" else "--" + name.replace("_", "-")
            raise BadInput(f"--resume goes on with what the folder says, so {option} is not accepted beside it.")
