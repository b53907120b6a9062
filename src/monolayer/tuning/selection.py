"""How reliable a ranking by validation accuracy is: indistinguishable runs, and the optimism of picking the best."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from monolayer.evaluate.significance import (
    MIN_ROWS_FOR_OPTIMISM,
    Bootstrap,
    Optimism,
    choose_one_standard_error,
    estimate_optimism,
    find_indistinguishable,
)
from monolayer.training.run import Run

# Products that resampling may cost: 36 runs on 1,000 rows get 1,000 resamples, 500 runs on 10,000 rows 200 (a second).
RESAMPLE_WORK, MIN_RESAMPLES, MAX_RESAMPLES = 10**9, 200, 1000


@dataclass(frozen=True, eq=False)
class Selection:
    """How reliable the ranking of a sweep's runs is; runs that diverged or were dropped by halving are left out.

    Args:
        n: number of validation rows.
        p_values: of each run against the best (exact McNemar), corrected for all pairs, since the best was picked on
            the same rows; 1 for the best; None for a run that is left out.
        is_indistinguishable: whether each run cannot be distinguished from the best; None for a run that is left out.
        one_standard_error: index of the simplest run whose accuracy is within one standard error of the best.
        optimism: what picking the best added to its accuracy; None with too few runs or rows, or if halving dropped
            runs: these were compared on the same rows, but not by their final accuracy.
    """

    n: int
    p_values: tuple[float | None, ...]
    is_indistinguishable: tuple[bool | None, ...]
    one_standard_error: int
    optimism: Optimism | None

    @property
    def n_indistinguishable(self) -> int:
        """How many runs cannot be distinguished from the best, the best included."""
        return sum(bool(flag) for flag in self.is_indistinguishable)

    @property
    def n_compared(self) -> int:
        """How many runs are not left out."""
        return sum(flag is not None for flag in self.is_indistinguishable)

    def to_dict(self) -> dict[str, Any]:
        """The selection for JSON, without the values of single runs."""
        optimism = self.optimism
        return {
            "n": self.n,
            "n_compared": self.n_compared,
            "n_indistinguishable": self.n_indistinguishable,
            "optimism": None
            if optimism is None
            else {
                "apparent": optimism.apparent,
                "corrected": optimism.corrected,
                "interval": [optimism.interval.low, optimism.interval.high],
            },
        }


def analyse_selection(runs: Sequence[Run]) -> Selection | None:
    """The selection among these runs; None if all diverged or were dropped, or there are no validation rows.

    A run is simpler if its l2 is larger, then if its learning rate is smaller: both keep the weights small.

    Args:
        runs: best first, all on the same validation rows.
    """
    kept = [i for i, run in enumerate(runs) if run.val_correct is not None and not (run.has_diverged or run.ends_early)]
    is_halved = any(run.ends_early and not run.has_diverged for run in runs)
    if not kept:
        return None
    correct = np.array([runs[i].val_correct for i in kept])
    n_resamples = int(np.clip(RESAMPLE_WORK // correct.size, MIN_RESAMPLES, MAX_RESAMPLES))
    is_enough = len(kept) > 1 and correct.shape[1] >= MIN_ROWS_FOR_OPTIMISM
    compared = find_indistinguishable(correct)
    keys = [(-runs[i].recipe.l2, runs[i].recipe.learning_rate) for i in kept]
    complexity = np.unique(keys, axis=0, return_inverse=True)[1].ravel().tolist()  # equal keys have equal ranks
    simplest = choose_one_standard_error(correct.mean(axis=1), correct.shape[1], complexity)
    p_values = dict(zip(kept, compared.adjusted.tolist(), strict=True))
    is_indistinguishable = dict(zip(kept, compared.mask.tolist(), strict=True))
    return Selection(
        correct.shape[1],
        tuple(p_values.get(i) for i in range(len(runs))),
        tuple(is_indistinguishable.get(i) for i in range(len(runs))),
        kept[simplest],
        estimate_optimism(correct, Bootstrap(n_resamples)) if is_enough and not is_halved else None,
    )
