"""Predictions of a stream of JSON lines: one line is read, one is returned, and none is kept."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from monolayer._typing import Array
from monolayer.errors import BadInput
from monolayer.network import OneLayer
from monolayer.predict.inputs import InputRows, read_image
from monolayer.predict.predictions import compute_predictions, describe_predictions

MAX_LINE = 64 * 2**20  # bytes; longer lines are not read into memory
FIELDS = ("features", "image")


def iterate_predictions(network: OneLayer, file: IO[bytes], top: int | None = None) -> Iterator[dict[str, Any]]:
    """An object per line that is not blank: its number, its ``id`` if it has one, and the prediction or an ``error``.

    Args:
        network: the network.
        file: lines ``{"features": [D numbers]}`` or ``{"image": "path"}``, in UTF-8.
        top: number of classes, best first; None lists all.
    """
    for number, line in _iterate_lines(file):
        place: dict[str, Any] = {"line": number}
        try:
            content = _parse(line)
            if "id" in content:
                place["id"] = content["id"]
            probabilities = compute_predictions(network, InputRows([place], _read_features(network, content)[None]))
            yield from describe_predictions(network, [place], probabilities, top)
        except BadInput as error:
            yield {**place, "error": str(error)}


def _iterate_lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers, from 1; blank ones are counted and left out, and too long ones truncated."""
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        rest = line
        while len(rest) > MAX_LINE and not rest.endswith(b"\n"):
            rest = file.readline(MAX_LINE + 1)
        if line.strip() or len(line) > MAX_LINE:
            yield number, line


def _parse(line: bytes) -> dict[str, Any]:
    if len(line) > MAX_LINE:
        raise BadInput(f"The line is longer than {MAX_LINE // 2**20} MiB.")
    try:
        content = json.loads(line, parse_constant=_refuse_constant)
        json.dumps(content.get("id") if isinstance(content, dict) else None, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"The line is not JSON ({error}).") from None
    if not isinstance(content, dict) or len(set(FIELDS) & set(content)) != 1:
        raise BadInput('The line is neither {"features": [...]} nor {"image": "path"}.')
    return content


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _read_features(network: OneLayer, content: dict[str, Any]) -> Array:
    """The features of one line, (D,)."""
    if "image" in content:
        if not isinstance(content["image"], str) or "\0" in content["image"]:
            raise BadInput("image is not the path of a file.")
        return read_image(network, Path(content["image"]))[0]
    given, n_features = content["features"], network.n_inputs
    if not isinstance(given, list) or not all(type(number) in (int, float) for number in given):
        raise BadInput("features is not a list of numbers.")
    if len(given) != n_features:
        raise BadInput(f"features has {len(given)} numbers; the network takes {n_features}.")
    try:
        X = np.array(given, dtype=np.float64)
    except OverflowError:
        X = np.array([np.inf])
    if not np.isfinite(X).all():
        raise BadInput("features holds a number that is too large.")
    return X
