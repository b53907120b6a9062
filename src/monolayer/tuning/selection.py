"""Selection: what a ranking by validation accuracy is worth, once the best of M runs has been picked from it."""

from __future__ import annotations

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

# Products that resampling may cost; 36 runs on 1,000 rows take 1,000 resamples, 500 runs on 10,000 rows 200 (a second).
RESAMPLE_WORK, FEWEST, MOST = 10**9, 200, 1000


@dataclass(frozen=True, eq=False)
class Selection:
    """What the ranking of a sweep's runs is worth; runs that diverged or were let go early have no part in it.

    Args:
        n: validation rows that ranked them.
        p_values: of each run against the best (exact McNemar), corrected for all pairs, since the best was picked on
            the same rows; None for a run that has no part; 1 for the best.
        is_indistinguishable: whether each run cannot be told from the best; None for a run that has no part.
        one_standard_error: place of the simplest run whose accuracy lies within one standard error of the best.
        optimism: what picking the best added to its accuracy, or None with too few runs or rows to say, or where runs
            were let go: they were chosen among on the same rows, but not by what they would have been in the end.
    """

    n: int
    p_values: tuple[float | None, ...]
    is_indistinguishable: tuple[bool | None, ...]
    one_standard_error: int
    optimism: Optimism | None

    @property
    def n_indistinguishable(self) -> int:
        """How many runs cannot be told from the best, the best itself counted."""
        return sum(bool(flag) for flag in self.is_indistinguishable)

    @property
    def n_compared(self) -> int:
        """How many runs have a part in it."""
        return sum(flag is not None for flag in self.is_indistinguishable)

    def to_dict(self) -> dict[str, Any]:
        """The selection as JSON holds it; what is said of single runs stands with the runs."""
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
    """What the ranking of these runs is worth; None if none went to its end, or none has validation rows.

    Simpler is a larger l2, then a smaller learning rate: both keep the weights small.

    Args:
        runs: best first, all on the same validation rows.
    """
    kept = [i for i, run in enumerate(runs) if run.val_correct is not None and not (run.has_diverged or run.has_left)]
    was_let_go = any(run.has_left and not run.has_diverged for run in runs)
    if not kept:
        return None
    correct = np.array([runs[i].val_correct for i in kept])
    told = find_indistinguishable(correct)
    complexity = _rank_complexity([runs[i] for i in kept])
    simplest = choose_one_standard_error(correct.mean(axis=1), correct.shape[1], complexity)
    by_place = {i: (float(told.adjusted[place]), bool(told.mask[place])) for place, i in enumerate(kept)}
    return Selection(
        correct.shape[1],
        tuple(by_place[i][0] if i in by_place else None for i in range(len(runs))),
        tuple(by_place[i][1] if i in by_place else None for i in range(len(runs))),
        kept[simplest],
        None if was_let_go else _estimate_optimism(correct),
    )


def _rank_complexity(runs: Sequence[Run]) -> list[int]:
    """A number a run that rises with complexity; equal for equal l2 and rate."""
    keys = [(-run.recipe.l2, run.recipe.learning_rate) for run in runs]
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys)))}
    return [ranks[key] for key in keys]


def _estimate_optimism(correct: Any) -> Optimism | None:
    n_runs, n = correct.shape
    if n_runs < 2 or n < MIN_ROWS_FOR_OPTIMISM:
        return None
    return estimate_optimism(correct, Bootstrap(int(np.clip(RESAMPLE_WORK // correct.size, FEWEST, MOST))))
