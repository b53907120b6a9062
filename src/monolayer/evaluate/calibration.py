"""Calibration of probabilities: calibration error, Brier score, log loss and sharpness, with intervals.

``probabilities`` are (n, K) throughout, any float, each 0 to 1. Their rows need not sum to 1 (raw sigmoids do not),
except for the log loss and the chance interval. ``y`` is (n,), integers 0 to K - 1. A prediction is the first class
with the highest probability, as everywhere in this library.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from monolayer._typing import Array
from monolayer.errors import BadInput
from monolayer.evaluate.metrics import compute_wilson_interval
from monolayer.evaluate.probabilities import validate_labels, validate_table
from monolayer.evaluate.significance import Bootstrap, Interval

Measure = Callable[[Array, Array], float]

SUM_TOLERANCE = 1e-4  # of a row of probabilities; float32 sums of thousands of classes stay well within


@dataclass(frozen=True)
class Binning:
    """How confidences are put into bins.

    Args:
        n_bins: number of bins; equal mass may give fewer, because rows of equal confidence share a bin.
        scheme: "equal_width", or "equal_mass": as many rows in each bin, as far as ties allow.

    Raises:
        BadInput: if there is no bin, or the scheme is unknown.
    """

    n_bins: int = 15
    scheme: str = "equal_width"

    def __post_init__(self) -> None:
        if self.n_bins < 1:
            raise BadInput(f"n_bins must be 1 or more, not {self.n_bins}.")
        if self.scheme not in ("equal_width", "equal_mass"):
            raise BadInput(f"Unknown binning {self.scheme!r}; accepted are equal_width, equal_mass.")


@dataclass(frozen=True, eq=False)
class Reliability:
    """A reliability table of B bins; an empty bin has count 0 and NaN elsewhere.

    Args:
        edges: (B + 1,), float64, rising from 0 to 1; bin b is (edges[b], edges[b + 1]], the first one includes 0.
        counts: (B,), int64, rows in each bin.
        confidence: (B,), float64, their mean confidence.
        accuracy: (B,), float64, the share of them that are correct.
        low: (B,), float64, lower end of the 95 % Wilson interval of that share.
        high: (B,), float64, its upper end.
    """

    edges: Array
    counts: Array
    confidence: Array
    accuracy: Array
    low: Array
    high: Array

    @property
    def expected_error(self) -> float:
        """Expected calibration error: sum over bins of ``counts/n * |accuracy - confidence|``."""
        return float(np.nansum(self.counts * np.abs(self.accuracy - self.confidence)) / self.counts.sum())

    @property
    def maximum_error(self) -> float:
        """Maximum calibration error: the largest ``|accuracy - confidence|`` of a bin; a bin of one row counts too."""
        return float(np.nanmax(np.abs(self.accuracy - self.confidence)))


@dataclass(frozen=True)
class BrierParts:
    """Brier score = reliability - resolution + uncertainty + within_variance - within_covariance, to rounding.

    Args:
        brier: the score itself, sum over classes.
        reliability: how far each bin's mean probability is from its share of correct ones; smaller is better.
        resolution: how far the share of correct ones in each bin is from the overall share; larger is better.
        uncertainty: of the labels alone.
        within_variance: of the probabilities within their bins; 0 if each bin holds one value.
        within_covariance: twice the covariance of probabilities and outcomes within the bins.
    """

    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    within_variance: float
    within_covariance: float


def compute_edges(confidence: Array, binning: Binning) -> Array:
    """Edges of the bins, (B + 1,) float64 from 0 to 1; bin b is (edges[b], edges[b + 1]], the first one includes 0.

    Equal mass cuts the sorted confidences into runs whose lengths differ by one at most; a cut is the highest value
    below it, so that equal values fall on one side, and cuts that coincide become one.

    Args:
        confidence: (n,), floats 0 to 1.
        binning: number of bins and scheme.
    """
    if binning.scheme == "equal_width":
        return np.linspace(0.0, 1.0, binning.n_bins + 1)
    n = len(confidence)
    n_bins = min(binning.n_bins, n)
    ends = np.cumsum([n // n_bins + (index < n % n_bins) for index in range(n_bins - 1)], dtype=np.int64)
    cuts = np.unique(np.sort(confidence)[ends - 1])
    return np.concatenate([[0.0], cuts[cuts < 1.0], [1.0]])


def assign_bins(confidence: Array, edges: Array) -> Array:
    """The bin of each confidence, (n,) int64, 0 to B - 1; edges as :func:`compute_edges` gives them."""
    return np.searchsorted(edges[1:-1], confidence, side="left")


def compute_reliability(confidence: Array, came_true: Array, binning: Binning | None = None) -> Reliability:
    """The reliability table of predictions with a confidence each, such as those of :func:`compute_top_label`.

    Args:
        confidence: (n,), floats 0 to 1.
        came_true: (n,), bool, whether each prediction was right.
        binning: 15 bins of equal width by default.
    """
    edges = compute_edges(confidence, binning or Binning())
    counts, sums, hits = _sum_bins(assign_bins(confidence, edges), len(edges) - 1, confidence, came_true)
    with np.errstate(invalid="ignore"):  # 0/0 of an empty bin is NaN
        means, shares = sums / counts, hits / counts
    intervals = np.full((len(counts), 2), np.nan)
    for index in np.flatnonzero(counts):
        intervals[index] = compute_wilson_interval(float(shares[index]), int(counts[index]))
    return Reliability(edges, counts, means, shares, *intervals.T)


def compute_top_label(probabilities: Array, y: Array) -> tuple[Array, Array]:
    """The highest probability of each row, (n,) float64, and whether that class was right, (n,) bool.

    Raises:
        BadInput: if the shapes do not fit, a probability is outside 0 to 1, or a label is out of range.
    """
    probabilities, y = _validate(probabilities, y)
    predictions = probabilities.argmax(axis=1)
    return probabilities[np.arange(len(y)), predictions], predictions == y


def compute_expected_error(probabilities: Array, y: Array, binning: Binning | None = None) -> float:
    """Expected calibration error of the top label: sum over bins of ``n_b / n * |accuracy_b - mean confidence_b|``.

    It depends on the bins, and chance alone makes it positive: about sqrt(2 B p (1 - p) / (pi n)) for a perfectly
    calibrated network. Compare numbers of one binning and one n only.

    Args:
        probabilities: (n, K).
        y: (n,).
        binning: 15 bins of equal width by default.

    Raises:
        BadInput: as :func:`compute_top_label`.

    Source: Naeini, Cooper and Hauskrecht 2015, AAAI; Guo et al. 2017, ICML.
    """
    confidence, correct = compute_top_label(probabilities, y)
    return prepare_expected_error(confidence, correct, binning)(_share_equally(len(y)))


def prepare_expected_error(
    confidence: Array, came_true: Array, binning: Binning | None = None
) -> Callable[[Array], float]:
    """The expected calibration error as a function of the rows' weights, (n,), which sum to 1.

    Everything that does not depend on the weights is computed once, so that a bootstrap is fast.

    Args:
        confidence: (n,), or (n, C) for the mean of the errors of C columns; floats 0 to 1.
        came_true: the same shape, bool or 0 and 1.
        binning: 15 bins of equal width by default; the bins are those of the unweighted rows.
    """
    binning = binning or Binning()
    confidence, came_true = confidence.reshape(len(confidence), -1), came_true.reshape(len(confidence), -1)
    n_columns = confidence.shape[1]
    columns = [assign_bins(column, compute_edges(column, binning)) for column in confidence.T]
    bins = (np.stack(columns, axis=1) + binning.n_bins * np.arange(n_columns)).ravel()
    gaps = came_true - confidence
    return lambda weights: float(np.abs(np.bincount(bins, (weights[:, None] * gaps).ravel())).sum() / n_columns)


def compute_maximum_error(probabilities: Array, y: Array, binning: Binning | None = None) -> float:
    """Maximum calibration error of the top label: max over filled bins of ``|accuracy_b - mean confidence_b|``.

    A bin of one row counts as much as one of a thousand, so equal mass is the binning to take.

    Args:
        probabilities: (n, K).
        y: (n,).
        binning: 15 bins of equal width by default.

    Raises:
        BadInput: as :func:`compute_top_label`.

    Source: Naeini, Cooper and Hauskrecht 2015, AAAI.
    """
    return compute_reliability(*compute_top_label(probabilities, y), binning).maximum_error


def compute_classwise_error(probabilities: Array, y: Array, binning: Binning | None = None) -> float:
    """Classwise calibration error: the expected error of "the label is k" at confidence p_k, mean over the K classes.

    Args:
        probabilities: (n, K).
        y: (n,).
        binning: 15 bins of equal width by default; equal mass cuts the bins of each class separately.

    Raises:
        BadInput: as :func:`compute_top_label`.

    Source: Kull et al. 2019, "Beyond temperature scaling", NeurIPS.
    """
    probabilities, y = _validate(probabilities, y)
    came_true = _encode(y, probabilities.shape[1])
    return prepare_expected_error(probabilities, came_true, binning)(_share_equally(len(y)))


def compute_brier(probabilities: Array, y: Array) -> float:
    """Brier score: mean over rows of sum_k (p_k - onehot(y)_k)**2.

    The convention is Brier's own (1950, Monthly Weather Review 78), the sum over classes: 0 to 2 for probabilities that
    sum to 1, and for two classes twice the number that counts one class only.

    Raises:
        BadInput: as :func:`compute_top_label`.
    """
    return float(_compute_brier_scores(*_validate(probabilities, y)).mean())


def decompose_brier(probabilities: Array, y: Array, binning: Binning | None = None) -> BrierParts:
    """The Brier score in parts, over bins of each class's probability and summed over the classes.

    With n_b rows, mean probability f_b and share o_b of label k in bin b, and o overall: reliability =
    sum n_b (f_b - o_b)**2 / n, resolution = sum n_b (o_b - o)**2 / n, uncertainty = o (1 - o). Murphy's identity needs
    one probability a bin; for bins with a width two more terms make it exact: within_variance = mean (p - f_b)**2,
    within_covariance = 2 mean (p - f_b)(onehot(y) - o_b).

    Args:
        probabilities: (n, K).
        y: (n,).
        binning: 15 bins of equal width by default.

    Raises:
        BadInput: as :func:`compute_top_label`.

    Source: Murphy 1973, Journal of Applied Meteorology 12; Stephenson, Coelho and Jolliffe 2008, Weather and
    Forecasting 23.
    """
    probabilities, y = _validate(probabilities, y)
    parts = [_decompose_class(column, y == k, binning or Binning()) for k, column in enumerate(probabilities.T)]
    return BrierParts(compute_brier(probabilities, y), *(float(part) for part in np.sum(parts, axis=0)))


def compute_log_loss(probabilities: Array, y: Array) -> float:
    """Mean of -log p_y in nats; infinite where a label was given probability 0 (nothing is clipped).

    Raises:
        BadInput: as :func:`compute_top_label`, or if a row does not sum to 1: -log p_y alone would reward raw sigmoids
            that are 1 everywhere; their own loss is multiple binary cross-entropy.
    """
    return float(_compute_log_losses(*_validate(probabilities, y)).mean())


def compute_sharpness(probabilities: Array) -> float:
    """Sharpness: sum over classes of the variance, over rows, of p_k; 0 if all rows are equal.

    It does not depend on the labels: sharper is better only among networks that are equally well calibrated.

    Args:
        probabilities: (n, K).

    Raises:
        BadInput: if the shape is not (n, K), or a probability is outside 0 to 1.

    Source: Murphy and Winkler 1992, International Journal of Forecasting 7.
    """
    return float(_validate_probabilities(probabilities).var(axis=0).sum())


def compute_bootstrap_interval(
    measure: Measure, probabilities: Array, y: Array, bootstrap: Bootstrap | None = None
) -> Interval:
    """Interval of a measure of calibration, by resampling rows.

    Resamples have the upward bias of a calibration error twice, so their percentiles can lie above the estimate. The
    basic interval, [2 * estimate - q_high, 2 * estimate - q_low], reflects them at the estimate, and is cut at 0.

    Coverage of 95 % intervals of the expected error (simulated; 400 and 2,000 rows, 4 classes, 15 bins): 86 and 91 %
    for a true error of 0.16, 88 and 90 % for 0.065, about half for 0. So near 0 use :func:`compute_chance_interval`,
    which shows whether a network may be calibrated. The Brier score and the log loss are means over rows, and have the
    usual intervals of a mean.

    Args:
        measure: ``measure(probabilities, y)`` gives a number that is never negative.
        probabilities: (n, K).
        y: (n,).
        bootstrap: resamples (200 by default), seed and confidence.

    Raises:
        BadInput: as :func:`compute_top_label`.

    Source: Davison and Hinkley 1997, Bootstrap Methods and their Application, section 5.2.
    """
    bootstrap = bootstrap or Bootstrap(n_resamples=200)
    probabilities, y = _validate(probabilities, y)
    rng, n = np.random.default_rng(bootstrap.seed), len(y)
    estimate = measure(probabilities, y)
    measure_drawn = _prepare(measure, probabilities, y)
    values = [measure_drawn(rng.integers(0, n, n)) for _ in range(bootstrap.n_resamples)]
    low, high = np.quantile(values, bootstrap.tails)
    return Interval(
        estimate, max(2 * estimate - float(high), 0.0), max(2 * estimate - float(low), 0.0), bootstrap.confidence
    )


def compute_chance_interval(measure: Measure, probabilities: Array, bootstrap: Bootstrap | None = None) -> Interval:
    """The value of a measure on these rows if the probabilities were exactly right: mean and interval.

    Labels are drawn from each row's own probabilities. A calibration error within the interval is what chance gives a
    calibrated network; only one above it shows that the network is not calibrated.

    Args:
        measure: ``measure(probabilities, y)`` gives a number.
        probabilities: (n, K), rows that sum to 1.
        bootstrap: draws (200 by default), seed and confidence.

    Raises:
        BadInput: if the shape is not (n, K), a probability is outside 0 to 1, or a row does not sum to 1.

    Source: consistency resampling, Broecker and Smith 2007, Weather and Forecasting 22.
    """
    probabilities = _validate_probabilities(probabilities)
    _validate_sums(probabilities)
    bootstrap = bootstrap or Bootstrap(n_resamples=200)
    rng = np.random.default_rng(bootstrap.seed)
    ends = probabilities.cumsum(axis=1)
    ends /= ends[:, -1:]  # sums in float32 miss 1 by a little, and a draw above the last end would have no class
    draws = (rng.random((len(ends), 1)) for _ in range(bootstrap.n_resamples))
    values = [measure(probabilities, (draw >= ends[:, :-1]).sum(axis=1)) for draw in draws]
    low, high = np.quantile(values, bootstrap.tails)
    return Interval(float(np.mean(values)), float(low), float(high), bootstrap.confidence)


def _prepare(measure: Measure, probabilities: Array, y: Array) -> Callable[[Array], float]:
    """The measure as a function of the rows drawn, (n,) int64, with all that does not depend on them computed before.

    For the measures of this module that saves two thirds of the time of their bootstraps (10,000 rows, 10 classes).
    """
    function, binning = measure, None
    if isinstance(measure, partial) and set(measure.keywords) <= {"binning"} and not measure.args:
        function, binning = measure.func, measure.keywords.get("binning")
    if function is compute_expected_error:
        return _prepare_drawn_error(*compute_top_label(probabilities, y), binning)
    if function is compute_classwise_error:
        return _prepare_drawn_error(probabilities, _encode(y, probabilities.shape[1]), binning)
    if function not in (compute_brier, compute_log_loss):
        return lambda drawn: measure(probabilities[drawn], y[drawn])
    compute_values = _compute_brier_scores if function is compute_brier else _compute_log_losses
    values = compute_values(probabilities, y)
    return lambda drawn: float(values[drawn].mean())


def _prepare_drawn_error(confidence: Array, came_true: Array, binning: Binning | None) -> Callable[[Array], float]:
    n = len(confidence)
    if binning and binning.scheme == "equal_mass":  # the bins are those of the rows drawn
        return lambda drawn: prepare_expected_error(confidence[drawn], came_true[drawn], binning)(_share_equally(n))
    measure_weighted = prepare_expected_error(confidence, came_true, binning)
    return lambda drawn: measure_weighted(np.bincount(drawn, minlength=n) / n)


def _share_equally(n: int) -> Array:
    return np.full(n, 1 / n)


def _sum_bins(bins: Array, n_bins: int, confidence: Array, came_true: Array) -> tuple[Array, Array, Array]:
    """Rows, sum of confidence and number of correct ones in each bin, (B,) each."""
    counts = np.bincount(bins, minlength=n_bins)
    return counts, np.bincount(bins, confidence, n_bins), np.bincount(bins, came_true, n_bins)


def _decompose_class(column: Array, came_true: Array, binning: Binning) -> Array:
    """Reliability, resolution, uncertainty and the two terms within bins, of one class: (5,) float64."""
    edges = compute_edges(column, binning)
    bins = assign_bins(column, edges)
    counts, sums, hits = _sum_bins(bins, len(edges) - 1, column, came_true)
    filled, n, overall = np.maximum(counts, 1), len(column), came_true.mean()
    means, shares = sums / filled, hits / filled
    deviation = column - means[bins]
    return np.array(
        [
            counts @ (means - shares) ** 2 / n,
            counts @ (shares - overall) ** 2 / n,
            overall * (1 - overall),
            deviation @ deviation / n,
            2 * (deviation @ (came_true - shares[bins])) / n,
        ]
    )


def _compute_brier_scores(probabilities: Array, y: Array) -> Array:
    return np.asarray(((probabilities - _encode(y, probabilities.shape[1])) ** 2).sum(axis=1))


def _compute_log_losses(probabilities: Array, y: Array) -> Array:
    _validate_sums(probabilities)
    with np.errstate(divide="ignore"):
        return np.asarray(-np.log(probabilities[np.arange(len(y)), y]))


def _encode(y: Array, n_classes: int) -> Array:
    return np.eye(n_classes)[y]


def _validate(probabilities: Array, y: Array) -> tuple[Array, Array]:
    probabilities = _validate_probabilities(probabilities)
    return probabilities, validate_labels(y, probabilities.shape)


def _validate_probabilities(probabilities: Array) -> Array:
    table = validate_table(probabilities, "probabilities")
    wrong = np.flatnonzero(~((table >= 0) & (table <= 1)).all(axis=1))
    if wrong.size:
        raise BadInput(f"Row {wrong[0]} of probabilities is {table[wrong[0]].tolist()}; accepted are 0 to 1.")
    return table


def _validate_sums(probabilities: Array) -> None:
    sums = probabilities.sum(axis=1)
    wrong = np.flatnonzero(np.abs(sums - 1) > SUM_TOLERANCE)
    if wrong.size:
        raise BadInput(f"Row {wrong[0]} of probabilities sums to {sums[wrong[0]]:.6g}; needed are rows that sum to 1.")
