"""``monolayer sweep``: every combination of some settings, the best by validation accuracy."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from monolayer.cli import options as opt
from monolayer.cli.console import INTERRUPTED, catch_interruption, open_console, print_json, print_line
from monolayer.cli.grid import parse_axes
from monolayer.cli.session import (
    DataRequest,
    fit_batch_sizes,
    open_work,
    read_command,
    read_data_request,
    settle,
    show_where,
)
from monolayer.cli.show import describe_plan, show_plan, show_sweep
from monolayer.cli.tracking import TrackRequest, read_tracking
from monolayer.errors import BadInput

if TYPE_CHECKING:
    from monolayer.cli.console import Console
    from monolayer.data.dataset import Splits
    from monolayer.recipe.grid import Axis
    from monolayer.recipe.recipe import Recipe
    from monolayer.runs.resume import Unfinished
    from monolayer.trackers import RunLogger
    from monolayer.tuning.dask import Cluster
    from monolayer.tuning.plan import Plan
    from monolayer.tuning.sweep import Sweep


@dataclass(frozen=True)
class SearchRequest:
    """A search, all that going on with it needs.

    Args:
        base: the fields that are not searched.
        axes: values or a range of each that is.
        n_trials: how many trials.
        n_at_once: trials of a batch.
        journal: the file that was named for them, if any.
    """

    base: Recipe
    axes: dict[str, Axis]
    n_trials: int
    n_at_once: int
    journal: str | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it: of a range, its kind and ends by name."""
        axes = {name: list(axis) if isinstance(axis, tuple) else asdict(axis) for name, axis in self.axes.items()}
        return {**vars(self), "base": self.base.to_dict(), "axes": axes}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> SearchRequest:
        """What :meth:`to_dict` gave."""
        from monolayer.recipe.grid import Range
        from monolayer.recipe.recipe import Recipe

        axes: dict[str, Axis] = {
            name: tuple(axis) if isinstance(axis, list) else Range(**axis) for name, axis in content["axes"].items()
        }
        return cls(**{**content, "base": Recipe.from_dict(content["base"]), "axes": axes})

    def run(self, splits: Splits, work: Unfinished | None, **options: Any) -> Sweep:
        """Search; where no file was named for the trials, they are kept beside the checkpoints."""
        from monolayer.tuning.optuna import search

        return search(
            splits,
            self.base,
            grid=self.axes,
            n_trials=self.n_trials,
            n_at_once=self.n_at_once,
            journal=self.journal or self._place(work),
            **options,
        )

    def save_journal(self, work: Unfinished, folder: Path) -> None:
        """Put the trials that were kept beside the checkpoints, which go, among the results."""
        from monolayer.runs.folder import JOURNAL

        kept = self._place(work)
        if self.journal is None and kept is not None:
            shutil.copyfile(kept, folder / JOURNAL)

    def show(self, sweep: Sweep) -> None:
        """Why there are fewer recipes than trials, if there are."""
        if sweep.is_complete and len(sweep.runs) < self.n_trials:
            print_line(f"{self.n_trials} trials; those that were proposed again are one: {len(sweep.runs)} recipes.")

    def _place(self, work: Unfinished | None) -> Path | None:
        from monolayer.runs.folder import JOURNAL
        from monolayer.runs.resume import UNFINISHED

        return work.path / UNFINISHED / JOURNAL if work else None


def read_search(context: typer.Context) -> SearchRequest | None:
    """The search that a command's options ask for, if they do.

    Raises:
        BadInput: if options exclude each other, an axis is none, or Optuna is not installed.
    """
    given = context.params
    if given["optuna"] is None:
        for name in ("at_once", "journal"):
            if given[name] is not None:
                raise BadInput(f"--{name.replace('_', '-')} is for a search; give --optuna N with it.")
        return None
    for option, n in (("--optuna", given["optuna"]), ("--at-once", given["at_once"])):
        if n is not None and n < 1:
            raise BadInput(f"{option} is {n}; accepted is a whole number of 1 or above.")
    for name, why in (("random", "draws recipes that"), ("dry_run", "prints what")):
        if given[name]:
            raise BadInput(f"--{name.replace('_', '-')} {why} --optuna chooses only while it trains; give one of them.")
    from monolayer.recipe.grid import check_axes
    from monolayer.tuning.optuna import N_AT_ONCE, check_optuna

    check_optuna()
    axes = parse_axes(given["grid"])
    check_axes(axes)
    journal = str(given["journal"].resolve()) if given["journal"] else None
    return SearchRequest(opt.read_recipe(context), axes, given["optuna"], given["at_once"] or N_AT_ONCE, journal)


def sweep(
    context: typer.Context,
    dataset: opt.DatasetToTrain = None,
    grid: opt.Grid = None,
    random: opt.Random = None,
    optuna: opt.Optuna = None,
    at_once: opt.AtOnce = None,
    journal: opt.Journal = None,
    halving: opt.Halving = False,
    dry_run: opt.DryRun = False,
    loss: opt.Loss = "cross-entropy",
    learning_rate: opt.LearningRate = 0.001,
    l2: opt.L2 = 0.0,
    batch_size: opt.BatchSize = 100,
    epochs: opt.Epochs = 40,
    schedule: opt.Schedule = "constant",
    flip: opt.Flip = 0.0,
    init_std: opt.InitStd = 0.01,
    seed: opt.Seed = 42,
    dtype: opt.Dtype = "float32",
    shuffle: opt.Shuffle = "full",
    engine: opt.Engine = None,
    threads: opt.Threads = None,
    train_size: opt.TrainSize = None,
    val_size: opt.ValSize = None,
    test_size: opt.TestSize = None,
    split_seed: opt.SplitSeed = None,
    train_every: opt.TrainEvery = None,
    top: opt.Top = 10,
    licence: opt.Licence = "",
    mute: opt.Mute = None,
    track: opt.Track = None,
    dask: opt.Dask = None,
    data: opt.Data = None,
    label: opt.Label = None,
    features: opt.FeaturesToTrain = None,
    split_by: opt.SplitBy = None,
    group_by: opt.GroupBy = None,
    resize: opt.Resize = None,
    channels: opt.Channels = None,
    normalize: opt.Normalize = "none",
    out: opt.Out = None,
    resume: opt.Resume = None,
    as_json: opt.AsJson = False,
) -> None:
    """Train every combination of the axes' values side by side; the test rows stay sealed.

    Example: monolayer sweep cifar10 --grid learning-rate=0.001,0.01 --grid l2=0,0.001 --epochs 40 --out runs/grid

    Example: monolayer sweep cifar10 --grid learning-rate=log:1e-4:1e-1 --grid flip=0,0.5 --random 64 --halving

    Example: monolayer sweep cifar10 --grid learning-rate=log:1e-5:1e-1 --grid l2=log:1e-6:1 --optuna 64 --out runs/tpe

    Example: monolayer sweep --resume runs/grid
    """
    from monolayer.findings import check_codes

    check_codes(mute or ())
    if dry_run:
        _show_plan(context, data, as_json=as_json)
        return
    with ExitStack() as stack:
        console = stack.enter_context(open_console())
        work = stack.enter_context(open_work(context, console))
        request = _Request.from_dict(work.request) if work and work.request else _read_request(context)
        splits = request.rows.load(data, console, flips=request.has_flips)
        request = request.fit(context, splits, console)
        if work is not None:
            settle(work, request.to_dict(), splits, console)
        runner = stack.enter_context(_open_cluster(dask, console)) if dask else None
        logger = stack.enter_context(request.track.open(console, request.rows, request.list_axes()))
        options = request.make_options(work, logger) | {"runner": runner}
        result = _sweep(request, splits, work, console, options)
        logger.log_result(result, splits=splits, folder=work.path if work else None)
    if as_json:
        print_json(result.to_dict(top))
    else:
        show_sweep(result, top)
        if request.search:
            request.search.show(result)
        show_where(context, is_complete=result.is_complete)
    if not result.is_complete:
        raise typer.Exit(INTERRUPTED)


@dataclass(frozen=True)
class _Request:
    """What the command was asked for, all that going on needs."""

    rows: DataRequest
    recipes: list[Recipe]
    axes: dict[str, tuple[Any, ...]]
    train_every: int | None
    halving: bool
    mute: list[str]
    search: SearchRequest | None = None
    track: TrackRequest = field(default_factory=TrackRequest)
    licence: str = ""

    def to_dict(self) -> dict[str, Any]:
        recipes = [recipe.to_dict() for recipe in self.recipes]
        search = self.search.to_dict() if self.search else None
        parts = {"rows": self.rows.to_dict(), "recipes": recipes, "search": search, "track": self.track.to_dict()}
        return {**vars(self), **parts}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> _Request:
        from monolayer.recipe.recipe import Recipe

        return cls(
            DataRequest.from_dict(content["rows"]),
            [Recipe.from_dict(recipe) for recipe in content["recipes"]],
            {name: tuple(values) for name, values in content["axes"].items()},
            **{name: content[name] for name in ("train_every", "halving", "mute")},
            search=SearchRequest.from_dict(content["search"]) if content["search"] else None,
            track=TrackRequest.from_dict(content.get("track")),
            licence=content.get("licence", ""),  # folders of earlier versions do not say
        )

    def fit(self, context: typer.Context, splits: Splits, console: Console) -> _Request:
        """The request with batches that the rows fill, where no batch size was asked for."""
        axes = self.list_axes()
        if self.search:
            base = fit_batch_sizes(context, [self.search.base], splits, console, axes)[0]
            return replace(self, search=replace(self.search, base=base))
        return replace(self, recipes=fit_batch_sizes(context, self.recipes, splits, console, axes))

    @property
    def has_flips(self) -> bool:
        """Whether a recipe may mirror images."""
        return "flip" in self.list_axes() or any(recipe.flip for recipe in self.list_bases())

    def list_bases(self) -> list[Recipe]:
        """The recipes, or the one that a search begins with."""
        return [self.search.base] if self.search else self.recipes

    def list_axes(self) -> tuple[str, ...]:
        """The fields that vary."""
        return tuple(self.search.axes if self.search else self.axes)

    def plan(self, splits: Splits) -> Plan:
        """What the sweep of these rows will do."""
        from monolayer.tuning.sweep import plan_sweep

        return plan_sweep(splits, self.recipes, halving=self.factor, train_every=self.train_every)

    @property
    def factor(self) -> int | None:
        """The factor of successive halving, if it was asked for."""
        from monolayer.tuning.halving import FACTOR

        return FACTOR if self.halving else None

    def make_options(self, work: Unfinished | None, logger: RunLogger) -> dict[str, Any]:
        """The keywords of sweep and search, before anything is known of the console."""
        checkpointer = logger.restore_from(work.checkpoints) if work else None
        every = {"train_every": self.train_every, "on_epoch": logger.on_epoch}
        return {**every, "halving": self.factor, "checkpointer": checkpointer}


def _read_request(context: typer.Context) -> _Request:
    from monolayer.recipe.grid import collect_axes, draw_recipes, make_grid

    given = context.params
    if not given["grid"]:
        raise BadInput("A sweep needs an axis to go along; give one, such as --grid learning-rate=0.001,0.01.")
    rest = {name: given[name] for name in ("train_every", "halving", "licence")} | {"mute": list(given["mute"] or ())}
    rest["track"] = read_tracking(context)
    if search := read_search(context):
        return _Request(read_data_request(context), [], {}, search=search, **rest)
    axes, base = parse_axes(given["grid"]), opt.read_recipe(context)
    recipes = make_grid(base, axes) if given["random"] is None else draw_recipes(base, axes, given["random"])
    return _Request(read_data_request(context), recipes, collect_axes(recipes, axes), **rest)


def _open_cluster(address: str, console: Console) -> AbstractContextManager[Cluster]:
    from monolayer.tuning.dask import open_cluster

    return open_cluster(address, console)


def _sweep(
    request: _Request, splits: Splits, work: Unfinished | None, console: Console, options: dict[str, Any]
) -> Sweep:
    """Train and diagnose; everything goes into the folder, if there is one."""
    from monolayer.checks.diagnose import diagnose_sweep
    from monolayer.reports.run import save_sweep_with_report

    with catch_interruption(console) as interruption:
        options = {**options, "should_stop": interruption.should_stop, "progress": console}
        result = _train(request, splits, options, work)
    console.close()
    if not result.best.history:  # a cluster was left before anything came back
        raise KeyboardInterrupt
    result = diagnose_sweep(result, splits, muted=request.mute)
    if licence := request.licence.strip():
        best = replace(result.best, network=result.best.network.keep(licence=licence))
        result = replace(result, runs=(best, *result.runs[1:]))

    def save(folder: Path) -> None:
        save_sweep_with_report(result, splits, folder, read_command(work))
        if request.search and work:
            request.search.save_journal(work, folder)

    if work is not None:
        work.publish(save, is_finished=result.is_complete)
    return result


def _train(request: _Request, splits: Splits, options: dict[str, Any], work: Unfinished | None) -> Sweep:
    from monolayer.tuning.sweep import train_recipes

    if request.search:
        return request.search.run(splits, work, **options)
    plan, progress = request.plan(splits), options["progress"]
    progress.info(describe_plan(plan.to_dict()))
    if request.halving and not plan.rungs:
        n = request.factor
        progress.info(f"Halving needs {n} recipes and {n} epochs or more, so all go to their end.")
    return train_recipes(splits, request.recipes, request.axes, **options)


def _show_plan(context: typer.Context, data: Path | None, *, as_json: bool) -> None:
    """Say what the sweep would do here; nothing is written."""
    for name in ("resume", "dask"):
        if context.params[name] is not None:
            raise BadInput(f"--dry-run says what a new sweep would take on this machine, so --{name} is not accepted.")
    request = _read_request(context)
    with open_console() as console:
        splits = request.rows.load(data, console, flips=request.has_flips)
        request = request.fit(context, splits, console)
        plan = request.plan(splits)
        content = {**plan.to_dict(), "seconds": plan.estimate_seconds()}
    if as_json:
        print_json(content)
    else:
        show_plan(content)
