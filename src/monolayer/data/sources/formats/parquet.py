"""Hugging Face's version: Parquet, a row an image, with a PNG's bytes in ``img`` and an integer in ``label``."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from monolayer.data.images import DECODING_ERRORS
from monolayer.data.sources.content import N_FEATURES, Batch, Content, Pixels, flatten_images, make_batch
from monolayer.errors import BadData

TRAIN_PATTERN, TEST_PATTERN = "train-*.parquet", "test-*.parquet"
ROWS_AT_ONCE = 1000


def is_available() -> bool:
    """Whether pyarrow, which reads Parquet, is installed."""
    return importlib.util.find_spec("pyarrow") is not None


def is_folder(folder: Path) -> bool:
    """Whether a folder holds training and test files in Parquet."""
    return bool(_list_files(folder, TRAIN_PATTERN) and _list_files(folder, TEST_PATTERN))


def read(folder: Path) -> Content:
    """Content of a folder's ``train-*.parquet`` and ``test-*.parquet``.

    Raises:
        BadData: if pyarrow is missing, or naming the file and the row.
    """
    if not is_available():
        raise BadData(f"{folder}: reading Parquet needs pyarrow: pip install 'monolayer[parquet]'.")
    return Content(
        _read_files(_list_files(folder, TRAIN_PATTERN)), _read_files(_list_files(folder, TEST_PATTERN)), str(folder)
    )


def _list_files(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern))


def _read_files(paths: list[Path]) -> Batch:
    from pyarrow import ArrowException  # here, because it is an extra

    pixels, labels = [], []
    for path in paths:
        try:
            for row, (image, label) in enumerate(_iterate_rows(path)):
                pixels.append(_decode(image, f"{path}: row {row}"))
                labels.append(_check_label(label, f"{path}: row {row}"))
        except (ArrowException, OSError, KeyError) as error:
            raise BadData(f"{path}: not a Parquet file with columns img and label ({error}).") from error
    where = ", ".join(map(str, paths))
    stacked = np.stack(pixels) if pixels else np.empty((0, N_FEATURES), dtype=np.uint8)
    return make_batch(stacked, np.array(labels, dtype=np.int64), where)


def _iterate_rows(path: Path) -> Iterator[tuple[Any, Any]]:
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=["img", "label"]):
            yield from zip(batch.column("img").to_pylist(), batch.column("label").to_pylist(), strict=True)


def _check_label(label: object, where: str) -> int:
    if type(label) is not int or not 0 <= label < 10:
        raise BadData(f"{where} has label {label!r}; accepted are 0 to 9.")
    return label


def _decode(image: object, where: str) -> Pixels:
    raw = image.get("bytes") if isinstance(image, dict) else None
    if not isinstance(raw, bytes):
        raise BadData(f"{where} holds no image.")
    try:
        with Image.open(io.BytesIO(raw), formats=["PNG"]) as picture:
            if picture.mode != "RGB" or picture.size != (32, 32):
                raise BadData(f"{where} is a {picture.mode} image of {picture.size}; accepted is RGB of (32, 32).")
            row: Pixels = flatten_images(np.asarray(picture)[None])[0]
            return row
    except BadData:
        raise
    except DECODING_ERRORS as error:
        raise BadData(f"{where}: the PNG is damaged or cut short ({error}).") from error
