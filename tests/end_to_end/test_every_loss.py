"""Every loss trains in banks, through the command line, the estimator and sweeps, and all that follows works for it."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_digits

import monolayer as ml
from monolayer.checks.predictions import check_calibration
from monolayer.data.scaler import fit_scaler
from monolayer.engine.bank import make_bank
from monolayer.evaluate.predictions import predict_rows
from monolayer.figures import ProbabilityHistogram, ReliabilityDiagram
from monolayer.recipe.losses import LOSSES, get_loss
from monolayer.sklearn import FusedSearchCV, OneLayerClassifier
from monolayer.training.loop import BankTraining, TrainOptions
from tests.made import make_dataset
from tests.reference import plain_loop

TEXTS = tuple(map(str, LOSSES.values()))


def make_splits():
    return make_dataset(400, 16, 4).split(val=80)


@pytest.mark.parametrize("text", TEXTS)
def test_it_trains_as_the_plain_loop_does(text):
    splits = make_splits()
    recipe = ml.Recipe(loss=text, learning_rate=0.05, l2=0.01, batch_size=30, epochs=3, dtype="float64")
    W, b, _ = plain_loop.train(splits.dataset.X[splits.train.index], splits.train.y, 4, recipe)
    network = ml.train(splits, recipe).network
    np.testing.assert_allclose(network.weights, W, atol=1e-9)
    np.testing.assert_allclose(network.bias, b, atol=1e-9)


@pytest.mark.parametrize("text", TEXTS)
def test_a_run_in_a_bank_of_all_losses_is_the_run_alone(text):
    splits = make_splits()
    recipes = [ml.Recipe(loss=other, learning_rate=rate, epochs=3) for other in TEXTS for rate in (0.01, 0.1)]
    training = BankTraining(make_bank(recipes, fit_scaler(splits.train), 4), splits, TrainOptions())
    training.run(3)
    for member, recipe in enumerate(recipes):
        if recipe.loss == text:
            alone = ml.train(splits, recipe).network
            np.testing.assert_allclose(training.bank.compute_weights(member), alone.weights, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("text", TEXTS)
def test_its_run_is_certified_or_refused_in_a_sentence(text):
    splits = make_splits()
    run = ml.train(splits, ml.Recipe(loss=text, learning_rate=0.05, l2=0.01, epochs=5))
    if get_loss(text).is_smooth:
        certificate = ml.certify(run, splits)
        assert certificate.has_converged
        assert certificate.distance >= 0
        assert certificate.gradient_norm < 1e-2
    else:
        with pytest.raises(ml.BadInput, match=f"The loss {text} is not smooth, .* accepted are cross_entropy"):
            ml.certify(run, splits)


@pytest.mark.parametrize("text", TEXTS)
def test_its_probabilities_are_drawn_and_checked_or_refused_in_a_sentence(text):
    splits = make_splits()
    run = ml.train(splits, ml.Recipe(loss=text, learning_rate=0.05, epochs=5))
    predictions = predict_rows(run.network, splits.val)
    finding = check_calibration(predictions)
    if get_loss(text).has_probabilities:
        assert ProbabilityHistogram.of(run, splits.val).probability.shape == (80,)
        assert ReliabilityDiagram.of(run, splits.val).table.counts.sum() == 80
        return
    assert finding.outcome == "not applicable"
    assert finding.evidence == f"The loss {text} defines no probabilities."
    for ask in (
        lambda: run.network.compute_probabilities(splits.dataset.X[:3]),
        lambda: ProbabilityHistogram.of(run, splits.val),
        lambda: ReliabilityDiagram.of(run, splits.val),
    ):
        with pytest.raises(ml.BadInput, match=f"trained with the loss {text} has scores and no probabilities"):
            ask()


@pytest.mark.parametrize("text", TEXTS)
def test_the_estimator_learns_it_and_is_searched(text):
    X, y = load_digits(return_X_y=True)
    classifier = OneLayerClassifier(loss=text, epochs=10).fit(X[:800], y[:800])
    assert classifier.score(X[800:], y[800:]) > 0.85
    assert hasattr(classifier, "predict_proba") == get_loss(text).has_probabilities
    if get_loss(text).has_probabilities:
        np.testing.assert_allclose(classifier.predict_proba(X[:9]).sum(axis=1), 1, atol=1e-5)
    else:
        with pytest.raises(AttributeError, match="predict_proba") as error:
            classifier.predict_proba(X[:9])
        assert str(error.value.__cause__) == f"The loss {text} defines no probabilities; use decision_function."
    two = OneLayerClassifier(loss=text, epochs=10).fit(X, y > 4)
    np.testing.assert_array_equal(two.predict(X), two.decision_function(X) > 0)
    search = FusedSearchCV(OneLayerClassifier(epochs=3), {"loss": [text, TEXTS[0]], "l2": [0, 0.01]}, cv=3)
    assert search.fit(X[:400], y[:400]).cv_results_["mean_test_score"].min() > 0.7


@pytest.mark.parametrize("text", TEXTS)
def test_the_command_line_from_training_to_predictions(command, text, tmp_path):
    loss, words = get_loss(text), text.replace("_", "-")
    train = ["train", "digits", "--loss", words, "--learning-rate", "0.05", "--epochs", "4", "--val-size", "300"]
    certify = ["--certify"] if loss.is_smooth else []
    trained = command(*train, *certify, "--out", "run")
    assert trained.code == 0, trained.err
    assert json.loads((tmp_path / "place/run/recipe.json").read_text())["loss"] == text
    card = (tmp_path / "place/run/model-card.md").read_text()
    assert f"trained with {loss.title} on" in card
    assert f"Output: a {loss.output[0]} for each class" in card
    if not loss.is_smooth:
        refused = command(*train, "--certify", "--out", "other")
        assert refused.code == 2
        assert f"The loss {text} is not smooth" in refused.err
        assert not (tmp_path / "place/other").exists()

    grid = f"loss={words},cross-entropy,multiple-bce"
    swept = command("sweep", "digits", "--grid", grid, "--epochs", "2", "--json")
    assert swept.code == 0, swept.err

    calibrated = command("calibrate", "run")
    assert calibrated.code == (0 if loss.has_probabilities else 2)
    if not loss.has_probabilities:
        assert f"its loss {text} defines no probabilities, so there is nothing to calibrate" in calibrated.err

    for to, name in (
        ("onnx", "a.onnx"),
        ("torch", "t.safetensors"),
        ("json", "a.json"),
        ("safetensors", "a.safetensors"),
    ):
        exported = command("export", "run", "--to", to, "--out", name)
        assert exported.code == 0, exported.err

    np.save("x.npy", load_digits().data[:30].astype(np.float32))
    one, many = loss.output
    predicted = command("predict", "run", "x.npy", "--json")
    assert predicted.code == 0, predicted.err
    for row in predicted.json["predictions"]:
        assert row[many][row["class"]] == row[one] == max(row[many].values())
    assert one in command("predict", "run", "x.npy", "--top", "2").out
    assert command("predict", "run", "x.npy", "--out", "x.csv").code == 0
    assert (tmp_path / "place/x.csv").read_text().startswith(f"file,row,class,{one},{one}_")

    assert command(*train[:2], *train[4:], "--out", "other").code == 0
    compared = command("compare", "run", "other", "--out", "page")
    assert compared.code == 0, compared.err
