import numpy as np
import pytest

from monolayer.evaluate.predictions import Predictions, predict_all_rows, predict_rows
from monolayer.network import OneLayer
from monolayer.training.train import train
from tests.made import make_dataset
from tests.reference import plain_loop

SCORES = np.array([[2.0, 1.0, 0.0], [0.0, 0.5, 3.0], [1.0, 4.0, 1.0]], np.float32)
Y = np.array([0, 1, 1])


@pytest.mark.parametrize("loss", ["cross_entropy", "multiple_bce"])
def test_answers_are_read_as_the_loss_reads_them(loss):
    message = Predictions(loss, SCORES, Y, np.arange(3))
    assert message.correct.tolist() == [True, False, True]
    assert message.losses.mean() == pytest.approx(plain_loop.compute_mean_loss(loss, SCORES.astype(float), Y))
    assert message.probability_of_label.tolist() == [message.probabilities[i, k] for i, k in enumerate(Y)]
    assert message.probabilities.dtype == np.float64
    some = message.take(np.array([True, False, True]))
    assert (len(some), some.index.tolist(), some.correct.tolist()) == (2, [0, 2], [True, True])


def test_metrics_are_those_of_the_network_that_answered():
    splits = make_dataset().split(40)
    run = train(splits, epochs=2, batch_size=10, l2=0.1)
    metrics = predict_rows(run.network, splits.val).compute_metrics(run.network, run.recipe.l2)
    assert metrics.loss == pytest.approx(run.evaluation["val"].loss, rel=1e-5)
    assert metrics.cost == pytest.approx(run.evaluation["val"].cost, rel=1e-5)
    assert (metrics.accuracy, metrics.n) == (run.evaluation["val"].accuracy, 40)


def test_the_last_epochs_right_rows_are_kept_for_paired_tests():
    splits = make_dataset().split(40)
    run = train(splits, epochs=2, batch_size=10)
    assert run.val_correct.tolist() == predict_rows(run.network, splits.val).correct.tolist()
    assert train(make_dataset().split(0), epochs=1, batch_size=10).val_correct is None


def test_many_networks_answer_as_each_alone_whatever_their_scalers():
    dataset = make_dataset()
    whole, part = dataset.split(40), dataset.split(40, train=100)
    recipes = [{"seed": 1}, {"seed": 2, "loss": "multiple_bce"}]
    networks = [train(s, epochs=1, batch_size=10, **r).network for r in recipes for s in (whole, part)]
    together = predict_all_rows(networks, whole.val)
    for network, message in zip(networks, together, strict=True):
        np.testing.assert_allclose(message.scores, predict_rows(network, whole.val).scores, rtol=1e-5, atol=1e-6)
        assert message.loss == network.loss


def test_a_diverged_network_answers_without_a_warning():
    network = OneLayer(
        np.full((2, 3), np.inf, np.float32),
        np.zeros(2, np.float32),
        np.zeros(3),
        np.ones(3),
        "cross_entropy",
        ("a", "b"),
    )
    splits = make_dataset(n_features=3, n_classes=2).split(40)
    metrics = predict_rows(network, splits.val).compute_metrics(network, 0.0)
    assert not np.isfinite(metrics.loss)
