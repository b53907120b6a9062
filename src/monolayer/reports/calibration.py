"""Calibration on a page: tables for any number of networks, and reliability diagrams."""

from collections.abc import Mapping

from monolayer.evaluate.calibration import compute_reliability, compute_top_label
from monolayer.evaluate.calibration_summary import Calibration, Rescaled
from monolayer.evaluate.predictions import Predictions
from monolayer.evaluate.probabilities import compute_readings
from monolayer.evaluate.significance import Interval
from monolayer.figures import ReliabilityDiagram
from monolayer.recipe.losses import READINGS
from monolayer.reports.blocks import FigureBlock, Table

READING_NAMES = {reading.name: reading.title for reading in READINGS.values()}
COLUMNS = (
    "network, probabilities",
    "ECE, equal width",
    "ECE if calibrated",
    "ECE, equal mass",
    "classwise ECE",
    "log loss",
)


def make_calibration_tables(measured: Mapping[str, tuple[Calibration, Rescaled | None]], rows: str) -> list[Table]:
    """Calibration with 95 % intervals, the parts of the Brier score, and calibration after temperature scaling.

    Args:
        measured: by network and kind of probabilities, the measures and, if any, those after temperature scaling.
        rows: name of the evaluation rows, such as ``1,000 test rows``.
    """
    calibrations = {name: calibration for name, (calibration, _) in measured.items()}
    rescaled = {name: (before, after) for name, (before, after) in measured.items() if after}
    tables = [_make_calibration_table(calibrations, rows), _make_brier_table(calibrations)] if measured else []
    return [*tables, _make_temperature_table(rescaled, rows)] if rescaled else tables


def _make_calibration_table(named: Mapping[str, Calibration], rows: str) -> Table:
    lines = [
        (
            name,
            _format(c.expected_error),
            _format_range(c.chance),
            _format(c.expected_error_equal_mass),
            _format(c.classwise_error),
            _format(c.log_loss),
        )
        for name, c in named.items()
    ]
    note = (
        "ECE: expected calibration error of the predicted class, 15 bins; lower is better. ECE if calibrated: what a "
        "perfectly calibrated network has on this many rows; only a higher ECE shows miscalibration. Raw sigmoids need "
        "not sum to one, so this value and the log loss are undefined for them."
    )
    return Table(f"Calibration on {rows}, with 95 % bootstrap intervals.", COLUMNS, lines, note=note)


def _make_temperature_table(named: Mapping[str, tuple[Calibration, Rescaled]], rows: str) -> Table:
    lines = [
        (
            name,
            f"{rescaled.fit.temperature:.3f}",
            _format(before.expected_error),
            _format(rescaled.after.expected_error),
            _format(before.log_loss),
            _format(rescaled.after.log_loss),
        )
        for name, (before, rescaled) in named.items()
    ]
    n_rows = " or ".join(sorted({f"{rescaled.fit.n:,}" for _, rescaled in named.values()}))
    columns = (
        "network, probabilities",
        "temperature",
        "ECE before",
        "ECE after",
        "log loss before",
        "log loss after",
    )
    return Table(
        f"Temperature scaling (scores divided by a temperature), evaluated on {rows}.",
        columns,
        lines,
        note=f"Fitted on {n_rows} validation rows that were used neither for training nor for selecting the recipe. A "
        "temperature above 1 means that the network was overconfident, below 1 underconfident. It minimises the loss "
        "on those rows; the ECE is a different measure and need not decrease.",
    )


def _make_brier_table(named: Mapping[str, Calibration]) -> Table:
    lines = [
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
    ]
    columns = (
        "network, probabilities",
        "Brier score",
        "reliability",
        "resolution",
        "uncertainty",
        "within-bin term",
        "maximum error",
        "sharpness",
    )
    note = (
        "Brier score = reliability - resolution + uncertainty + within-bin term. Maximum error: largest calibration "
        "error of 15 equal-mass bins. Sharpness: variation of the probabilities between rows, whatever the labels."
    )
    return Table("Decomposition of the Brier score.", columns, lines, note=note)


def draw_reliability(predictions: Predictions, reading: str, name: str, title: str) -> FigureBlock:
    """The reliability diagram of the predicted class for one kind of probabilities."""
    confidence, correct = compute_top_label(
        compute_readings(predictions.scores, predictions.loss)[reading], predictions.y
    )
    table = compute_reliability(confidence, correct)
    caption = (
        f"{title}, {READING_NAMES[reading]}: accuracy against the predicted probability of the predicted class; "
        f"expected calibration error {table.expected_error:.3f}. Points above the diagonal are underconfident."
    )
    return FigureBlock(f"{name}-reliability", ReliabilityDiagram(table), caption, f"Reliability diagram. {caption}")


def _format(interval: Interval | None) -> str:
    return f"{interval.estimate:.3f} {_format_range(interval)}" if interval else "–"


def _format_range(interval: Interval | None) -> str:
    return f"[{interval.low:.3f}, {interval.high:.3f}]" if interval else "–"
