"""Shuffles: the order of the rows in an epoch, written as ``full`` or ``block:ROWS:BLOCKS``.

``full`` is one permutation of all rows. Each step reads rows anywhere in the file, which is fast only if the features
are in memory.

``block:ROWS:BLOCKS`` is for features larger than memory: the rows are cut into blocks of ROWS consecutive rows; an
epoch reads the blocks in a new random order, BLOCKS of them at a time, and shuffles the rows of these. The file is read
once for each epoch, in pieces of ROWS rows. The rows of one buffer come from BLOCKS places of the file and not from all
of it. This makes no difference if the file is in random order. If it is sorted by class and a buffer has few classes,
it does, so ROWS should be small and BLOCKS large; docs/howto/embeddings.md has measurements.
"""

from dataclasses import dataclass

import numpy as np

from monolayer._typing import Array
from monolayer.errors import BadInput

FULL = "full"
USAGE = f"{FULL}, block or block:ROWS:BLOCKS (such as block:64:1024)"
# 64 rows of 1,024 float16 features are 128 KiB, as much as the system reads ahead; 1,024 such blocks are 128 MiB.
DEFAULT_BLOCK = (64, 1024)


@dataclass(frozen=True)
class Shuffle:
    """How rows are shuffled; ``str`` gives the text that a recipe has.

    Args:
        rows: in a block; 0 for a full shuffle.
        blocks: in memory at a time.
    """

    rows: int = 0
    blocks: int = 0

    def __str__(self) -> str:
        return f"block:{self.rows}:{self.blocks}" if self.rows else FULL

    @property
    def buffer(self) -> int | None:
        """Rows in memory at a time; None for all."""
        return self.rows * self.blocks or None

    def draw(self, rng: np.random.Generator, n: int) -> Array:
        """The order of an epoch of n rows, (n,) int64 positions."""
        if not self.buffer:
            return rng.permutation(n)
        starts = rng.permutation(-(-n // self.rows)) * self.rows
        # The file's last block may be short: it comes last, so that the ends of buffers depend on n only.
        last = int(starts.argmax())
        starts[[last, -1]] = starts[[-1, last]]
        parts = []
        for i in range(0, len(starts), self.blocks):
            rows = (starts[i : i + self.blocks, None] + np.arange(self.rows)).ravel()
            parts.append(rng.permutation(rows[rows < n]))
        return np.concatenate(parts)

    def cut(self, n: int) -> list[slice]:
        """The parts of such an order that are in memory at a time."""
        size = self.buffer or n
        return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def parse_shuffle(text: str) -> Shuffle:
    """The shuffle written as ``text``.

    Raises:
        BadInput: if it is not a shuffle.
    """
    name, *words = text.strip().split(":")
    if name == FULL and not words:
        return Shuffle()
    numbers = DEFAULT_BLOCK if not words else tuple(int(word) if word.isdecimal() else 0 for word in words)
    if name != "block" or len(numbers) != len(DEFAULT_BLOCK) or min(numbers) < 1:
        raise BadInput(f"Unknown shuffle {text!r}; accepted are {USAGE}.")
    return Shuffle(*numbers)
