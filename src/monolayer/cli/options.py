"""The options that several commands share, each written once: the recipe's names with hyphens, and the data's."""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from monolayer.data.dataset import Dataset, Splits
    from monolayer.progress import Progress
    from monolayer.recipe.recipe import Recipe


def read_folder(text: str) -> Path:
    """The folder of that path; an empty one, such as a variable of the shell without a value, names none."""
    if not text:
        raise typer.BadParameter("'' names no folder; accepted is a path.")
    return Path(text)


DatasetName = Annotated[
    str, typer.Argument(help="A dataset: cifar10, digits, or the path of data of your own.", metavar="DATASET")
]
DatasetToTrain = Annotated[
    str | None,
    typer.Argument(
        help="A dataset: cifar10, digits, or the path of data of your own.", metavar="DATASET", show_default=False
    ),
]
Label = Annotated[
    str | None, typer.Option(help="Column or array of the labels in data of your own.", show_default="the usual names")
]
Features = Annotated[
    str | None,
    typer.Option(help="Array, tensor or column of the features, such as a layer.", show_default="the usual names"),
]
FeaturesToTrain = Annotated[
    str | None,
    typer.Option(
        help="What to make of images and learn from: pixels, hog[:CELL], or patches[:FILTERS] such as patches:1600, "
        "with words such as patches:1600,size=6,stride=1,pool=3,by=random,activation=soft:0.25,seed=0. Of data of your "
        "own also the array, tensor or column of the features.",
        show_default="pixels, or the usual names",
    ),
]
SplitBy = Annotated[
    str | None, typer.Option(help="Column that says train, val or test for each row.", show_default=False)
]
GroupBy = Annotated[
    str | None,
    typer.Option(help="Column whose equal values stay together when rows are drawn.", show_default=False),
]
Resize = Annotated[str | None, typer.Option(help="Bring images to HEIGHTxWIDTH, such as 32x32.", show_default=False)]
Channels = Annotated[
    int | None,
    typer.Option(help="1 reads images as grey, 3 as colour.", show_default="grey where every one is"),
]
Normalize = Annotated[str, typer.Option(help="l2 divides each row by its length before anything else, or none.")]
Resume = Annotated[
    Path | None,
    typer.Option(
        help="Go on with what was stopped or killed in this folder.",
        show_default=False,
        parser=read_folder,
        metavar="PATH",
    ),
]
Loss = Annotated[str, typer.Option(help="cross-entropy or multiple-bce.")]
LearningRate = Annotated[float, typer.Option(help="Step size of mini-batch gradient descent.")]
L2 = Annotated[float, typer.Option(help="Weight of the sum of squared weights in the cost.")]
BatchSize = Annotated[int, typer.Option(help="Examples in a mini-batch.")]
Epochs = Annotated[int, typer.Option(help="Passes over the training rows.")]
Schedule = Annotated[str, typer.Option(help="constant, step:EVERY:FACTOR, exponential:FACTOR or cosine[:FLOOR].")]
Shuffle = Annotated[str, typer.Option(help="full, or block:ROWS:BLOCKS (or block) for features larger than memory.")]
Flip = Annotated[float, typer.Option(help="Probability that an image is mirrored each time it is met.")]
InitStd = Annotated[float, typer.Option(help="Standard deviation of the weights at the start.")]
Seed = Annotated[int, typer.Option(help="Seed of the weights and of the order of the batches.")]
Dtype = Annotated[str, typer.Option(help="float32 or float64.")]
TrainSize = Annotated[int | None, typer.Option(help="Train on the first so many rows only.", show_default="all left")]
ValSize = Annotated[
    float | None,
    typer.Option(
        help="Rows held out for validation, or a share below 1: the last ones of the training file.",
        show_default="1000, or a sixth of a small dataset",
    ),
]
TestSize = Annotated[
    float | None,
    typer.Option(
        help="Test rows, or a share below 1.", show_default="the test file, or a fifth of a dataset without one"
    ),
]
SplitSeed = Annotated[
    int | None,
    typer.Option(help="Draw the held-out rows at random, by class, with this seed.", show_default="file order"),
]
Data = Annotated[
    Path | None,
    typer.Option(
        help="An archive or folder of the dataset that you have; else MONOLAYER_DATA, the cache, the network."
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        help="A new folder for everything this makes.",
        show_default="nothing is kept",
        parser=read_folder,
        metavar="PATH",
    ),
]
Grid = Annotated[
    list[str] | None,
    typer.Option(
        help="An axis, such as learning-rate=0.001,0.01 or l2=log:1e-5:0.1:9; give the option once an axis.",
        show_default=False,
    ),
]
Random = Annotated[
    int | None,
    typer.Option(help="Draw so many recipes in place of all combinations.", show_default="all combinations"),
]
Halving = Annotated[
    bool, typer.Option("--halving", help="Successive halving: of all recipes one in four goes on, and again.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print banks, operations, time and memory, and train nothing.")]
TrainEvery = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Evaluate the training rows after every so many epochs; 0: only after the last.",
        show_default="four times",
    ),
]
Top = Annotated[int, typer.Option(min=1, help="Rows to print; every run is kept in the folder.")]
Dask = Annotated[
    str | None,
    typer.Option(help="Train on the workers of this Dask cluster: tcp://HOST:PORT.", show_default="this machine"),
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


def _set_for_now(context: typer.Context, name: str, value: str) -> None:
    """Set an environment variable while the command runs, so that everything below and processes of its own see it."""
    before = os.environ.get(name)
    os.environ[name] = value

    def restore() -> None:
        if before is None:
            os.environ.pop(name)
        else:
            os.environ[name] = before

    context.find_root().call_on_close(restore)  # a command's own context is never closed where its words are refused


def _set_engine(context: typer.Context, value: str | None) -> str | None:
    if value is not None:
        from monolayer.engine.select import choose_engine

        _set_for_now(context, "MONOLAYER_ENGINE", value)
        choose_engine()
    return value


def _set_threads(context: typer.Context, value: int | None) -> int | None:
    if value is not None:
        _set_for_now(context, "MONOLAYER_THREADS", str(value))
    return value


Engine = Annotated[
    str | None,
    typer.Option(
        callback=_set_engine,
        help="native (compiled) or numpy; the results agree to rounding.",
        show_default="native where it is built, or MONOLAYER_ENGINE",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        callback=_set_threads,
        min=1,
        help="Threads at the most; the bytes are the same for any number.",
        show_default="one a core, or OMP_NUM_THREADS",
    ),
]
Mute = Annotated[
    list[str] | None,
    typer.Option(help="A finding's code that is not wanted, such as ML006; give the option once a code."),
]
Track = Annotated[
    list[str] | None,
    typer.Option(
        help="Log to mlflow[:PLACE], tensorboard:DIR or wandb[:PROJECT] while it trains; once a tracker.",
        show_default=False,
    ),
]
Licence = Annotated[
    str, typer.Option(help="The licence of the network, for its card, such as CC-BY-4.0.", show_default="not stated")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]


@dataclass(frozen=True)
class SplitOptions:
    """How the command line asked for the data to be divided."""

    val_size: float | None
    train_size: int | None = None
    test_size: float | None = None
    split_seed: int | None = None

    def split(self, dataset: Dataset) -> Splits:
        """The dataset divided so."""
        from monolayer.data.dataset import choose_val_size

        val_size = choose_val_size(dataset) if self.val_size is None else self.val_size
        return dataset.split(val_size, seed=self.split_seed, train=self.train_size, test=self.test_size)


def load_dataset(name: str, data: Path | None, progress: Progress, reading: dict[str, Any] | None = None) -> Dataset:
    """The dataset of that name, from the place that the user named or from wherever it is to be had."""
    from monolayer.data.load import load

    return load(name, path=data, progress=progress, **(reading or {}))


def read_reading(context: typer.Context) -> dict[str, Any]:
    """How a command's options say that data of one's own is to be read: what differs from the defaults."""
    from monolayer.data.readers.base import DataOptions, parse_size

    given = {name: context.params.get(name) for name in DataOptions.__dataclass_fields__}
    if given["resize"] is not None:
        given["resize"] = parse_size(given["resize"])
    default = DataOptions().to_dict()
    return {name: value for name, value in given.items() if value is not None and value != default[name]}


def read_split(context: typer.Context) -> SplitOptions:
    """How a command's options say that the rows are to be divided; a size of 1 or more is a number of rows."""
    given = context.params
    sizes = [_make_whole(given.get(name)) for name in ("val_size", "train_size", "test_size")]
    return SplitOptions(sizes[0], sizes[1], sizes[2], given["split_seed"])  # type: ignore[arg-type]


def _make_whole(size: float | None) -> float | None:
    return int(size) if size is not None and isfinite(size) and size == int(size) else size


def read_recipe(context: typer.Context) -> Recipe:
    """The recipe that a command's options say: fields are options of the same names; others have their defaults."""
    from monolayer.recipe.recipe import FIELDS, Recipe

    fields = {name: context.params[name] for name in FIELDS if name in context.params}
    return Recipe.from_dict({**fields, "loss": fields["loss"].replace("-", "_")})
