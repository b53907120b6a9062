"""The estimators: scikit-learn's own checks, and what they do not ask."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from monolayer.sklearn import FusedSearchCV, OneLayerClassifier


@parametrize_with_checks(
    [
        OneLayerClassifier(),
        OneLayerClassifier(loss="multiple_bce"),
        OneLayerClassifier(l2=0.001, schedule="cosine", dtype="float64", train_every=1),
        FusedSearchCV(OneLayerClassifier(), {"l2": [0.0, 0.01]}, cv=2),
    ]
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)
