"""``monolayer ladder``: one layer on ever better features of the same images."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monolayer.cli import options as opt
from monolayer.cli.console import open_console, print_json, print_line, print_table

if TYPE_CHECKING:
    from monolayer.cli.console import Console
    from monolayer.data.dataset import Splits
    from monolayer.studies.ladder.study import Plan

FLIPPED = ("cifar10",)  # of which a mirrored image shows the same thing

Rungs = Annotated[
    list[str] | None,
    typer.Option(
        "--features",
        help="A rung: pixels, hog[:CELL], or patches[:FILTERS] such as patches:1600; give the option once a rung.",
        show_default="pixels, hog, and patches with 200, 800, 1600 and 4000 filters",
    ),
]
Flip = Annotated[
    float | None,
    typer.Option(
        help="Probability that an image is mirrored each time it is met.", show_default="0.5 of cifar10, or 0"
    ),
]


def ladder(
    context: typer.Context,
    dataset: opt.DatasetName,
    features: Rungs = None,
    epochs: opt.Epochs = 25,
    flip: Flip = None,
    seed: opt.Seed = 42,
    engine: opt.Engine = None,
    threads: opt.Threads = None,
    train_size: opt.TrainSize = None,
    val_size: opt.ValSize = None,
    test_size: opt.TestSize = None,
    split_seed: opt.SplitSeed = None,
    data: opt.Data = None,
    label: opt.Label = None,
    split_by: opt.SplitBy = None,
    group_by: opt.GroupBy = None,
    resize: opt.Resize = None,
    channels: opt.Channels = None,
    out: opt.Out = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an older ladder in that folder.")] = False,
    as_json: opt.AsJson = False,
) -> None:
    """Train one layer on ever better features of images: pixels, edges, patches; both losses, tested once.

    Each rung's features are learnt from the training images without labels, each loss's recipe is chosen on validation,
    and after the last choice the test rows are opened once for all. A ladder cannot be resumed, but features that were
    made are found again: Ctrl-C stops it, and nothing is written to --out.

    Example: monolayer ladder cifar10 --out runs/ladder

    Example: monolayer ladder photos/ --resize 32x32 --features pixels --features patches:200 --out runs/ladder
    """
    from monolayer.runs.folder import LADDER_FOLDER, open_new_folder
    from monolayer.studies.ladder.report import collect_facts, save_ladder
    from monolayer.studies.ladder.study import climb

    with ExitStack() as stack:
        console = stack.enter_context(open_console())
        folder = stack.enter_context(open_new_folder(out, kind=LADDER_FOLDER, overwrite=overwrite)) if out else None
        plan = _read_plan(context)
        climbed = climb(_load(context, console), plan, progress=console)
        console.close()
        console.info("Measuring the calibration of every step, and drawing")
        facts = save_ladder(climbed, folder) if folder else collect_facts(climbed)
    if as_json:
        print_json(facts)
        return
    _show(facts)
    if out:
        print_line(f"Everything is in {out}; the page is {out / 'report.html'}")


def _load(context: typer.Context, console: Console) -> Splits:
    given = context.params
    # Here --features are rungs, and no array in the data.
    reading = opt.read_reading(context)
    reading.pop("features", None)
    return opt.read_split(context).split(opt.load_dataset(given["dataset"], given["data"], console, reading))


def _read_plan(context: typer.Context) -> Plan:
    from monolayer.features.registry import parse_features
    from monolayer.studies.ladder.study import RUNGS, Plan

    given = context.params
    for rung in given["features"] or ():
        parse_features(rung)  # what is no kind of features is told before any image is read
    flip = given["flip"]
    if flip is None:
        flip = 0.5 if given["dataset"] in FLIPPED else 0.0
    return Plan(tuple(given["features"] or RUNGS), epochs=given["epochs"], flip=flip, seed=given["seed"])


def _show(facts: dict[str, Any]) -> None:
    from monolayer.studies.bonus.report_checks import NAMES
    from monolayer.studies.ladder.report import describe_ladder, format_seconds

    rows = []
    for step in facts["steps"]:
        test, left = step["test"], step["without_leaked"]
        low, high = test["accuracy_interval"]
        rows.append(
            [
                step["features"],
                NAMES[step["recipe"]["loss"]],
                f"{100 * test['accuracy']:.2f}",
                f"[{100 * low:.2f}, {100 * high:.2f}]",
                f"{100 * left['accuracy']:.2f}" if left else "",
                format_seconds(step["feature_s"] + step["choice_s"]),
                f"{step['peak_mib']:,.0f}",
            ]
        )
    columns = ["features", "loss", "test %", "95 % interval", "unleaked", "s", "MiB"]
    print_table(f"{len(rows)} steps, the test rows opened once for all", columns, rows)
    print_line(describe_ladder(facts).replace("**", ""))
    at_edge = sum(step["rate_at_edge"] or step["l2_at_edge"] for step in facts["steps"])
    if at_edge:
        print_line(f"{at_edge} of {len(rows)} recipes lie at the edge of what was tried; the page marks them.")
