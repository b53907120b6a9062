"""The binary format: a row is one label byte and 3,072 pixel bytes, channel-major.

Source: https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
"""

from collections.abc import Mapping

import numpy as np

from monolayer.data.sources.content import (
    N_FEATURES,
    TEST_BATCH,
    TRAIN_BATCHES,
    Batch,
    Content,
    join_batches,
    make_batch,
)
from monolayer.errors import BadData

TRAIN_NAMES = tuple(f"{batch}.bin" for batch in TRAIN_BATCHES)
TEST_NAME = f"{TEST_BATCH}.bin"
NAMES = (*TRAIN_NAMES, TEST_NAME)
ROW_BYTES = 1 + N_FEATURES


def read(members: Mapping[str, bytes], where: str) -> Content:
    """Content of the six ``.bin`` members.

    Raises:
        BadData: naming the member, and the row where there is one.
    """
    train = [parse_batch(members[name], f"{where}: {name}") for name in TRAIN_NAMES]
    return Content(join_batches(train), parse_batch(members[TEST_NAME], f"{where}: {TEST_NAME}"), where)


def parse_batch(raw: bytes, where: str) -> Batch:
    """Pixels (n, 3072) uint8 and labels (n,) int64 of one ``.bin`` file.

    Raises:
        BadData: if the bytes are not whole rows, or a label is not 0 to 9.
    """
    if not raw or len(raw) % ROW_BYTES:
        raise BadData(
            f"{where}: {len(raw):,} bytes are not a whole number of {ROW_BYTES:,}-byte rows; "
            "the file is truncated or not a CIFAR-10 batch."
        )
    rows = np.frombuffer(raw, dtype=np.uint8).reshape(-1, ROW_BYTES)
    return make_batch(rows[:, 1:], rows[:, 0], where)
