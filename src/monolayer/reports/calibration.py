"""Calibration on a page: one table for any number of networks and readings, and reliability diagrams."""

from __future__ import annotations

from collections.abc import Mapping

from monolayer.evaluate.calibration import compute_reliability, compute_top_label
from monolayer.evaluate.calibration_summary import Calibration, Rescaled
from monolayer.evaluate.predictions import Predictions
from monolayer.evaluate.probabilities import compute_readings
from monolayer.evaluate.significance import Interval
from monolayer.figures import ReliabilityDiagram
from monolayer.recipe.losses import READINGS
from monolayer.reports.document import Table
from monolayer.reports.pictures import Picture

READING_NAMES = {reading.name: reading.title for reading in READINGS.values()}
COLUMNS = (
    "network, reading",
    "expected error, equal width",
    "by chance alone",
    "equal mass",
    "classwise",
    "log loss",
)


def make_calibration_table(named: Mapping[str, Calibration], rows: str) -> Table:
    """Every measure with its 95 % interval, a line a network and reading.

    Args:
        named: by what the line is called.
        rows: what rows it was measured on, in words.
    """
    lines = tuple(
        (
            name,
            _format(c.expected_error),
            _format_range(c.chance),
            _format(c.expected_error_equal_mass),
            _format(c.classwise_error),
            _format(c.log_loss),
        )
        for name, c in named.items()
    )
    note = (
        "Expected error of the top label and classwise error with 15 bins. By chance alone: what a calibrated network "
        "would show on as many rows; only an error above it shows that a network is not calibrated. Raw sigmoids need "
        "not sum to one, so chance and log loss are not defined for them. Smaller is better."
    )
    return Table(f"Calibration on {rows}, with 95 % bootstrap intervals.", COLUMNS, lines, note=note)


def make_temperature_table(named: Mapping[str, tuple[Calibration, Rescaled]], rows: str) -> Table:
    """What a temperature does, a line a network and reading: before and after."""
    lines = tuple(
        (
            name,
            f"{rescaled.fit.temperature:.3f}",
            _format(before.expected_error),
            _format(rescaled.after.expected_error),
            _format(before.log_loss),
            _format(rescaled.after.log_loss),
        )
        for name, (before, rescaled) in named.items()
    )
    n_rows = " or ".join(sorted({f"{rescaled.fit.n:,}" for _, rescaled in named.values()}))
    columns = (
        "network, reading",
        "temperature",
        "error before",
        "after",
        "log loss before",
        "after ",
    )
    return Table(
        f"Scores divided by a temperature; judged on {rows}.",
        columns,
        lines,
        note=f"Fitted on {n_rows} validation rows that neither trained the network nor chose its recipe. Above 1 the "
        "network was too sure, below 1 not sure enough. The temperature is the one of the lowest loss on those rows; "
        "the expected error is another measure and need not follow.",
    )


def make_brier_table(named: Mapping[str, Calibration]) -> Table:
    """The Brier score's parts, a line a network and reading."""
    lines = tuple(
        (
            name,
            _format(c.brier),
            *(f"{value:.4f}" for value in (p.reliability, p.resolution, p.uncertainty)),
            f"{p.within_variance - p.within_covariance:+.4f}",
            f"{c.maximum_error:.3f}",
            f"{c.sharpness:.3f}",
        )
        for name, c in named.items()
        for p in [c.brier_parts]
    )
    columns = (
        "network, reading",
        "Brier score",
        "reliability",
        "resolution",
        "uncertainty",
        "within bins",
        "maximum error",
        "sharpness",
    )
    note = (
        "Brier score = reliability - resolution + uncertainty + within bins. Maximum error: the worst of 15 bins of "
        "equal mass. Sharpness: how much the probabilities vary from row to row; it knows nothing of the labels."
    )
    return Table("The Brier score in parts.", columns, lines, note=note)


def draw_reliability(predictions: Predictions, reading: str, name: str, title: str) -> Picture:
    """The reliability diagram of the top label under a reading."""
    confidence, correct = compute_top_label(
        compute_readings(predictions.scores, predictions.loss)[reading], predictions.y
    )
    table = compute_reliability(confidence, correct)
    caption = (
        f"{title}, {READING_NAMES[reading]}: how often the predicted class was right, against the probability given to "
        f"it; expected error {table.expected_error:.3f}. Above the line it was right more often than it said."
    )
    return Picture(f"{name}-reliability", ReliabilityDiagram(table), caption, f"Reliability diagram. {caption}")


def _format(interval: Interval | None) -> str:
    return f"{interval.estimate:.3f} {_format_range(interval)}" if interval else "–"


def _format_range(interval: Interval | None) -> str:
    return f"[{interval.low:.3f}, {interval.high:.3f}]" if interval else "–"
