"""The figures in the original report (S. S. Nallacheruvu, "DD2424 - Bonus Assignment 1", April 6, 2025).

They are quoted for comparison and marked wherever they appear. monolayer measured nothing in this file.
"""

from dataclasses import dataclass

SOURCE = "DD2424 – Bonus Assignment 1, a student's report of April 6, 2025"

# Numbers of images behind its accuracies: "about 1,000" held out for validation, and the test file.
N_VAL, N_TEST = 1_000, 10_000


@dataclass(frozen=True)
class PrintedAccuracies:
    """Accuracies in per cent, from a listing of the report."""

    listing: int
    train: float
    val: float
    test: float


ACCURACIES = {
    "all_data": PrintedAccuracies(1, 44.42, 53.20, 47.24),
    "flips": PrintedAccuracies(2, 44.33, 51.90, 47.25),
    "cross_entropy": PrintedAccuracies(5, 44.37, 53.70, 46.92),
    "multiple_bce": PrintedAccuracies(6, 45.18, 79.00, 51.87),
}


@dataclass(frozen=True)
class PrintedGridRow:
    """A row of the report's Listing 3, with its original headings; the column of the learning rate is missing."""

    rank: int
    headed_lambda: int
    headed_eta: str
    batch_size: int
    accuracy: float


GRID = (
    PrintedGridRow(1, 10, "0.001", 100, 40.8),
    PrintedGridRow(2, 0, "0.000", 50, 40.7),
    PrintedGridRow(3, 14, "0.001", 200, 40.6),
    PrintedGridRow(4, 5, "0.000", 200, 40.5),
    PrintedGridRow(5, 9, "0.001", 50, 40.0),
    PrintedGridRow(6, 2, "0.000", 200, 39.9),
    PrintedGridRow(7, 11, "0.001", 200, 39.8),
    PrintedGridRow(8, 17, "0.001", 200, 39.6),
    PrintedGridRow(9, 1, "0.000", 100, 39.5),
    PrintedGridRow(10, 4, "0.000", 100, 39.5),
)

# Listing 4, epoch -> (loss, accuracy in per cent); the report calls them validation, but they are training values.
STEP_DECAY = {1: (1.8440, 36.23), 10: (1.7029, 42.19), 20: (1.6966, 42.37), 40: (1.6960, 42.46)}
