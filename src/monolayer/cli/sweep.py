"""``monolayer sweep``: every combination of some settings, the best by validation accuracy."""

import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from monolayer.cli import options as opt
from monolayer.cli.axes import parse_axes
from monolayer.cli.console import INTERRUPTED, catch_interruption, print_json
from monolayer.cli.options import Request, Without, with_options
from monolayer.cli.run_options import RunOptions
from monolayer.cli.session import DataSource, Session, fit_batch_sizes, open_session
from monolayer.cli.show import describe_plan, show_plan, show_sweep
from monolayer.cli.tracking import TrackingOptions
from monolayer.data.dataset import Splits
from monolayer.data.options import DataOptions, SplitOptions
from monolayer.errors import BadInput
from monolayer.recipe.grid import Axis, check_axes, collect_axes, draw_recipes, make_grid
from monolayer.recipe.recipe import Recipe
from monolayer.trackers import RunLogger
from monolayer.tuning.dask import open_cluster
from monolayer.tuning.halving import FACTOR
from monolayer.tuning.optuna import N_AT_ONCE, check_optuna
from monolayer.tuning.optuna import search as search_recipes
from monolayer.tuning.sweep import Sweep, plan_sweep, train_recipes

Random = Annotated[
    int | None,
    typer.Option(help="Draw so many recipes instead of all combinations.", show_default="all combinations"),
]
Optuna = Annotated[
    int | None,
    typer.Option(help="Train so many recipes that Optuna proposes, batch by batch.", show_default="no search"),
]
AtOnce = Annotated[int | None, typer.Option(help="Recipes that Optuna proposes at once.", show_default="16")]
Journal = Annotated[
    Path | None,
    typer.Option(
        help="A file for Optuna's trials, which searches with other seeds can share.", show_default="in the --out"
    ),
]
Halving = Annotated[
    bool, typer.Option("--halving", help="Successive halving: the best quarter of the recipes continues, repeatedly.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print banks, operations, time and memory, and train nothing.")]
Top = Annotated[int, typer.Option(min=1, help="Rows to print; every run is kept in the folder.")]
Dask = Annotated[
    str | None,
    typer.Option(help="Train on the workers of this Dask cluster: tcp://HOST:PORT.", show_default="this machine"),
]


@with_options
def sweep(
    request: Request,
    dataset: opt.DatasetToTrain = None,
    grid: opt.Grid = None,
    random: Random = None,
    optuna: Optuna = None,
    at_once: AtOnce = None,
    journal: Journal = None,
    halving: Halving = False,
    dry_run: DryRun = False,
    recipe: Recipe = opt.RECIPE,
    training: Annotated[RunOptions, Without("evaluate_every")] = opt.TRAINING,
    split: SplitOptions = opt.SPLIT,
    top: Top = 10,
    tracking: TrackingOptions = opt.TRACKING,
    dask: Dask = None,
    data: opt.Data = None,
    features: opt.FeaturesToTrain = None,
    reading: Annotated[DataOptions, Without("features")] = opt.READING,
    out: opt.Out = None,
    resume: opt.Resume = None,
    config: opt.Config = None,
    as_json: opt.AsJson = False,
) -> None:
    """Train every combination of the axes' values side by side; the test rows stay sealed.

    Example: monolayer sweep cifar10 --grid learning-rate=0.001,0.01 --grid l2=0,0.001 --epochs 40 --out runs/grid

    Example: monolayer sweep cifar10 --grid learning-rate=log:1e-4:1e-1 --grid flip=0,0.5 --random 64 --halving

    Example: monolayer sweep cifar10 --grid learning-rate=log:1e-5:1e-1 --grid l2=log:1e-6:1 --optuna 64 --out runs/tpe

    Example: monolayer sweep --resume runs/grid
    """
    axes, search = _read_axes(grid), _read_search(optuna, at_once, journal, random=random, dry_run=dry_run)
    recipes = _make_recipes(recipe, axes, random, is_search=search is not None)
    if dry_run:
        if dask:
            raise BadInput("--dry-run plans a sweep on this machine, so --dask is not accepted.")
        out, tracking = None, TrackingOptions()  # nothing is written
    with open_session(request, training, tracking, out=out, resume=resume, dask=dask) as session:
        source = DataSource(dataset, data, features, reading)
        splits = session.load_splits(source, split, flips="flip" in axes or recipe.flip > 0)
        recipes = fit_batch_sizes(recipes, splits, request, session.console, axes)
        options: dict[str, Any] = {"train_every": training.train_every, "halving": FACTOR if halving else None}
        if dry_run:
            plan = plan_sweep(splits, recipes, **options)
            content = {**plan.to_dict(), "seconds": plan.estimate_seconds()}
            if as_json:
                print_json(content)
            else:
                show_plan(content)
            return
        session.start(splits, recipes)
        with session.open_logger(tracking, axes) as logger:
            result = _train(splits, recipes, axes, options, search=search, dask=dask, session=session, logger=logger)
            # Imported after the training, which does not need Matplotlib and SciPy.
            from monolayer.checks.diagnose import diagnose_sweep
            from monolayer.reports.run import save_sweep_with_report

            result = diagnose_sweep(result, splits, muted=training.mute)
            if licence := training.licence.strip():
                best = replace(result.best, network=result.best.network.with_metadata(licence=licence))
                result = replace(result, runs=(best, *result.runs[1:]))

            def save(folder: Path) -> None:
                save_sweep_with_report(result, splits, folder, session.arguments)
                if search and search["journal"] is None and session.journal:
                    # The trials that were kept beside the checkpoints, which go, stay among the results.
                    shutil.copyfile(session.journal, folder / session.journal.name)

            session.publish(save, is_finished=result.is_complete)
            logger.log_result(result, splits=splits, folder=session.folder)
    if as_json:
        print_json(result.to_dict(top))
    else:
        show_sweep(result, top, n_trials=search["n_trials"] if search else 0)
        session.show_folder(is_complete=result.is_complete)
    if not result.is_complete:
        raise typer.Exit(INTERRUPTED)


def _read_axes(grid: list[str] | None) -> dict[str, Axis]:
    if not grid:
        raise BadInput("A sweep needs an axis, such as --grid learning-rate=0.001,0.01.")
    return parse_axes(grid)


def _read_search(
    optuna: int | None, at_once: int | None, journal: Path | None, *, random: int | None, dry_run: bool
) -> dict[str, Any] | None:
    """The keywords of a search by Optuna, if it is asked for.

    Raises:
        BadInput: if an option is not accepted, or not beside --optuna, or Optuna is not installed.
    """
    for name, value in (("at-once", at_once), ("journal", journal)):
        if optuna is None and value is not None:
            raise BadInput(f"--{name} is for a search; give --optuna N with it.")
    for name, n in (("optuna", optuna), ("at-once", at_once)):
        if n is not None and n < 1:
            raise BadInput(f"--{name} is {n}; accepted is a whole number of 1 or above.")
    if optuna is None:
        return None
    if random or dry_run:
        option, what = ("random", "draws recipes that") if random else ("dry-run", "prints what")
        raise BadInput(f"--{option} {what} --optuna chooses only while it trains; give one of them.")
    check_optuna()
    return {"n_trials": optuna, "n_at_once": at_once or N_AT_ONCE, "journal": journal.resolve() if journal else None}


def _make_recipes(recipe: Recipe, axes: dict[str, Axis], random: int | None, *, is_search: bool) -> list[Recipe]:
    """The recipes of a sweep, or the one that a search starts from."""
    if is_search:
        check_axes(axes)
        return [recipe]
    return make_grid(recipe, axes) if random is None else draw_recipes(recipe, axes, random)


def _train(
    splits: Splits,
    recipes: list[Recipe],
    axes: dict[str, Axis],
    options: dict[str, Any],
    *,
    search: dict[str, Any] | None,
    dask: str | None,
    session: Session,
    logger: RunLogger,
) -> Sweep:
    """Train all recipes, or search, until the end or Ctrl-C."""
    console = session.console
    with ExitStack() as stack:
        if dask:
            options = {**options, "runner": stack.enter_context(open_cluster(dask, console))}
        interruption = stack.enter_context(catch_interruption(console))
        common: dict[str, Any] = {
            "on_epoch": logger.on_epoch,
            "should_stop": interruption.should_stop,
            "progress": console,
            "checkpointer": session.open_checkpoints(logger),
        }
        if search:
            search = {**search, "journal": search["journal"] or session.journal}
            result = search_recipes(splits, recipes[0], grid=axes, **search, **options, **common)
        else:
            plan = plan_sweep(splits, recipes, halving=options["halving"], train_every=options["train_every"])
            console.info(describe_plan(plan.to_dict()))
            if options["halving"] and not plan.rungs:
                n = options["halving"]
                console.info(f"Halving needs at least {n} recipes and {n} epochs, so all recipes train to the end.")
            result = train_recipes(splits, recipes, collect_axes(recipes, axes), **options, **common)
    console.close()
    if not result.best.history:  # the workers of a cluster left before anything came back
        raise KeyboardInterrupt
    return result
