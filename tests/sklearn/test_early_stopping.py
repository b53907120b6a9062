"""Early stopping against a fit of every length."""

import numpy as np
import pytest

from monolayer.errors import BadInput
from monolayer.sklearn import OneLayerClassifier
from tests.sklearn.made import make_rows

EPOCHS = 30


def make_halves():
    """Few rows and many features, most of them noise: the validation loss falls, wavers and rises."""
    X, y = make_rows(80, n_features=25)
    X = X / X.std(axis=0) + 2 * np.random.default_rng(9).standard_normal(X.shape)
    return X[:40], y[:40], X[40:], y[40:]


def find_end(losses, patience):
    """(best epoch, last epoch) as one reads them off a list of losses, epoch 1 first."""
    for epoch in range(1, len(losses) + 1):
        best = int(np.argmin(losses[:epoch])) + 1
        if epoch - best >= patience:
            return best, epoch
    return best, epoch


@pytest.mark.parametrize("learning_rate", [0.1, 0.3])
def test_it_ends_when_the_loss_falls_no_more_and_goes_back_to_the_best_epoch(learning_rate):
    X, y, X_val, y_val = make_halves()
    val = {"X_val": X_val, "y_val": y_val}
    params = {"learning_rate": learning_rate, "batch_size": 8}
    fits = [OneLayerClassifier(epochs=epochs, **params).fit(X, y, **val) for epochs in range(1, EPOCHS + 1)]
    losses = [fit.history_["val_loss"][-1] for fit in fits]
    for patience in (1, 2, 3, 10, 100):
        best, last = find_end(losses, patience)
        stopped = OneLayerClassifier(epochs=EPOCHS, early_stopping=True, patience=patience, **params).fit(X, y, **val)
        assert (stopped.best_epoch_, stopped.n_iter_) == (best, last)
        assert best < EPOCHS
        np.testing.assert_array_equal(stopped.network_.weights, fits[best - 1].network_.weights)
        np.testing.assert_array_equal(stopped.network_.bias, fits[best - 1].network_.bias)
        np.testing.assert_allclose(stopped.history_["val_loss"], losses[:last], rtol=1e-12)


def test_a_loss_that_is_no_number_ends_it():
    X, y, X_val, y_val = make_halves()
    classifier = OneLayerClassifier(learning_rate=1e200, l2=1.0, batch_size=8, early_stopping=True)
    classifier.fit(X, y, X_val=X_val, y_val=y_val)
    assert classifier.best_epoch_ == 0 < classifier.n_iter_ < 40
    assert classifier.predict(X_val).shape == (40,)


def test_a_fit_without_it_says_its_last_epoch():
    X, y, X_val, y_val = make_halves()
    classifier = OneLayerClassifier(epochs=20, early_stopping=True, patience=2, learning_rate=0.3, batch_size=8)
    classifier.fit(X, y, X_val=X_val, y_val=y_val)
    assert classifier.best_epoch_ < classifier.n_iter_
    classifier.set_params(early_stopping=False).fit(X, y)
    assert classifier.best_epoch_ == classifier.n_iter_ == 20


def test_whole_numbers_of_every_kind_are_patience():
    X, y, X_val, y_val = make_halves()
    for patience in (3, np.int64(3), np.uint8(3)):
        OneLayerClassifier(epochs=2, early_stopping=True, patience=patience).fit(X, y, X_val=X_val, y_val=y_val)


@pytest.mark.parametrize("patience", [0, -1, 2.0, "5", None, True])
def test_patience_that_is_none(patience):
    X, y, X_val, y_val = make_halves()
    with pytest.raises(BadInput, match=r"patience is .*; accepted is a whole number of 1 or above"):
        OneLayerClassifier(early_stopping=True, patience=patience).fit(X, y, X_val=X_val, y_val=y_val)
    OneLayerClassifier(epochs=1, patience=patience).fit(X, y)  # where nobody waits it is not looked at
