"""ML013: whether weights change the class shares, and with them the probabilities."""

import numpy as np

from monolayer._typing import Array
from monolayer.checks.thresholds import SHIFTED_SHARE
from monolayer.findings import Check, Finding

CLASS_WEIGHTS = Check(
    "ML013",
    "Weights shift the probabilities",
    "weights",
    "the labels and weights of the training rows",
    ("SHIFTED_SHARE",),
)


def check_weights(y: Array, sample_weight: Array, weighted: Array, class_names: Array) -> Finding:
    """ML013: how far weights move the class shares that the probabilities are learnt for.

    Args:
        y: labels, (n,) int64; rows of other classes only at weight 0.
        sample_weight: (n,), as the caller gave them; 0 for a row that is left out.
        weighted: (n,), multiplied by the class weights.
        class_names: K labels.
    """
    present = sample_weight > 0
    if np.array_equal(weighted[present], np.full(present.sum(), weighted[present][0])):
        return CLASS_WEIGHTS.make_finding("not applicable", "Every row has the same weight.")
    counts, sums = (
        np.bincount(y[present], weights=weight[present], minlength=len(class_names))
        for weight in (np.ones(len(y)), weighted)
    )
    without, with_weights = counts / counts.sum(), sums / sums.sum()
    change = np.abs(with_weights - without)
    moved, most = float(change.sum() / 2), int(change.argmax())
    evidence = (
        f"With the weights class {class_names[most]} is {with_weights[most]:.1%} of the rows, without them "
        f"{without[most]:.1%}; in all, {moved:.1%} of the rows' weight moves from some classes to others."
    )
    by_class = not np.array_equal(sample_weight, weighted)
    advice = (
        "The probabilities hold for rows with these class shares. For the original shares, train without the weights "
        "and move the decision threshold, or calibrate on unweighted rows (CalibratedClassifierCV)."
    )
    return CLASS_WEIGHTS.judge(moved > SHIFTED_SHARE, evidence, advice, "issue" if by_class else "tip")
