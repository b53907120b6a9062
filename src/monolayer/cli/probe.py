"""``monolayer probe``: compares feature sets of the same rows on validation and tests the best one once."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from monolayer.cli import options as opt
from monolayer.cli.axes import parse_axes
from monolayer.cli.console import print_json, print_line, print_table
from monolayer.cli.options import Request, Without, with_options
from monolayer.cli.run_options import RunOptions
from monolayer.cli.session import fit_batch_sizes, load_dataset, open_output
from monolayer.cli.show import show_findings, split_interval
from monolayer.data.options import DataOptions, SplitOptions
from monolayer.errors import BadInput
from monolayer.recipe.grid import format_value
from monolayer.recipe.recipe import PROBE, Recipe
from monolayer.tuning.probe import Probe
from monolayer.tuning.probe import probe as train_probe

Paths = Annotated[
    list[str] | None,
    typer.Argument(help="The path of the features, or one path for each feature set.", metavar="PATH..."),
]
FeatureSets = Annotated[
    str | None,
    typer.Option(
        "--features",
        help="Arrays or tensors, one for each feature set, such as layer6,layer12.",
        show_default="the usual names",
    ),
]
ProbeGrid = Annotated[
    list[str] | None,
    typer.Option(
        "--grid",
        help="An axis, such as learning-rate=0.001,0.01 or l2=log:1e-5:0.1:9; repeatable.",
        show_default="l2 from 0 to 0.1, and --rates",
    ),
]
Rates = Annotated[
    str,
    typer.Option(help="Learning rates, as multiples of each feature set's stable rate, unless --grid has any."),
]
Shots = Annotated[
    str | None,
    typer.Option("--shots", help="Also few-shot: training rows per class, such as 1,5,10.", show_default="none"),
]
Repeats = Annotated[int, typer.Option(min=1, help="Draws of each number of shots.")]
DrawSeed = Annotated[int, typer.Option(min=0, help="Seed of the draws.")]


@with_options
def probe(
    request: Request,
    dataset: Paths = None,
    features: FeatureSets = None,
    grid: ProbeGrid = None,
    rates: Rates = "0.3,1,3,10",
    shots: Shots = None,
    repeats: Repeats = 5,
    draw_seed: DrawSeed = 0,
    recipe: Annotated[Recipe, Without("learning_rate", "l2")] = PROBE,
    training: Annotated[RunOptions, Without("evaluate_every", "train_every")] = opt.TRAINING,
    split: SplitOptions = opt.SPLIT,
    data: opt.Data = None,
    reading: Annotated[DataOptions, Without("features", "channels")] = opt.READING,
    out: opt.Out = None,
    config: opt.Config = None,
    as_json: opt.AsJson = False,
) -> None:
    """Probe frozen features: a grid on each feature set, all choices on validation, the test rows opened once.

    The feature sets have the same rows and labels, which are split in the same way. A probe cannot be resumed:
    Ctrl-C stops it, and nothing is written.

    Example: monolayer probe embeddings.safetensors --features layer6,layer12 --shots 1,5,10 --out runs/probe

    Example: monolayer probe cls.npy mean.npy --label labels.npy --grid l2=log:1e-6:1e-1:6 --shuffle block
    """
    axes = parse_axes(grid or [])
    multiples = _read_rates(rates, is_given="rates" in request.given, has_rates="learning_rate" in axes)
    numbers = _read_numbers("shots", shots, int) if shots is not None else []
    options: dict[str, Any] = {"grid": axes, "rates": multiples, "shots": numbers, "repeats": repeats}
    with open_output(out, training, config=request.config) as (console, folder):
        splits = {
            name: split.split(load_dataset(path, data, console, replace(reading, features=array)))
            for name, (path, array) in _name_sets(dataset or [], features).items()
        }
        [recipe] = fit_batch_sizes([recipe], next(iter(splits.values())), request, console, axes)
        found = train_probe(splits, recipe, draw_seed=draw_seed, progress=console, **options)
        console.close()
        # Imported after the training, which does not need Matplotlib and SciPy.
        from monolayer.checks.diagnose import diagnose_probe
        from monolayer.reports.probe import save_probe

        chosen = splits[found.sets[0].name]
        found = diagnose_probe(found, chosen, muted=training.mute).with_metadata(licence=training.licence.strip())
        if folder:
            save_probe(found, chosen, folder)
    if as_json:
        print_json(found.to_dict())
        return
    _show(found)
    if out:
        print_line(f"Results are in {out}; the card is {out / 'protocol.md'}, the report {out / 'report.html'}")


def _name_sets(paths: list[str], features: str | None) -> dict[str, tuple[str, str | None]]:
    """Path and features of each set by its name: that of its features, of its file where there are several, or both.

    Raises:
        BadInput: if a path or a name of features is given twice, or one is empty.
    """
    if not paths:
        raise BadInput("Missing argument 'PATH...'.")
    names = [] if features is None else [name.strip() for name in features.split(",")]
    if "" in names:
        raise BadInput(f"--features {features!r} has an empty name; accepted are names such as layer6,layer12.")
    for given in (paths, names):
        twice = [name for name in given if given.count(name) > 1]
        if twice:
            raise BadInput(f"{twice[0]} is given twice; name each feature set once.")
    stems = [Path(path).stem for path in paths]
    short = stems if len(set(stems)) == len(stems) else paths
    named: dict[str, tuple[str, str | None]] = {}
    for path, stem in zip(paths, short, strict=True):
        for name in names or [""]:
            parts = [stem] * (len(paths) > 1) + [name or stem] * (len(names) > 1 or len(paths) == 1)
            named["/".join(parts)] = (path, name or None)
    return named


def _read_rates(text: str, *, is_given: bool, has_rates: bool) -> tuple[float, ...]:
    """The multiples of the stable learning rate to try; unused where the grid has learning rates."""
    if has_rates and is_given:
        raise BadInput("--rates is not accepted with --grid learning-rate; give one of them.")
    rates = tuple(_read_numbers("rates", text, float))
    if not all(math.isfinite(rate) and rate > 0 for rate in rates):
        raise BadInput(f"--rates is {text!r}; accepted are multiples above 0 of the stable rate.")
    return rates


def _read_numbers(name: str, text: str, kind: type[int] | type[float]) -> list[Any]:
    try:
        return [kind(word) for word in text.split(",")]
    except ValueError:
        wanted = "whole numbers such as 1,5,10" if kind is int else "numbers such as 0.3,1,3"
        raise BadInput(f"--{name} is {text!r}; accepted are {wanted}.") from None


def _show(found: Probe) -> None:
    from monolayer.reports.protocol import describe_probe

    _show_sets(found)
    if found.few_shot:
        _show_few_shot(found)
    for sentence in describe_probe(found.to_dict()):
        print_line(sentence.replace("**", ""))
    show_findings(found.winner.findings)


def _show_sets(found: Probe) -> None:
    """Print the feature sets, in columns that fit a terminal."""
    rows = [
        [
            one.name,
            f"{one.n_features:,}",
            *(format_value(getattr(one.best.recipe, axis)) for axis in one.grid),
            *split_interval(one.best),
            "=" if one.is_indistinguishable else "",
            f"{100 * one.best.evaluation['train'].accuracy:.2f}",
        ]
        for one in found.sets
    ]
    axes = [axis.replace("_", " ") for axis in found.sets[0].grid]
    title = f"{len(found.sets)} feature set{'s'[: len(found.sets) != 1]}, {found.seconds:.1f} s"
    print_table(title, ["features", "D", *axes, "val %", "95 % interval", "=", "train %"], rows)


def _show_few_shot(found: Probe) -> None:
    rows = [
        [
            f"{few.shots:,}",
            f"{few.n_rows:,}",
            str(few.summarise("test")),
            str(few.summarise("val")),
            *(format_value(getattr(few.recipe, axis)) + " *" * (axis in few.at_edge) for axis in few.grid),
        ]
        for few in found.few_shot
    ]
    axes = [axis.replace("_", " ") for axis in found.few_shot[0].grid]
    n = len(found.few_shot[0].repeats)
    draws = f"mean ± standard deviation of {n} draws" if n > 1 else "one draw"
    print_table(f"Few shots of {found.sets[0].name}: {draws}", ["shots", "rows", "test %", "val %", *axes], rows)
    if any(few.at_edge for few in found.few_shot):
        print_line("*: the edge of the values tried; a better value may be outside them (--grid, --rates).")
