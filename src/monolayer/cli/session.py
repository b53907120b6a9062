"""What the commands share: reading the data, the folder of the results, and resuming an unfinished run."""

import secrets
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from monolayer.cli.console import Console, open_console, print_line
from monolayer.cli.options import Request, resolve_dataset
from monolayer.cli.run_options import RunOptions
from monolayer.cli.tracking import TrackingOptions
from monolayer.data.dataset import Dataset, Splits
from monolayer.data.options import DataOptions, SplitOptions
from monolayer.engine.select import describe_engine
from monolayer.errors import BadInput
from monolayer.progress import Progress
from monolayer.recipe.recipe import Recipe
from monolayer.runs.folder import CONFIG, JOURNAL, REPORT, FolderKind, open_new_folder, write_json
from monolayer.runs.unfinished import UNFINISHED, Unfinished, begin_folder, resume_folder
from monolayer.trackers import RunLogger, open_logger
from monolayer.training.checkpoints import Checkpoints
from monolayer.training.train import check_recipe, fit_batch_size


@dataclass(frozen=True)
class DataSource:
    """Which data to train on.

    Args:
        dataset: a name, or the path of a user's data.
        data: an archive or folder of a named dataset.
        features: the transformer that computes features from its images, or the array of them in a user's data.
        reading: how to read a user's data.
    """

    dataset: str | None
    data: Path | None
    features: str | None
    reading: DataOptions


class Session:
    """A command that trains, from its options to its folder.

    Attributes:
        console: where progress goes.
        unfinished: the folder, locked while the command runs; None where nothing is kept.
        request: what the command was asked for.
    """

    def __init__(
        self, request: Request, console: Console, unfinished: Unfinished | None, out: Path | None, dask: str | None
    ) -> None:
        self.request, self.console, self.unfinished, self._out, self._dask = request, console, unfinished, out, dask
        # Identifies the run to trackers, also after it is resumed.
        name = out.resolve().name if out else f"{Path(request.config.get('dataset', '')).name}-{request.command}"
        self._log = {"name": name, "token": secrets.token_hex(8)}

    @property
    def folder(self) -> Path | None:
        """The folder of the results, in full."""
        return self.unfinished.path if self.unfinished else None

    @property
    def journal(self) -> Path | None:
        """Where Optuna's trials are kept beside the checkpoints; None where nothing is kept."""
        return self.unfinished.path / UNFINISHED / JOURNAL if self.unfinished else None

    @property
    def arguments(self) -> list[str] | None:
        """The command line that the run began with, also after --resume; None where nothing is kept."""
        return self.unfinished.request["arguments"] if self.unfinished and self.unfinished.request else None

    def load_splits(self, source: DataSource, split: SplitOptions, *, flips: bool) -> Splits:
        """The splits of the dataset; ``flips`` is whether images will be mirrored.

        Raises:
            BadInput: if no dataset is named, or it cannot be read so.
        """
        if source.dataset is None:
            raise BadInput("Name a dataset, such as cifar10 or digits, or the folder of a run to resume: --resume DIR.")
        if source.features is None or not _is_transformer(source.features, source.dataset):
            reading = replace(source.reading, features=source.features)
            return split.split(load_dataset(resolve_dataset(source.dataset), source.data, self.console, reading))
        from monolayer.data.extraction import extract_features
        from monolayer.features.registry import parse_features

        transformer = parse_features(source.features)
        splits = split.split(load_dataset(resolve_dataset(source.dataset), source.data, self.console, source.reading))
        made = extract_features(splits, transformer, flips=flips, progress=self.console)
        self.console.info(
            f"{made.transformer.n_features_out:,} features per image by {made.transformer.describe()}: {made.folder}"
        )
        return made.splits

    def start(self, splits: Splits, recipes: Sequence[Recipe]) -> None:
        """Store the request, so that the run can be resumed; if it is being resumed, check that the rows are the same.

        Raises:
            BadInput: if a recipe does not fit the rows, or the rows of a resumed run have changed.
        """
        for recipe in recipes:
            check_recipe(recipe, splits)
        if self.unfinished is None:
            return
        engine, request = describe_engine(), self.unfinished.request
        if request is None:
            facts = {"arguments": sys.argv, "fingerprint": splits.identity, "engine": engine, "log": self._log}
            self.unfinished.describe({**facts, **self.request.config})
        elif request["fingerprint"] != splits.identity:
            raise BadInput(
                f"The rows of {splits.dataset.name} are not those that the run began with; give these with --data."
            )
        elif request["engine"] != engine:
            self.console.warn(
                f"The run began with {request['engine']} and resumes with {engine}: the last digits will differ."
            )

    def open_checkpoints(self, logger: RunLogger) -> Checkpoints | None:
        """The checkpoints of the folder, whose histories the logger logs too; None where nothing is kept."""
        return logger.restore_from(self.unfinished.checkpoints) if self.unfinished else None

    @contextmanager
    def open_logger(self, tracking: TrackingOptions, axes: Iterable[str] | None = None) -> Iterator[RunLogger]:
        """The logger of a run, or of a sweep along these axes; prints at the end how to view the logs."""
        log = (self.unfinished.request or {}).get("log", self._log) if self.unfinished else self._log
        settings = {**log, "dataset": self.request.config["dataset"], "warn": self.console.warn}
        with open_logger(tracking.trackers, axes=None if axes is None else tuple(axes), **settings) as logger:
            yield logger
        for line in logger.describe():
            self.console.info(line)

    def publish(self, save: Callable[[Path], None], *, is_finished: bool) -> None:
        """Write the results with ``save(folder)``, and the config that reproduces them, if there is a folder."""
        if self.unfinished is None:
            return

        def write(folder: Path) -> None:
            write_json(folder / CONFIG, self.request.config)
            save(folder)

        self.unfinished.publish(write, is_finished=is_finished)

    def show_folder(self, *, is_complete: bool) -> None:
        """Print where the results are, and how to resume a run that is not finished."""
        if self._out is None:
            return
        show_folder(self._out)
        if not is_complete:
            print_line(self.describe_resume())

    def describe_resume(self) -> str:
        """The command that resumes the run."""
        words = ["monolayer", self.request.command, "--resume", str(self._out)]
        return f"Resume with: {shlex.join([*words, *(['--dask', self._dask] if self._dask else [])])}"


@contextmanager
def open_output(
    out: Path | None,
    training: RunOptions | None = None,
    *,
    kind: FolderKind | None = None,
    overwrite: bool = False,
    config: dict[str, Any] | None = None,
) -> Iterator[tuple[Console, Path | None]]:
    """The console of a command that cannot be resumed, and a draft of its folder, which appears when the block ends.

    Args:
        out: the new folder, if there is one.
        training: chooses the engine.
        kind: of the folder, if an older one may be replaced.
        overwrite: whether it is replaced.
        config: the config that reproduces the results, to be written into the folder.

    Raises:
        BadInput: if the folder cannot be used, or the engine is not accepted.
    """
    with ExitStack() as stack:
        if training:
            stack.enter_context(training.use_engine())
        console = stack.enter_context(open_console())
        folder = stack.enter_context(open_new_folder(out, kind=kind, overwrite=overwrite)) if out else None
        yield console, folder
        if folder and config:
            write_json(folder / CONFIG, config)


def show_folder(out: Path) -> None:
    """Print where the results and their report are."""
    print_line(f"Results are in {out}; the report is {out / REPORT}")


@contextmanager
def open_session(
    request: Request,
    training: RunOptions,
    tracking: TrackingOptions,
    *,
    out: Path | None,
    resume: Path | None,
    dask: str | None = None,
) -> Iterator[Session]:
    """A session in the new folder ``out``, in the folder of an unfinished run, or in none.

    Raises:
        BadInput: if the folder cannot be used, or a tracker or the engine is not accepted.
    """
    tracking.check()
    with ExitStack() as stack:
        stack.enter_context(training.use_engine())
        console = stack.enter_context(open_console())
        unfinished = None
        if out or resume:
            command = request.command
            folder = resume_folder(resume, command) if resume else begin_folder(out, command)  # type: ignore[arg-type]
            unfinished = stack.enter_context(folder)
        session = Session(request, console, unfinished, out or resume, dask)
        try:
            yield session
        except KeyboardInterrupt:
            if unfinished and unfinished.can_be_resumed:
                console.warn(session.describe_resume())
            raise


def fit_batch_sizes(
    recipes: Sequence[Recipe], splits: Splits, request: Request, console: Console, axes: Iterable[str] = ()
) -> list[Recipe]:
    """The recipes with batches of at most the training rows, unless a batch size was asked for."""
    is_given = "batch_size" in axes or "batch_size" in request.given
    fitted = [fit_batch_size(recipe, splits, is_given=is_given) for recipe in recipes]
    if fitted != list(recipes):
        request.config["recipe"]["batch_size"] = fitted[0].batch_size
        console.info(
            f"The batch size is {len(splits.train)}: there are fewer training rows than {recipes[0].batch_size}."
        )
    return fitted


def load_dataset(name: str, data: Path | None, progress: Progress, reading: DataOptions | None = None) -> Dataset:
    """The dataset of that name, from ``data`` or from where it is found."""
    from monolayer.data.load import load

    return load(name, path=data, progress=progress, **(vars(reading) if reading else {}))


def _is_transformer(features: str, dataset: str) -> bool:
    """Whether --features names a transformer of images; otherwise it names an array, tensor or column of the data.

    Data that has only images has nothing else to name, so that an unknown name is reported as that of a transformer.
    """
    from monolayer.data.load import NAMES
    from monolayer.data.readers.registry import find_reader
    from monolayer.features.registry import is_spec

    place = Path(dataset)
    return is_spec(features) or dataset in NAMES or (place.exists() and not find_reader(place).holds_features)
