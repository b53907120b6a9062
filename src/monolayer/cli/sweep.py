"""``monolayer sweep``: every combination of some settings, the best by validation accuracy."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated

import typer

from monolayer.cli import options as opt
from monolayer.cli.console import INTERRUPTED, catch_interruption, open_console, print_json, print_line
from monolayer.cli.grid import parse_axes
from monolayer.cli.show import show_sweep


def sweep(
    context: typer.Context,
    dataset: opt.DatasetName,
    grid: Annotated[
        list[str],
        typer.Option(
            help="An axis, such as learning-rate=0.001,0.01 or l2=log:1e-5:0.1:9; give the option once an axis."
        ),
    ],
    random: Annotated[
        int | None,
        typer.Option(help="Draw so many recipes in place of all combinations.", show_default="all combinations"),
    ] = None,
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
    train_size: opt.TrainSize = None,
    val_size: opt.ValSize = None,
    test_size: opt.TestSize = None,
    split_seed: opt.SplitSeed = None,
    top: Annotated[int, typer.Option(min=1, help="Rows to print; every run is kept in the folder.")] = 10,
    mute: opt.Mute = None,
    data: opt.Data = None,
    out: opt.Out = None,
    as_json: opt.AsJson = False,
) -> None:
    """Train every combination of the axes' values side by side; the test rows stay sealed.

    Example: monolayer sweep cifar10 --grid learning-rate=0.001,0.01 --grid l2=0,0.001 --epochs 40 --out runs/grid

    Example: monolayer sweep cifar10 --grid learning-rate=log:1e-4:1e-1 --grid flip=0,0.5 --random 64
    """
    axes = parse_axes(grid)
    base = opt.read_recipe(context)
    from monolayer.audit.finding import check_codes
    from monolayer.axes import collect_axes, draw_recipes, make_grid
    from monolayer.diagnosing import diagnose_sweep
    from monolayer.epochs import TrainOptions
    from monolayer.folder import open_new_folder
    from monolayer.report.of_run import save_sweep_with_report
    from monolayer.sweeping import train_recipes

    recipes = make_grid(base, axes) if random is None else draw_recipes(base, axes, random)
    check_codes(mute or ())
    with ExitStack() as stack:
        console = stack.enter_context(open_console())
        folder = stack.enter_context(open_new_folder(out)) if out else None
        splits = opt.SplitOptions(val_size, train_size, test_size, split_seed).split(
            opt.load_dataset(dataset, data, console)
        )
        with catch_interruption(console) as interruption:
            settings = TrainOptions(0, 1, None, interruption.should_stop, console, "sweep")
            result = train_recipes(splits, recipes, collect_axes(recipes, axes), settings)
        console.close()
        result = diagnose_sweep(result, splits, muted=mute or ())
        if folder:
            save_sweep_with_report(result, splits, folder)
    if as_json:
        print_json(result.to_dict(top))
    else:
        show_sweep(result, top)
        if out:
            print_line(f"Everything is in {out}; the page is {out / 'report.html'}")
    if not result.is_complete:
        raise typer.Exit(INTERRUPTED)
