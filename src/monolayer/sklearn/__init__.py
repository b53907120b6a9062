"""The scikit-learn interface: a classifier, and a grid search that trains its candidates side by side."""

from monolayer.sklearn.classifier import OneLayerClassifier
from monolayer.sklearn.search import FusedSearchCV

__all__ = ["FusedSearchCV", "OneLayerClassifier"]
