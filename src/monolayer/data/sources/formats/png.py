"""The npm package's format: one PNG per batch (n rows of 1,024 RGB pixels, one image per row) and two JSON lists."""

import io
import json
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image

from monolayer.data.images import DECODING_ERRORS
from monolayer.data.sources.content import N_FEATURES, TEST_BATCH, TRAIN_BATCHES, Content, Pixels, make_batch
from monolayer.errors import BadData

TRAIN_NAMES = tuple(f"{batch}.png" for batch in TRAIN_BATCHES)
TEST_NAME = f"{TEST_BATCH}.png"
TRAIN_LABELS, TEST_LABELS = "train_lables.json", "test_lables.json"  # the package spells them so
NAMES = (*TRAIN_NAMES, TEST_NAME, TRAIN_LABELS, TEST_LABELS)
PIXELS_A_ROW = 32 * 32


def read(members: Mapping[str, bytes], where: str) -> Content:
    """Content of the six pictures and the two lists of labels.

    Raises:
        BadData: naming the member, and the row where there is one.
    """
    train = np.concatenate([parse_picture(members[name], f"{where}: {name}") for name in TRAIN_NAMES])
    test = parse_picture(members[TEST_NAME], f"{where}: {TEST_NAME}")
    return Content(
        make_batch(train, parse_labels(members[TRAIN_LABELS], f"{where}: {TRAIN_LABELS}"), f"{where}: {TRAIN_LABELS}"),
        make_batch(test, parse_labels(members[TEST_LABELS], f"{where}: {TEST_LABELS}"), f"{where}: {TEST_LABELS}"),
        where,
    )


def parse_picture(raw: bytes, where: str) -> Pixels:
    """Pixels (n, 3072) uint8, channel-major, of a picture with one image per row.

    Raises:
        BadData: if it is not a PNG, is truncated, or has another width or mode.
    """
    try:
        with Image.open(io.BytesIO(raw), formats=["PNG"]) as picture:
            if picture.mode != "RGB" or picture.width != PIXELS_A_ROW:
                raise BadData(f"{where}: {picture.mode}, {picture.width} pixels wide; accepted is RGB, {PIXELS_A_ROW}.")
            rows = np.asarray(picture, dtype=np.uint8).transpose(0, 2, 1)
            return np.ascontiguousarray(rows).reshape(-1, N_FEATURES)
    except BadData:
        raise
    except DECODING_ERRORS as error:
        raise BadData(f"{where}: the PNG is damaged or truncated ({error}).") from error


def parse_labels(raw: bytes, where: str) -> npt.NDArray[np.int64]:
    """Labels (n,) int64 of a JSON list.

    Raises:
        BadData: if it is not a list of integers.
    """
    try:
        labels = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BadData(f"{where}: not JSON ({error}).") from error
    if not isinstance(labels, list) or not all(type(label) is int and abs(label) < 2**31 for label in labels):
        raise BadData(f"{where}: accepted is a list of integers.")
    return np.array(labels, dtype=np.int64)
