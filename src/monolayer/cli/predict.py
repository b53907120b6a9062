"""``monolayer predict``: classes and probabilities of images, of files of features, and of a stream of JSON lines."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from monolayer._typing import Array
from monolayer.cli import options as opt
from monolayer.cli.console import let_reader_leave, open_console, print_json, print_json_line, print_line, print_table
from monolayer.errors import BadInput
from monolayer.files import explain_os_error, open_whole, validate_new_file
from monolayer.network import OneLayer
from monolayer.predict.inputs import InputRows, describe_resizing, describe_scaling, find_files, iterate_rows
from monolayer.predict.outputs import open_predictions, write_json_line
from monolayer.predict.predictions import check_network, check_top, compute_predictions, describe_predictions
from monolayer.predict.stream import iterate_predictions
from monolayer.recipe.losses import get_loss
from monolayer.runs.folder import load_network

Predicted = Iterator[tuple[InputRows, Array]]
STDIN, STREAM = "-", ".jsonl"
SHOWN = 20  # rows of a file of features that a terminal is shown

Inputs = Annotated[
    list[Path],
    typer.Argument(
        help="Images, folders of them, features (.npy, .npz, .csv, .tsv, .parquet, .safetensors, a folder of .npy), or "
        "a stream (.jsonl; - is stdin).",
        metavar="INPUT",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(help="A new file for all predictions: .csv, .jsonl, or .npy (the probabilities alone)."),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option(
        help="A column of a .csv that is not a feature, such as label, for a network without column names; repeatable."
    ),
]
Features = Annotated[
    str | None,
    typer.Option(help="The array, tensor or column of features.", show_default="those of the training data"),
]


def predict(
    network: Annotated[Path, typer.Argument(help="A run's folder, or a network.safetensors file.")],
    inputs: Inputs,
    out: Out = None,
    top: Annotated[int | None, typer.Option(help="List so many classes, best first.", show_default="all")] = None,
    ignore: Ignore = None,
    features: Features = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop a stream at its first bad line.")] = False,
    as_json: opt.AsJson = False,
) -> None:
    """Predict the class of each input, and its probability.

    Features are given as they were in training; the network scales them itself. The columns of a table are found by
    the names that they had in training, in any order and among others. A file of features is read in blocks, and
    --out keeps memory small however long it is.

    A stream is predicted line by line: {"features": [...]} or {"image": "path"} (relative to the working folder), with
    an optional "id", gives one JSON line on stdout, flushed at once. A bad line gives its number and an "error"; then
    the exit code is 2 after the last line, or at once with --strict.

    Example: monolayer predict runs/a photos/

    Example: monolayer predict runs/a features.npy --out predictions.csv --top 3

    Example: tail -f measured.jsonl | monolayer predict runs/a -
    """
    loaded = load_network(network)
    check_network(loaded)
    check_top(top, len(loaded.class_names))
    if any(str(path) == STDIN or path.suffix.lower() == STREAM for path in inputs):
        if as_json or ignore or features or len(inputs) > 1:
            raise BadInput(
                "A stream is the only input, and its predictions are JSON lines; --json, --ignore and --features are "
                "not accepted with it."
            )
        _predict_stream(loaded, inputs[0], top, out, is_strict=strict)
        return
    if strict:
        raise BadInput(
            "--strict goes with a stream, a .jsonl file or - for stdin; bad rows of other input always stop it."
        )
    predicted = _predict(loaded, inputs, tuple(ignore or ()), features)
    if out:
        counts = _write(loaded, predicted, out, top)
        if as_json:
            print_json({"out": str(out), "n": counts.total(), "classes": counts})
        else:
            print_line(f"{counts.total():,} rows: {_format_counts(counts)}. The predictions are in {out}")
    elif as_json:
        print_json({"predictions": _list(loaded, predicted, top)})
    else:
        _show(loaded, predicted, top or 1)


def _predict(network: OneLayer, paths: Sequence[Path], ignored: tuple[str, ...], features: str | None) -> Predicted:
    """Every row with its probabilities, block by block; warns once per file of values that seem scaled wrongly.

    Warns once, after the last row, if images were resized.
    """
    doubted, n_resized = "", 0
    with open_console() as console:
        for rows in iterate_rows(network, find_files(paths, network), ignored=ignored, features=features):
            if rows.places[0].get("row") == 0 and (doubt := describe_scaling(network, rows)) and doubt != doubted:
                console.warn(doubt)
                doubted = doubt
            n_resized += rows.n_resized
            yield rows, compute_predictions(network, rows)
        if resized := describe_resizing(network, n_resized):
            console.warn(resized)


def _list(network: OneLayer, predicted: Predicted, top: int | None) -> list[dict[str, Any]]:
    return [item for rows, p in predicted for item in describe_predictions(network, rows.places, p, top)]


def _write(network: OneLayer, predicted: Predicted, out: Path, top: int | None) -> Counter[str]:
    """Write all predictions into a file, and count the rows of each class."""
    counts: Counter[str] = Counter()
    with open_predictions(out, network, top) as writer:
        for rows, probabilities in predicted:
            writer.write(rows.places, probabilities)
            counts.update(network.class_names[k] for k in probabilities.argmax(axis=1))
    return counts


def _show(network: OneLayer, predicted: Predicted, top: int) -> None:
    """Print a line for each image, and for the first rows of each file of features, then the rows of each class."""
    loss = get_loss(network.loss)
    (one, many), lines = loss.output, list[list[str]]()
    counts: Counter[str] = Counter()
    for rows, probabilities in predicted:
        counts.update(network.class_names[k] for k in probabilities.argmax(axis=1))
        shown = [i for i, place in enumerate(rows.places) if place.get("row", 0) < SHOWN]
        places = [rows.places[i] for i in shown]
        for item in describe_predictions(network, places, probabilities[shown], top):
            best = [cell for name, value in item[many].items() for cell in (name, f"{value:.3f}")]
            file = item["file"].encode(errors="backslashreplace").decode()  # as wide as it is shown
            lines.append([file, str(item.get("row", "")), *best])
    column, short = (loss.readings[0].column, "p") if loss.readings else (one, one)
    rest = [f"{what} {k}" for k in range(2, top + 1) for what in ("class", short)]
    columns = ["file", "row", "class", column, *rest]
    has_rows = any(line[1] for line in lines)
    kept = [i for i, name in enumerate(columns) if has_rows or name != "row"]
    title = f"{'Rows' if has_rows else 'Images'}: {counts.total():,}"
    print_table(title, [columns[i] for i in kept], [[line[i] for i in kept] for line in lines])
    if len(lines) < counts.total():
        print_line(f"The first {SHOWN} rows of a file are shown; --out FILE.csv writes all. {_format_counts(counts)}.")


def _format_counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name}: {n:,}" for name, n in counts.most_common())


def _predict_stream(network: OneLayer, source: Path, top: int | None, out: Path | None, *, is_strict: bool) -> None:
    """Predict line by line, to stdout or into a file that appears after the last line."""
    with ExitStack() as stack:
        # The source first, so that an error in it is not reported for the file of predictions.
        file = sys.stdin.buffer if str(source) == STDIN else stack.enter_context(source.open("rb"))
        put = stack.enter_context(_open_lines(out)) if out else print_json_line
        stack.enter_context(let_reader_leave())
        n_bad = _predict_lines(network, file, top, put, is_strict=is_strict)
    if n_bad:
        raise BadInput(f"{source}: {n_bad:,} bad line{'s'[: n_bad != 1]}; every other line has a prediction.")


def _predict_lines(
    network: OneLayer, file: IO[bytes], top: int | None, put: Callable[[Any], None], *, is_strict: bool
) -> int:
    """How many lines were bad."""
    n_bad = 0
    for item in iterate_predictions(network, file, top):
        if is_strict and "error" in item:
            raise BadInput(f"line {item['line']}: {item['error']}")
        put(item)
        n_bad += "error" in item
    return n_bad


@contextmanager
def _open_lines(out: Path) -> Iterator[Callable[[Any], None]]:
    if out.suffix.lower() != STREAM:
        raise BadInput(f"{out}: the predictions of a stream are JSON lines; accepted is a name ending in {STREAM}.")
    validate_new_file(out)
    with explain_os_error(out), open_whole(out) as file:
        yield partial(write_json_line, file)
