"""``monolayer predict``: classes and probabilities of images, of files of features, and of a stream of JSON lines."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from monolayer.cli import options as opt
from monolayer.cli.console import let_reader_leave, open_console, print_json, print_json_line, print_line, print_table
from monolayer.errors import BadInput

if TYPE_CHECKING:
    import numpy.typing as npt

    from monolayer.network import OneLayer
    from monolayer.predict.inputs import Rows

    Answered = Iterator[tuple[Rows, npt.NDArray[Any]]]

STDIN, STREAM = "-", ".jsonl"
SHOWN = 20  # rows of a file of features that a terminal is shown
READINGS = {"cross_entropy": "softmax probability"}

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
    typer.Option(help="A new file for all answers: .csv, .jsonl, or .npy (the probabilities alone)."),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option(
        help="A column of a .csv that is no feature, such as label, where the network does not know its columns by "
        "name; give the option once a column."
    ),
]
Features = Annotated[
    str | None,
    typer.Option(help="The array, tensor or column of features.", show_default="the one that the network learned from"),
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
    """Say which class each input is, and with what probability.

    Features are given as they were in training; the network scales them itself. The columns of a table are found by
    the names that they had in training, in any order and among others. A file of features is read in blocks, and
    --out keeps memory small however long it is.

    A stream is answered line by line: {"features": [...]} or {"image": "path"} (from the working folder), with an "id"
    if you like, becomes one JSON line on stdout, at once. A bad line is answered with its number and an "error"; then
    the exit code is 2 at the end, after all good lines are answered, or at once with --strict.

    Example: monolayer predict runs/a photos/

    Example: monolayer predict runs/a features.npy --out answers.csv --top 3

    Example: tail -f measured.jsonl | monolayer predict runs/a -
    """
    from monolayer.predict.predictions import check_network, check_top
    from monolayer.runs.folder import load_network

    loaded = load_network(network)
    check_network(loaded)
    check_top(top, len(loaded.class_names))
    if any(str(path) == STDIN or path.suffix.lower() == STREAM for path in inputs):
        if as_json or ignore or features or len(inputs) > 1:
            raise BadInput(
                "A stream is the only input and is answered in JSON lines; --json, --ignore and --features do not go "
                "with it."
            )
        _predict_stream(loaded, inputs[0], top, out, is_strict=strict)
        return
    if strict:
        raise BadInput(
            "--strict goes with a stream, a .jsonl file or - for stdin; in other input nothing bad is passed over."
        )
    answered = _predict(loaded, inputs, tuple(ignore or ()), features)
    if out:
        counts = _write(loaded, answered, out, top)
        if as_json:
            print_json({"out": str(out), "n": counts.total(), "classes": counts})
        else:
            print_line(f"{counts.total():,} rows: {_format_counts(counts)}. The answers are in {out}")
    elif as_json:
        print_json({"predictions": _list(loaded, answered, top)})
    else:
        _show(loaded, answered, top or 1)


def _predict(network: OneLayer, paths: Sequence[Path], ignored: tuple[str, ...], features: str | None) -> Answered:
    """Every row with its probabilities, block by block; what looks scaled wrongly is said once a file.

    That images were resized is said once, after the last.
    """
    from monolayer.predict.inputs import Chosen, describe_resizing, find_doubt, find_files, iterate_rows
    from monolayer.predict.predictions import compute_predictions

    doubted, n_resized = "", 0
    with open_console() as console:
        for rows in iterate_rows(network, find_files(paths, network), Chosen(ignored, features)):
            if rows.places[0].get("row") == 0 and (doubt := find_doubt(network, rows)) and doubt != doubted:
                console.warn(doubt)
                doubted = doubt
            n_resized += rows.n_resized
            yield rows, compute_predictions(network, rows)
        if resized := describe_resizing(network, n_resized):
            console.warn(resized)


def _list(network: OneLayer, answered: Answered, top: int | None) -> list[dict[str, Any]]:
    from monolayer.predict.predictions import describe_predictions

    return [item for rows, p in answered for item in describe_predictions(network, rows.places, p, top)]


def _write(network: OneLayer, answered: Answered, out: Path, top: int | None) -> Counter[str]:
    """All answers into a file; how many rows each class was given."""
    from monolayer.predict.outputs import open_predictions

    counts: Counter[str] = Counter()
    with open_predictions(out, network, top) as writer:
        for rows, probabilities in answered:
            writer.write(rows.places, probabilities)
            counts.update(network.class_names[k] for k in probabilities.argmax(axis=1))
    return counts


def _show(network: OneLayer, answered: Answered, top: int) -> None:
    """A line an image, and for each file of features its first rows, then how many rows each class was given."""
    from monolayer.predict.predictions import describe_predictions

    lines: list[list[str]] = []
    counts: Counter[str] = Counter()
    for rows, probabilities in answered:
        counts.update(network.class_names[k] for k in probabilities.argmax(axis=1))
        shown = [i for i, place in enumerate(rows.places) if place.get("row", 0) < SHOWN]
        places = [rows.places[i] for i in shown]
        for item in describe_predictions(network, places, probabilities[shown], top):
            best = [cell for name, p in item["probabilities"].items() for cell in (name, f"{p:.3f}")]
            file = item["file"].encode(errors="backslashreplace").decode()  # as wide as it is shown
            lines.append([file, str(item.get("row", "")), *best])
    reading = READINGS.get(network.loss, "probability (its own sigmoid)")
    columns = ["file", "row", "class", reading, *[f"{what} {k}" for k in range(2, top + 1) for what in ("class", "p")]]
    has_rows = any(line[1] for line in lines)
    kept = [i for i, name in enumerate(columns) if has_rows or name != "row"]
    title = f"{'Rows' if has_rows else 'Images'}: {counts.total():,}"
    print_table(title, [columns[i] for i in kept], [[line[i] for i in kept] for line in lines])
    if len(lines) < counts.total():
        print_line(f"The first {SHOWN} rows of a file are shown; --out FILE.csv writes all. {_format_counts(counts)}.")


def _format_counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name}: {n:,}" for name, n in counts.most_common())


def _predict_stream(network: OneLayer, source: Path, top: int | None, out: Path | None, *, is_strict: bool) -> None:
    """Answer line by line, onto stdout or into a file that appears when all is answered."""
    with ExitStack() as stack:
        # The source first: what is wrong with it must not be told of the file of answers.
        file = sys.stdin.buffer if str(source) == STDIN else stack.enter_context(source.open("rb"))
        put = stack.enter_context(_open_lines(out)) if out else print_json_line
        stack.enter_context(let_reader_leave())
        n_bad = _predict_lines(network, file, top, put, is_strict=is_strict)
    if n_bad:
        raise BadInput(f"{source}: {n_bad:,} bad line{'s'[: n_bad != 1]}; every other line is answered.")


def _predict_lines(
    network: OneLayer, file: IO[bytes], top: int | None, put: Callable[[Any], None], *, is_strict: bool
) -> int:
    """How many lines were bad."""
    from monolayer.predict.stream import iterate_predictions

    n_bad = 0
    for item in iterate_predictions(network, file, top):
        if is_strict and "error" in item:
            raise BadInput(f"line {item['line']}: {item['error']}")
        put(item)
        n_bad += "error" in item
    return n_bad


@contextmanager
def _open_lines(out: Path) -> Iterator[Callable[[Any], None]]:
    from monolayer.files import explain_os_error, open_whole, validate_new_file
    from monolayer.predict.outputs import write_json_line

    if out.suffix.lower() != STREAM:
        raise BadInput(f"{out}: the answers to a stream are JSON lines; accepted is a name ending in {STREAM}.")
    validate_new_file(out)
    with explain_os_error(out), open_whole(out) as file:
        yield partial(write_json_line, file)
