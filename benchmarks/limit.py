"""What the machine's own matrix product allows: operations counted, divided by its measured rate."""

from __future__ import annotations

from dataclasses import dataclass

SGEMM_SIZE = 2_048


@dataclass(frozen=True)
class Task:
    """The size of what is learned."""

    train_rows: int
    val_rows: int
    dimensions: int
    classes: int


CIFAR10 = Task(49_000, 1_000, 3_072, 10)
EMBEDDINGS = Task(50_000, 0, 1_024, 1_000)


@dataclass(frozen=True)
class Extraction:
    """The size of what is extracted: patches of so many values, at so many places of each image, and filters."""

    images: int
    places: int
    values: int
    filters: int


PATCHES = Extraction(4_000, 27 * 27, 3 * 6 * 6, 1_600)


def count_operations(task: Task | Extraction, member_epochs: float, train_every: int, val_every: int) -> float:
    """Floating-point operations of the matrix products; turning bytes into floats, and softmax, are not counted.

    Args:
        task: the size of what is learned, or extracted, as often as there are epochs.
        member_epochs: epochs, added up over the networks that were trained.
        train_every: the training rows are evaluated after every so many epochs; 0: never within the time taken.
        val_every: the same for the validation rows.
    """
    if isinstance(task, Extraction):  # each patch is whitened, and its products with all filters are taken
        return member_epochs * task.images * task.places * 2.0 * task.values * (task.values + task.filters)
    forward = 2 * task.dimensions * task.classes  # of one row through one network; the gradient costs the same again
    rows = 2.0 * task.train_rows
    rows += task.train_rows / train_every if train_every else 0
    rows += task.val_rows / val_every if val_every else 0
    return member_epochs * rows * forward


def compute_gflops(seconds: float) -> float:
    """The rate of one SGEMM_SIZE product that takes so many seconds."""
    return 2 * SGEMM_SIZE**3 / seconds / 1e9
