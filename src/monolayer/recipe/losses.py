"""The losses: everything that the library needs of each is an attribute or a method of its :class:`Loss` object.

A loss takes scores of shape (..., n, K) and labels of shape (n,), so that the scores of one network (n, K) and of a
whole bank (M, n, K) go through the same lines. Losses with ``is_multi_label`` also take labels of shape (n, K), 0 or 1.

To add a loss, write a subclass of :class:`Loss` in this file and add an instance to ``LOSSES``. The fields of the
subclass are its parameters: ``name:parameter`` in a recipe, such as ``huber:0.5``.
"""

from collections.abc import Callable
from dataclasses import astuple, dataclass, fields
from functools import cache
from typing import Any, ClassVar

import numpy as np

from monolayer._typing import Array
from monolayer.errors import BadInput
from monolayer.recipe.notation import format_written, parse_numbers


def compute_softmax(scores: Array) -> Array:
    """p_k = exp(s_k) / sum_j exp(s_j), shape (..., K); the maximum is subtracted first, so nothing overflows."""
    p: Array = scores - scores.max(axis=-1, keepdims=True)
    np.exp(p, out=p)
    p /= p.sum(axis=-1, keepdims=True)
    return p


def compute_sigmoid(scores: Array) -> Array:
    """1 / (1 + exp(-s)), shape (..., K); written with tanh, which does not overflow for any finite or infinite s."""
    p: Array = scores * scores.dtype.type(0.5)
    np.tanh(p, out=p)
    p += 1
    p *= scores.dtype.type(0.5)
    return p


def compute_log_softmax(scores: Array) -> Array:
    """Logarithm of the softmax, shape (..., K)."""
    from scipy.special import log_softmax

    return np.asarray(log_softmax(scores, axis=-1))


def compute_log_sigmoid(scores: Array) -> Array:
    """Logarithm of the sigmoid, shape (..., K)."""
    return np.asarray(-np.logaddexp(0.0, -scores))


def compute_cross_entropy(scores: Array, y: Array) -> Array:
    """-log softmax(s)_y for each example, shape (..., n)."""
    top = scores.max(axis=-1)
    log_sum = np.log(np.exp(scores - top[..., None]).sum(axis=-1))
    return np.asarray(log_sum + (top - scores[..., np.arange(len(y)), y]))  # in this order a small loss keeps digits


def compute_multiple_bce(scores: Array, y: Array) -> Array:
    """Mean over the K classes of the binary cross-entropy of sigmoid(s_k) against onehot(y)_k, shape (..., n)."""
    # The label's score changes its sign, so that every class costs log(1 + exp(s)) and nothing cancels; written as
    # max(s, 0) + log1p(exp(-|s|)), which does not overflow.
    signed = scores.copy()
    if y.ndim == 2:
        signed *= 1 - 2 * y.astype(scores.dtype)
    else:
        signed[..., np.arange(len(y)), y] *= -1
    softplus = np.maximum(signed, 0) + np.log1p(np.exp(-np.abs(signed)))
    return np.asarray(softplus.mean(axis=-1))


@dataclass(frozen=True)
class Reading:
    """One way to turn scores into probabilities, with the loss that is proper for it.

    Args:
        name: in files and arguments.
        title: in tables and captions.
        column: heading of a column of its probabilities.
        formula: how scores become probabilities.
        summary: the same in words.
        sums_to_one: whether a row of probabilities sums to 1; if not, log loss and chance are not defined.
        compute_probabilities: scores (..., K) -> probabilities (..., K), same dtype.
        compute_log_probabilities: their logarithms, also of those too small to be represented.
        compute_loss: (scores (n, K), y (n,)) -> (n,), the loss that is lowest where the probabilities are right.
        onnx_operator: the ONNX operator that computes it, and its attributes; None where there is none.
    """

    name: str
    title: str
    column: str
    formula: str
    summary: str
    sums_to_one: bool
    compute_probabilities: Callable[[Array], Array]
    compute_log_probabilities: Callable[[Array], Array]
    compute_loss: Callable[[Array, Array], Array]
    onnx_operator: tuple[str, dict[str, Any]] | None = None


SOFTMAX = Reading(
    name="softmax",
    title="softmax",
    column="softmax probability",
    formula="softmax: p_k = exp(s_k) / sum_j exp(s_j)",
    summary="softmax of the scores; a row sums to 1",
    sums_to_one=True,
    compute_probabilities=compute_softmax,
    compute_log_probabilities=compute_log_softmax,
    compute_loss=compute_cross_entropy,
    onnx_operator=("Softmax", {"axis": 1}),
)
SIGMOID = Reading(
    name="sigmoid",
    title="raw sigmoids",
    column="probability (its own sigmoid)",
    formula="a sigmoid a class: p_k = 1 / (1 + exp(-s_k)); they need not sum to 1",
    summary="a sigmoid of each score; a row need not sum to 1",
    sums_to_one=False,
    compute_probabilities=compute_sigmoid,
    compute_log_probabilities=compute_log_sigmoid,
    compute_loss=compute_multiple_bce,
    onnx_operator=("Sigmoid", {}),
)
# sigmoid / sum(sigmoid) = softmax(log sigmoid), which is not 0/0 where every sigmoid is 0.
NORMALISED_SIGMOID = Reading(
    name="normalised_sigmoid",
    title="normalised sigmoids",
    column="probability (normalised sigmoid)",
    formula="normalised sigmoids: p_k = sigmoid(s_k) / sum_j sigmoid(s_j)",
    summary="sigmoids of the scores, divided by their sum",
    sums_to_one=True,
    compute_probabilities=lambda scores: compute_softmax(compute_log_sigmoid(scores)),
    compute_log_probabilities=lambda scores: compute_log_softmax(compute_log_sigmoid(scores)),
    compute_loss=lambda scores, y: compute_cross_entropy(compute_log_sigmoid(scores), y),
)


@dataclass(frozen=True)
class Loss:
    """A loss with its parameters, which are the fields of the subclass; ``str`` gives the text that a recipe has.

    Attributes:
        name: in recipes and files.
        title: in running text and tables.
        abbreviation: in narrow tables.
        usage: how it is written, where it has parameters.
        readings: the ways to turn scores into probabilities, its own first; empty if it defines no probabilities.
        is_smooth: whether it is twice differentiable, so that the exact solver can minimise it.
        is_multi_label: whether it takes several labels a row.
        n_binary_scores: scores that two classes need: 2, or 1 whose sign decides.
        native_number: number of the loss in the compiled engine (src/native/kernels.hpp); None if the compiled engine
            does not have it, and the NumPy engine trains it.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    abbreviation: ClassVar[str]
    usage: ClassVar[str] = ""
    readings: ClassVar[tuple[Reading, ...]] = ()
    is_smooth: ClassVar[bool] = True
    is_multi_label: ClassVar[bool] = False
    n_binary_scores: ClassVar[int] = 2
    native_number: ClassVar[int | None] = None

    def __str__(self) -> str:
        return format_written(self.name, astuple(self))

    @property
    def has_probabilities(self) -> bool:
        """Whether scores can be turned into probabilities."""
        return bool(self.readings)

    @property
    def output(self) -> tuple[str, str]:
        """What a trained network gives for each class, in the singular and in the plural."""
        return ("probability", "probabilities") if self.readings else ("score", "scores")

    def compute_loss(self, scores: Array, y: Array) -> Array:
        """Loss of each example, (..., n), in the scores' dtype, of scores (..., n, K) and labels (n,)."""
        raise NotImplementedError

    def compute_residual(self, scores: Array, y: Array) -> Array:
        """Derivative of each example's loss by its own scores, (..., n, K), in the scores' dtype."""
        raise NotImplementedError

    def compute_probabilities(self, scores: Array) -> Array:
        """Probabilities of the loss's own reading, (..., K), in the scores' dtype.

        Raises:
            BadInput: if the loss defines no probabilities.
        """
        if not self.readings:
            raise BadInput(
                f"A network trained with the loss {self} has scores and no probabilities; losses with probabilities "
                f"are {', '.join(loss.name for loss in LOSSES.values() if loss.readings)}."
            )
        return self.readings[0].compute_probabilities(scores)

    def compute_divisor(self, n_classes: int) -> int:
        """The loss is a sum over classes divided by this: K where it is their mean, else 1."""
        return 1

    def bound_curvature(self, n_classes: int) -> float:
        """An upper bound on the largest eigenvalue of each example's Hessian by its scores."""
        raise NotImplementedError

    def compute_curvature(self, scores: Array) -> Array:
        """Diagonal of each example's Hessian by its scores times the divisor, (n, K): for the exact solver.

        P (1 - p) of the loss's own reading, unless a subclass has another.
        """
        p = self.compute_probabilities(scores)
        return np.asarray(p * (1 - p))

    def find_separated(self, scores: Array, y: Array) -> Array:
        """Whether each example's loss falls to 0 as its scores grow in proportion, (n,) bool: for the exact solver.

        The probability of every class is on its label's side of 1/2; with a softmax the label's is then the highest.
        """
        half = 0.5 / self.compute_divisor(scores.shape[-1])
        return np.asarray((np.abs(self.compute_residual(scores, y)) < half).all(axis=-1))


class CrossEntropy(Loss):
    """Softmax cross-entropy: -log softmax(s)_y."""

    name = "cross_entropy"
    title = "cross-entropy"
    abbreviation = "CE"
    readings = (SOFTMAX,)
    native_number: ClassVar[int | None] = 0

    def compute_loss(self, scores: Array, y: Array) -> Array:
        """-log softmax(s)_y, shape (..., n)."""
        return compute_cross_entropy(scores, y)

    def compute_residual(self, scores: Array, y: Array) -> Array:
        """Softmax(s) - onehot(y), shape (..., n, K)."""
        residual = compute_softmax(scores)
        residual[..., np.arange(len(y)), y] -= 1
        return residual

    def bound_curvature(self, n_classes: int) -> float:
        """1/2: the Hessian is diag(p) - p p'."""
        return 0.5


@dataclass(frozen=True)
class SmoothedCrossEntropy(CrossEntropy):
    """Cross-entropy against (1 - smoothing) onehot(y) + smoothing / K (Szegedy et al. 2016).

    Args:
        smoothing: share of the target that is spread evenly over the classes.

    Raises:
        BadInput: if the smoothing is not a number above 0 and below 1.
    """

    name = "smoothed_cross_entropy"
    title = "smoothed cross-entropy"
    abbreviation = "smoothed CE"
    usage = "smoothed_cross_entropy or smoothed_cross_entropy:SMOOTHING (such as smoothed_cross_entropy:0.1)"
    native_number = None

    smoothing: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.smoothing < 1:
            raise BadInput(f"The smoothing of {self.name} must be a number above 0 and below 1, such as 0.1.")

    def compute_loss(self, scores: Array, y: Array) -> Array:
        """Log sum_j exp(s_j) - (1 - smoothing) s_y - smoothing * mean(s), shape (..., n)."""
        top = scores.max(axis=-1)
        log_sum = np.log(np.exp(scores - top[..., None]).sum(axis=-1))
        of_label, of_all = top - scores[..., np.arange(len(y)), y], top - scores.mean(axis=-1)
        return np.asarray(log_sum + ((1 - self.smoothing) * of_label + self.smoothing * of_all))

    def compute_residual(self, scores: Array, y: Array) -> Array:
        """Softmax(s) - (1 - smoothing) onehot(y) - smoothing / K, shape (..., n, K)."""
        residual = compute_softmax(scores)
        residual -= scores.dtype.type(self.smoothing / scores.shape[-1])
        residual[..., np.arange(len(y)), y] -= scores.dtype.type(1 - self.smoothing)
        return residual

    def find_separated(self, scores: Array, y: Array) -> Array:
        """Never: every class is part of the target, so the loss grows with the scores."""
        return np.zeros(len(y), bool)


class MultipleBCE(Loss):
    """Multiple binary cross-entropy: the mean over the K classes of the loss of a sigmoid for each."""

    name = "multiple_bce"
    title = "multiple BCE"
    abbreviation = "BCE"
    readings = (SIGMOID, NORMALISED_SIGMOID, SOFTMAX)
    is_multi_label = True
    n_binary_scores = 1
    native_number = 1

    def compute_loss(self, scores: Array, y: Array) -> Array:
        """Mean over the classes of the binary cross-entropies, shape (..., n)."""
        return compute_multiple_bce(scores, y)

    def compute_residual(self, scores: Array, y: Array) -> Array:
        """(sigmoid(s) - onehot(y)) / K, shape (..., n, K)."""
        residual = compute_sigmoid(scores)
        if y.ndim == 2:
            residual -= y.astype(scores.dtype)
        else:
            residual[..., np.arange(len(y)), y] -= 1
        residual *= scores.dtype.type(1 / scores.shape[-1])
        return residual

    def compute_divisor(self, n_classes: int) -> int:
        """K."""
        return n_classes

    def bound_curvature(self, n_classes: int) -> float:
        """1 / (4 K): a sigmoid's curvature p (1 - p) is at most 1/4."""
        return 0.25 / n_classes


class Hinge(Loss):
    """Multi-class hinge loss of Crammer and Singer (2001): max(0, 1 + max_{j != y} s_j - s_y)."""

    name = "hinge"
    title = "hinge loss"
    abbreviation = "hinge"
    is_smooth = False

    def compute_loss(self, scores: Array, y: Array) -> Array:
        """max_j (s_j + [j != y]) - s_y, shape (..., n), in which j = y gives the 0."""
        return np.asarray(self._add_margins(scores, y).max(axis=-1) - scores[..., np.arange(len(y)), y])

    def compute_residual(self, scores: Array, y: Array) -> Array:
        """A subgradient: 1 for the highest s_j + [j != y], less 1 for the label, shape (..., n, K)."""
        highest = self._add_margins(scores, y).argmax(axis=-1)
        residual = np.zeros_like(scores)
        np.put_along_axis(residual, highest[..., None], 1, axis=-1)
        residual[..., np.arange(len(y)), y] -= 1
        return residual

    def bound_curvature(self, n_classes: int) -> float:
        """1/2, of the smooth loss log sum_j exp(s_j + [j != y]) - s_y, which lies less than log K above this one."""
        return 0.5

    def _add_margins(self, scores: Array, y: Array) -> Array:
        margins: Array = scores + 1
        rows = np.arange(len(y))
        margins[..., rows, y] = scores[..., rows, y]
        return margins


LOSSES: dict[str, Loss] = {loss.name: loss for loss in (CrossEntropy(), MultipleBCE(), Hinge(), SmoothedCrossEntropy())}
READINGS: dict[str, Reading] = {reading.name: reading for loss in LOSSES.values() for reading in loss.readings}


@cache
def get_loss(text: str) -> Loss:
    """The loss written as ``text``, such as ``cross_entropy``; hyphens in the name stand for underscores.

    Raises:
        BadInput: if the name is unknown, or its parameters are not accepted.
    """
    name, *words = text.strip().split(":")
    loss = LOSSES.get(name.replace("-", "_"))
    if loss is None:
        accepted = ", ".join(known.usage or known.name for known in LOSSES.values())
        raise BadInput(f"Unknown loss {text!r}; accepted are {accepted}.")
    if words and not fields(loss):
        raise BadInput(f"Loss {text!r} has a parameter; accepted is {loss.name}, which takes none.")
    if words and len(words) != len(fields(loss)):
        raise BadInput(f"Loss {text!r} is not {loss.usage or loss.name}.")
    return type(loss)(*parse_numbers(words)) if words else loss


def compute_cost(mean_loss: float, l2: float, squared_norm: float) -> float:
    """Cost = mean loss + l2 * sum(W**2); the bias is not regularised. The one place where this is written."""
    return mean_loss + l2 * squared_norm if l2 else mean_loss


def compute_chance_loss(loss: str, n_classes: int) -> float:
    """The loss where all scores are 0, such as log K of the cross-entropy of K classes."""
    return float(get_loss(loss).compute_loss(np.zeros((1, n_classes)), np.zeros(1, np.int64))[0])
