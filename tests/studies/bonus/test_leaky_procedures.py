import numpy as np
import pytest

from monolayer.data.scaler import fit_scaler
from monolayer.progress import SILENCE
from monolayer.recipe.recipe import Recipe
from monolayer.studies.bonus.leaky_procedures import remove_mean, rerun_continued, rerun_untrained
from monolayer.training.train import train
from tests.made import make_dataset


def sum_bce_loop(Z, y, recipe, n_classes):
    """The original's steps as it describes them: residual sigmoid(s) - y, no 1/K, l2 as it stands."""
    rng = np.random.default_rng(recipe.seed)
    W, b = recipe.init_std * rng.standard_normal((n_classes, Z.shape[1])), np.zeros(n_classes)
    for _ in range(recipe.epochs):
        order = rng.permutation(len(Z))
        for start in range(0, len(Z), recipe.batch_size):
            rows = order[start : start + recipe.batch_size]
            residual = 1 / (1 + np.exp(-(Z[rows] @ W.T + b))) - np.eye(n_classes)[y[rows]]
            W -= recipe.learning_rate * (residual.T @ Z[rows] / len(rows) + 2 * recipe.l2 * W)
            b -= recipe.learning_rate * residual.mean(axis=0)
    return W, b


def test_without_the_mean_over_classes_is_another_rate_and_another_l2():
    splits = make_dataset().split(40)
    recipe = Recipe("multiple_bce", learning_rate=0.01, l2=0.05, batch_size=10, epochs=3)
    network = train(splits, remove_mean(recipe, 3)).network
    X = splits.dataset.X[splits.train.index]
    W, b = sum_bce_loop((X - network.mean) / network.std, splits.train.y, recipe, 3)
    np.testing.assert_allclose(network.weights, W, atol=1e-5)
    np.testing.assert_allclose(network.bias, b, atol=1e-5)


def test_going_on_with_the_evaluation_rows_lifts_the_accuracy_on_them():
    splits = make_dataset(n_features=40).split(40)
    runs = {
        key: train(splits, epochs=2, batch_size=10, l2=l2, flip=0.0) for key, l2 in (("a", 0.0), ("b", 0.0), ("c", 0.1))
    }
    again = rerun_continued(runs, splits.val, SILENCE)
    assert list(again) == ["a", "b", "c"]
    assert all(again[key].n == 40 for key in runs)
    assert again["a"] == again["b"]
    assert again["a"].loss < runs["a"].evaluation["val"].loss


def test_untrained_weights_are_scaled_as_the_training_rows_are():
    splits = make_dataset().split(40)
    recipe, scaler = Recipe("multiple_bce", learning_rate=0.1, batch_size=10, epochs=3), fit_scaler(splits.train)
    measured = rerun_untrained(recipe, splits.val, scaler, SILENCE)
    X = splits.dataset.X[splits.val.index]
    W, b = sum_bce_loop((X - scaler.mean) / scaler.std, splits.val.y, recipe.replace(learning_rate=0.1 / 3), 3)
    scores = (X - scaler.mean) / scaler.std @ W.T + b
    assert measured.accuracy == pytest.approx((scores.argmax(axis=1) == splits.val.y).mean())
