"""``monolayer ladder``: one layer on several kinds of features of the same images."""

from typing import Annotated, Any

import typer

from monolayer.cli import options as opt
from monolayer.cli.console import print_json, print_line, print_table
from monolayer.cli.options import Only, Request, Without, with_options
from monolayer.cli.run_options import RunOptions
from monolayer.cli.session import load_dataset, open_output, show_folder
from monolayer.data.options import DataOptions, SplitOptions
from monolayer.errors import BadInput
from monolayer.recipe.losses import get_loss
from monolayer.recipe.recipe import Recipe
from monolayer.runs.folder import LADDER_FOLDER

BASE = Recipe(epochs=25)
FLIPPED = ("cifar10",)  # of which a mirrored image shows the same thing

Kinds = Annotated[
    list[str] | None,
    typer.Option(
        "--features",
        help="Features to train on: pixels, hog[:CELL], or patches[:FILTERS] such as patches:1600; repeatable.",
        show_default="pixels, hog, and patches with 200, 800, 1600 and 4000 filters",
    ),
]


@with_options
def ladder(
    request: Request,
    dataset: opt.DatasetToTrain = None,
    features: Kinds = None,
    recipe: Annotated[Recipe, Only("epochs", "seed", flip="0.5 of cifar10, or 0")] = BASE,
    training: Annotated[RunOptions, Only("engine", "threads")] = opt.TRAINING,
    split: SplitOptions = opt.SPLIT,
    data: opt.Data = None,
    reading: Annotated[DataOptions, Without("features", "normalize")] = opt.READING,
    out: opt.Out = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an older ladder in that folder.")] = False,
    config: opt.Config = None,
    as_json: opt.AsJson = False,
) -> None:
    """Train one layer on several kinds of features of images (pixels, edges, patches) with both losses.

    Features are learnt from the training images without labels, each recipe is chosen on validation, and after the last
    choice the test rows are opened once for all. A ladder cannot be resumed, but its features are cached: Ctrl-C stops
    it, and nothing is written to --out.

    Example: monolayer ladder cifar10 --out runs/ladder

    Example: monolayer ladder photos/ --resize 32x32 --features pixels --features patches:200 --out runs/ladder
    """
    from monolayer.features.registry import parse_features
    from monolayer.studies.ladder.report import collect_facts, save_ladder
    from monolayer.studies.ladder.study import FEATURES, LadderPlan, run_ladder

    if dataset is None:
        raise BadInput("Missing argument 'DATASET'.")
    if "flip" not in request.given:
        recipe = recipe.replace(flip=0.5 if dataset in FLIPPED else 0.0)
        request.config["recipe"]["flip"] = recipe.flip
    for kind in features or ():
        parse_features(kind)  # an unknown kind is refused before the data is read
    plan = LadderPlan(tuple(features or FEATURES), epochs=recipe.epochs, flip=recipe.flip, seed=recipe.seed)
    with open_output(out, training, kind=LADDER_FOLDER, overwrite=overwrite, config=request.config) as (
        console,
        folder,
    ):
        found = run_ladder(split.split(load_dataset(dataset, data, console, reading)), plan, progress=console)
        console.close()
        console.info("Measuring the calibration of every step, and drawing")
        facts = save_ladder(found, folder) if folder else collect_facts(found)
    if as_json:
        print_json(facts)
        return
    _show(facts)
    if out:
        show_folder(out)


def _show(facts: dict[str, Any]) -> None:
    from monolayer.studies.ladder.report import describe_ladder, format_seconds

    rows = []
    for step in facts["steps"]:
        test, left = step["test"], step["without_leaked"]
        low, high = test["accuracy_interval"]
        rows.append(
            [
                step["features"],
                get_loss(step["recipe"]["loss"]).abbreviation,
                f"{100 * test['accuracy']:.2f}",
                f"[{100 * low:.2f}, {100 * high:.2f}]",
                f"{100 * left['accuracy']:.2f}" if left else "",
                format_seconds(step["feature_s"] + step["choice_s"]),
                "" if step["peak_mib"] is None else f"{step['peak_mib']:,.0f}",
            ]
        )
    columns = ["features", "loss", "test %", "95 % interval", "unleaked", "s", "MiB"]
    print_table(f"{len(rows)} steps, the test rows opened once for all", columns, rows)
    print_line(describe_ladder(facts).replace("**", ""))
    at_edge = sum(step["rate_at_edge"] or step["l2_at_edge"] for step in facts["steps"])
    if at_edge:
        print_line(f"{at_edge} of {len(rows)} recipes are at the edge of the values tried; the report marks them.")
