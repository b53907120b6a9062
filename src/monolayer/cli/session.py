"""What ``train`` and ``sweep`` share: the data, and a folder that can be resumed."""

from __future__ import annotations

import secrets
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from monolayer.cli.console import open_console, print_line
from monolayer.cli.options import resolve_dataset
from monolayer.errors import BadInput

if TYPE_CHECKING:
    from monolayer.cli.console import Console
    from monolayer.cli.options import Request
    from monolayer.cli.tracking import TrackingOptions
    from monolayer.data.dataset import Dataset, Splits
    from monolayer.data.options import DataOptions, SplitOptions
    from monolayer.features.base import ImageTransformer
    from monolayer.progress import Progress
    from monolayer.recipe.recipe import Recipe
    from monolayer.runs.options import RunOptions
    from monolayer.runs.resume import Unfinished
    from monolayer.trackers import RunLogger
    from monolayer.training.checkpoints import Checkpoints


@dataclass(frozen=True)
class DataSource:
    """Which data to train on.

    Args:
        dataset: a name, or the path of data of one's own.
        data: an archive or folder of a named dataset.
        features: the transformer that computes features from its images, or the array of them in data of one's own.
        reading: how to read data of one's own.
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
        # By which trackers know the run, also when it is resumed.
        name = out.resolve().name if out else f"{Path(request.config.get('dataset', '')).name}-{request.command}"
        self._log = {"name": name, "token": secrets.token_hex(8)}

    @property
    def folder(self) -> Path | None:
        """The folder of the results, in full."""
        return self.unfinished.path if self.unfinished else None

    @property
    def journal(self) -> Path | None:
        """Where Optuna's trials are kept beside the checkpoints; None where nothing is kept."""
        from monolayer.runs.folder import JOURNAL
        from monolayer.runs.resume import UNFINISHED

        return self.unfinished.path / UNFINISHED / JOURNAL if self.unfinished else None

    @property
    def arguments(self) -> list[str] | None:
        """The command line that the run began with, also after --resume; None where nothing is kept."""
        return self.unfinished.request["arguments"] if self.unfinished and self.unfinished.request else None

    def load_splits(self, source: DataSource, split: SplitOptions, *, flips: bool) -> Splits:
        """The dataset, divided; ``flips`` says whether images will be mirrored.

        Raises:
            BadInput: if no dataset is named, or it cannot be read so.
        """
        if source.dataset is None:
            raise BadInput("Name a dataset, such as cifar10 or digits, or a folder to go on with: --resume DIR.")
        transformer = _parse_transformer(source.features, source.dataset)
        reading = source.reading if transformer else replace(source.reading, features=source.features)
        splits = split.split(load_dataset(resolve_dataset(source.dataset), source.data, self.console, reading))
        if transformer is None:
            return splits
        from monolayer.data.features_cache import extract_features

        made = extract_features(splits, transformer, flips=flips, progress=self.console)
        self.console.info(
            f"{made.transformer.n_features_out:,} features an image by {made.transformer.describe()}: {made.folder}"
        )
        return made.splits

    def start(self, splits: Splits, recipes: Sequence[Recipe]) -> None:
        """Keep what was asked for, so that a run that dies can be resumed; in one that is, compare the rows.

        Raises:
            BadInput: if a recipe does not fit the rows, or these are not the rows that the run began with.
        """
        from monolayer.engine.select import describe_engine
        from monolayer.training.train import check_recipe

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
                f"The rows of {splits.dataset.name} are not those that the run began with; name them: --data."
            )
        elif request["engine"] != engine:
            self.console.warn(
                f"The run began on {request['engine']} and goes on on {engine}: the last digits will differ."
            )

    def open_checkpoints(self, logger: RunLogger) -> Checkpoints | None:
        """The checkpoints of the folder, whose histories the logger logs too; None where nothing is kept."""
        return logger.restore_from(self.unfinished.checkpoints) if self.unfinished else None

    @contextmanager
    def open_logger(self, tracking: TrackingOptions, axes: Iterable[str] | None = None) -> Iterator[RunLogger]:
        """The logger of a run, or of a sweep along these axes; prints at the end how to view the logs."""
        from monolayer.trackers import open_logger

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
            from monolayer.runs.folder import CONFIG, write_json

            write_json(folder / CONFIG, self.request.config)
            save(folder)

        self.unfinished.publish(write, is_finished=is_finished)

    def show_folder(self, *, is_complete: bool) -> None:
        """Print where the results are, and how to resume a run that is not finished."""
        if self._out is None:
            return
        print_line(f"Everything is in {self._out}; the page is {self._out / 'report.html'}")
        if not is_complete:
            print_line(self.describe_resume())

    def describe_resume(self) -> str:
        """The command that resumes the run."""
        words = ["monolayer", self.request.command, "--resume", str(self._out)]
        return f"Go on with: {shlex.join([*words, *(['--dask', self._dask] if self._dask else [])])}"


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
            from monolayer.runs.resume import begin_folder, resume_folder

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


def fit_batch_size(
    recipes: Sequence[Recipe], splits: Splits, request: Request, console: Console, axes: Iterable[str] = ()
) -> list[Recipe]:
    """The recipes with batches of at most the training rows, unless a batch size was asked for."""
    from monolayer.training.train import fit_batch_size

    is_given = "batch_size" in axes or "batch_size" in request.given
    fitted = [fit_batch_size(recipe, splits, is_given=is_given) for recipe in recipes]
    if fitted != list(recipes):
        request.config["recipe"]["batch_size"] = fitted[0].batch_size
        console.info(
            f"Batches have all {len(splits.train)} training rows, which are fewer than {recipes[0].batch_size}."
        )
    return fitted


def load_dataset(name: str, data: Path | None, progress: Progress, reading: DataOptions | None = None) -> Dataset:
    """The dataset of that name, from ``data`` or from where it is found."""
    from monolayer.data.load import load

    return load(name, path=data, progress=progress, **(vars(reading) if reading else {}))


def _parse_transformer(features: str | None, dataset: str) -> ImageTransformer | None:
    """The transformer that --features names; None where it names an array, or nothing.

    Raises:
        BadInput: if it names neither a transformer nor, in a dataset of images, anything else that there is.
    """
    if features is None:
        return None
    from monolayer.features.registry import is_spec, parse_features

    return parse_features(features) if is_spec(features) or _has_only_images(dataset) else None


def _has_only_images(dataset: str) -> bool:
    """Whether this is a dataset of images, which has no array, tensor or column of features to name."""
    from monolayer.data.load import NAMES
    from monolayer.data.readers.registry import find_reader

    place = Path(dataset)
    return dataset in NAMES or (place.exists() and not find_reader(place).holds_features)
