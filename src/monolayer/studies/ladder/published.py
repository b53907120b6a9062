"""Published accuracies of linear classifiers on features of CIFAR-10 that were learnt without labels.

They are quoted for comparison and marked as published wherever they appear. monolayer measured nothing in this file.
The classifiers are linear but of other kinds (support vector machines; momentum and a bottleneck), and were trained on
all 50,000 training images.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A published test accuracy, in per cent and as many digits as published.

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
