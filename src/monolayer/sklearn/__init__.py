"""One-layer networks with scikit-learn's habits: an estimator, and a search that trains its candidates side by side."""

from monolayer.sklearn.classifier import OneLayerClassifier
from monolayer.sklearn.search import FusedSearchCV

__all__ = ["FusedSearchCV", "OneLayerClassifier"]
