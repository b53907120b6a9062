"""What others have published for a linear classifier on features of CIFAR-10 that no label has touched.

Quoted for comparison and marked as published wherever it appears. Nothing in this file was measured by monolayer.
Their classifiers are linear too, but not ours (support vector machines; with momentum and a bottleneck), and they were
trained on all 50,000 training images.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A published test accuracy, in per cent as it is printed.

    Args:
        what: the features.
        accuracy: per cent of the test images.
        source: authors and year.
    """

    what: str
    accuracy: str
    source: str


FIGURES = (
    Published("1,600 k-means filters", "77.9", "Coates, Lee and Ng 2011"),
    Published("4,000 k-means filters", "79.6", "Coates, Lee and Ng 2011"),
    Published("2,000 patches, nearest", "82", "Thiry et al. 2021"),
)
