"""Operations and bytes of an epoch, counted: what a roofline has on its axes. Pure.

Two counts of bytes. From memory comes what cannot be elsewhere: the rows, once an epoch. Between the second and the
first cache moves what the compiled engine's blocking makes move; the loops that are counted here are those of
src/native/kernel.cpp, in their order.
"""

from __future__ import annotations

from dataclasses import dataclass

# As src/native has them; a test compares.
PANEL, TILE, EVALUATED = 64, 5, 64
FLOAT, INDEX = 4, 8


@dataclass(frozen=True)
class Work:
    """A pass over made rows.

    Args:
        name: what the table and the picture call it.
        rows: how many.
        dimensions: features of a row.
        classes: of each network.
        members: networks in the bank.
        batch_size: rows of a step; evaluation has its own.
        feature_bytes: of one feature in memory.
        flip: the share of rows that are mirrored.
        is_evaluation: scores and losses only, nothing is learned.
    """

    name: str
    rows: int = 49_000
    dimensions: int = 3_072
    classes: int = 10
    members: int = 1
    batch_size: int = 100
    feature_bytes: int = 1
    flip: float = 0.0
    is_evaluation: bool = False

    @property
    def weight_rows(self) -> int:
        """Rows of the bank's weights, classes times members."""
        return self.classes * self.members


@dataclass(frozen=True)
class Caches:
    """What the counts depend on.

    Args:
        first: bytes of a core's first cache.
        width: rows of features that a tile of scores has at once: 4 with AVX-512 and NEON, else 2.
    """

    first: int
    width: int


def count_operations(work: Work) -> float:
    """Floating-point operations of the matrix products, as everywhere on the page: nothing else is counted."""
    products = 1 if work.is_evaluation else 2
    return 2.0 * products * work.rows * work.dimensions * work.weight_rows


def count_memory_bytes(work: Work) -> float:
    """Bytes that must come from memory: each row's features and label, its place in the order, and its flip.

    Weights, and the batch as floats, are not among them: they are used again before a cache has forgotten them.
    """
    row = work.dimensions * work.feature_bytes + INDEX
    if not work.is_evaluation:
        row += INDEX + (1 if work.flip else 0)
    return float(work.rows * row)


def count_cache_bytes(work: Work, caches: Caches) -> float:
    """Bytes between the second cache and the first, on all cores together; what is written is fetched first."""
    size = EVALUATED if work.is_evaluation else work.batch_size
    features = size * work.dimensions * FLOAT
    n_tiles = -(-work.weight_rows // TILE)
    moved = _count_conversion(work, size) + n_tiles * features  # a tile's scores: all rows go past it
    moved += _count_weights_forward(work, size, caches)
    if not work.is_evaluation:
        moved += _count_backward(work, caches)
    return moved * work.rows / size


def _count_conversion(work: Work, size: int) -> float:
    """Bytes of reading the features, and of fetching and writing the floats that they are converted to."""
    return size * work.dimensions * (work.feature_bytes + 2.0 * FLOAT)


def _count_weights_forward(work: Work, size: int, caches: Caches) -> float:
    """A tile of weights comes once if it stays while the rows go past it, else once for every few rows."""
    weights = work.weight_rows * work.dimensions * FLOAT
    columns = work.dimensions if work.is_evaluation else _count_slab_columns(work.dimensions)
    stays = (TILE + caches.width) * columns * FLOAT <= caches.first
    return weights * (1.0 if stays else size / caches.width)


def _count_slab_columns(dimensions: int) -> int:
    """Columns of a slab; see engine.cpp."""
    n_panels = -(-dimensions // PANEL)
    n_slabs = min(4, max(1, n_panels // 8))
    return -(-n_panels // n_slabs) * PANEL


def _count_backward(work: Work, caches: Caches) -> float:
    """A panel of features is read once if it stays in the cache for all weights, else once per tile.

    So do residuals, which every panel meets; weights are read, written and go out once.
    """
    size, n_weights = work.batch_size, work.weight_rows
    n_panels, n_tiles = -(-work.dimensions // PANEL), -(-n_weights // TILE)
    panel, residual = size * PANEL * FLOAT, n_weights * size * FLOAT
    weights_of_tile, residual_of_tile = TILE * PANEL * FLOAT, TILE * size * FLOAT
    panel_stays = panel + weights_of_tile + residual_of_tile <= caches.first
    residual_stays = panel + weights_of_tile + residual <= caches.first
    features = size * work.dimensions * FLOAT * (1 if panel_stays else n_tiles)
    residuals = residual * (1 if residual_stays else n_panels)
    return features + residuals + 2.0 * n_weights * work.dimensions * FLOAT
