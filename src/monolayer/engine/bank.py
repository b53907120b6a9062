"""Bank: M networks trained side by side on the same batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from monolayer._typing import Array
from monolayer.data.scaler import Scaler
from monolayer.errors import BadInput
from monolayer.network import OneLayer
from monolayer.recipe.losses import Loss, get_loss
from monolayer.recipe.recipe import Recipe
from monolayer.recipe.shuffle import parse_shuffle


@dataclass(frozen=True, eq=False)
class Fold:
    """Sample weights, and the scaler that goes with them.

    Rows of weight 0 are left out: the batches are cut from all rows, and the gradient of a batch is the mean over its
    rows of positive weight. The other weights, divided by the mean of all weights above 0, multiply the gradients of
    their rows, so that a common factor changes nothing.

    Args:
        sample_weight: (n,) of the training rows, 0 or above, float64.
        scaler: of the features, for these members.

    Raises:
        BadInput: if a weight is negative or not finite, or none is above 0.
    """

    sample_weight: Array
    scaler: Scaler

    def __post_init__(self) -> None:
        weights = np.asarray(self.sample_weight, np.float64)
        object.__setattr__(self, "sample_weight", weights)
        if weights.ndim != 1 or not (np.isfinite(weights) & (weights >= 0)).all() or not weights.any():
            raise BadInput("Sample weights must be finite numbers of 0 or above, one a training row, and not all 0.")

    @property
    def is_mask(self) -> bool:
        """Whether all weights above 0 are equal."""
        present = self.sample_weight[self.sample_weight > 0]
        return bool((present == present[0]).all())

    def compute_factors(self) -> Array:
        """The factor of each row's gradient, (n,) float64: the weights divided by the mean of those above 0."""
        present = self.sample_weight > 0
        if self.is_mask:  # exactly 1, which the mean of many equal weights may miss
            return present.astype(np.float64)
        return np.asarray(self.sample_weight / self.sample_weight[present].mean())


# Fields that the members of a bank must share: they define the batches and the arithmetic.
SHARED_FIELDS = ("seed", "batch_size", "flip", "epochs", "dtype", "shuffle")


@dataclass(eq=False)
class Bank:
    """The state of M networks that train on the same batches.

    A network's scores are W z + b with z = (x - mean) / std. The bank's M * K rows of weights lie class by class, row
    k * M + m being class k of member m: a softmax over classes then runs along whole rows of scores, four times faster
    than across them.

    Args:
        recipes: one for each member; they share SHARED_FIELDS.
        weights: (K * M, D), the recipes' dtype.
        bias: (K * M,), same dtype.
        scaler: the training rows' mean and standard deviation; with folds, that of one of them.
        folds: one for each member, if members have different sample weights; each has its own scaler.
    """

    recipes: tuple[Recipe, ...]
    weights: Array
    bias: Array
    scaler: Scaler
    folds: tuple[Fold, ...] = ()

    @cached_property
    def distinct_folds(self) -> tuple[Fold, ...]:
        """The folds, each once, in the order of the members."""
        return tuple({id(fold): fold for fold in self.folds}.values())

    @cached_property
    def fold_of(self) -> Array:
        """Index of each member's fold among the distinct ones, (M,) int64; 0 without folds."""
        places = {id(fold): place for place, fold in enumerate(self.distinct_folds)}
        return np.array([places[id(fold)] for fold in self.folds] or [0] * self.n_members)

    def get_scaler(self, member: int) -> Scaler:
        """The scaler of a member."""
        return self.folds[member].scaler if self.folds else self.scaler

    @property
    def n_members(self) -> int:
        """Number of networks M."""
        return len(self.recipes)

    @property
    def n_classes(self) -> int:
        """Number of classes K."""
        return len(self.bias) // len(self.recipes)

    @property
    def is_buffered(self) -> bool:
        """Whether a block shuffle brings the rows into memory, a buffer at a time."""
        return parse_shuffle(self.recipes[0].shuffle).buffer is not None

    def group_by_loss(self) -> list[tuple[Loss, slice]]:
        """The losses with the members that use each; one slice for each run of members with the same loss."""
        groups: list[tuple[Loss, slice]] = []
        for m, recipe in enumerate(self.recipes):
            if groups and groups[-1][0] == get_loss(recipe.loss):
                groups[-1] = (groups[-1][0], slice(groups[-1][1].start, m + 1))
            else:
                groups.append((get_loss(recipe.loss), slice(m, m + 1)))
        return groups

    def take(self, members: Sequence[int]) -> Bank:
        """A bank of some of the members, with copies of their weights and biases."""
        rows = self._find_rows(members)
        folds = tuple(self.folds[m] for m in members) if self.folds else ()
        return Bank(tuple(self.recipes[m] for m in members), self.weights[rows], self.bias[rows], self.scaler, folds)

    def put(self, members: Sequence[int], part: Bank) -> None:
        """Write the weights and biases of a bank made by :meth:`take` back into this one."""
        rows = self._find_rows(members)
        self.weights[rows], self.bias[rows] = part.weights, part.bias

    def _find_rows(self, members: Sequence[int]) -> Array:
        places = np.arange(self.n_classes)[:, None] * self.n_members + np.asarray(members)
        return np.asarray(places.ravel())

    def compute_weights(self, member: int) -> Array:
        """W of one member, (K, D), in the bank's dtype."""
        return self.weights[member :: self.n_members].copy()

    def compute_squared_norms(self) -> Array:
        """sum(W**2) of each member, (M,) float64."""
        rows = np.einsum("cd,cd->c", self.weights, self.weights, dtype=np.float64, casting="same_kind")
        return np.asarray(rows.reshape(self.n_classes, self.n_members).sum(axis=0))


def make_bank(recipes: Sequence[Recipe], scaler: Scaler, n_classes: int, folds: Sequence[Fold] = ()) -> Bank:
    """A bank before training: weights init_std * standard normal from ``default_rng(seed)``, biases zero.

    Args:
        recipes: one for each member.
        scaler: of the training rows.
        n_classes: K.
        folds: one for each member, or none.

    Raises:
        BadInput: if there are no recipes, or they do not share what the members of a bank must.
    """
    if not recipes:
        raise BadInput("A bank needs at least one recipe.")
    for name in SHARED_FIELDS:
        if len({getattr(recipe, name) for recipe in recipes}) > 1:
            raise BadInput(f"The recipes of a bank must share {', '.join(SHARED_FIELDS)}; these differ in {name}.")
    normal = np.random.default_rng(recipes[0].seed).standard_normal((n_classes, len(scaler.mean)))
    weights = np.empty((n_classes, len(recipes), len(scaler.mean)), recipes[0].dtype)
    for m, recipe in enumerate(recipes):
        weights[:, m] = recipe.init_std * normal
    rows = weights.reshape(-1, weights.shape[2])
    return Bank(tuple(recipes), rows, np.zeros(len(rows), rows.dtype), scaler, tuple(folds))


def resume_bank(recipes: Sequence[Recipe], starts: Sequence[OneLayer]) -> Bank:
    """A bank that continues from trained networks, one for each recipe; they share a scaler, which is kept.

    Raises:
        BadInput: if the networks are not as many as the recipes, or their scalers or shapes differ.
    """
    if not starts or len(starts) != len(recipes):
        raise BadInput(f"There must be one network to start from for each recipe, not {len(starts)}.")
    first = starts[0]
    for network in starts:
        if not (np.array_equal(network.mean, first.mean) and np.array_equal(network.std, first.std)):
            raise BadInput("The networks of a bank share their scaler; these were scaled differently.")
        if network.weights.shape != first.weights.shape:
            raise BadInput(f"Networks of a bank share their shape, not {network.weights.shape}, {first.weights.shape}.")
    bank = make_bank(recipes, Scaler(first.mean, first.std), len(first.bias))
    for m, network in enumerate(starts):
        bank.weights[m :: len(starts)] = network.weights
        bank.bias[m :: len(starts)] = network.bias
    return bank
