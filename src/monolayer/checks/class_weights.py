"""ML013: whether weights make the probabilities answer for other shares of the classes than the rows have."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.checks.thresholds import SHIFTED_SHARE
from monolayer.findings import Finding, report

Array = npt.NDArray[Any]
SHIFTED = "ML013"


def check_weights(y: Array, sample_weight: Array, weighted: Array, class_names: Array) -> Finding:
    """ML013: how far weights move the shares of the classes that the probabilities are learnt for.

    Args:
        y: labels, (n,) int64; rows of other classes only at weight 0.
        sample_weight: (n,), as the caller gave them; 0 where a row is not there.
        weighted: (n,), with the classes' weights multiplied in.
        class_names: K labels.
    """
    K, present = len(class_names), sample_weight > 0
    plain, seen = (_compute_shares(y[present], weight[present], K) for weight in (np.ones(len(y)), weighted))
    if np.array_equal(weighted[present], np.full(present.sum(), weighted[present][0])):
        return report(SHIFTED, "not applicable", "Every row has the same weight.")
    moved = float(np.abs(seen - plain).sum() / 2)
    most = int(np.abs(seen - plain).argmax())
    evidence = (
        f"With the weights class {class_names[most]} is {seen[most]:.1%} of the rows, without them {plain[most]:.1%}; "
        f"in all, {moved:.1%} of the rows' weight moves from some classes to others."
    )
    if moved <= SHIFTED_SHARE:
        return report(SHIFTED, "passed", evidence)
    by_class = not np.array_equal(sample_weight, weighted)
    advice = (
        "Take the probabilities for rows mixed so. For the rows as they come, leave the weights out and move the "
        "threshold of the decision, or calibrate on rows without weights (CalibratedClassifierCV)."
    )
    return report(SHIFTED, "issue" if by_class else "tip", evidence, advice)


def _compute_shares(y: Array, weight: Array, n_classes: int) -> Array:
    sums = np.bincount(y, weights=weight, minlength=n_classes)
    return np.asarray(sums / sums.sum())
