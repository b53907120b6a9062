"""What scikit-learn's checks do not ask of the estimator."""

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import monolayer as ml
from monolayer.errors import BadInput
from monolayer.sklearn import OneLayerClassifier, validation
from monolayer.sklearn.validation import make_splits
from tests.made import make_dataset
from tests.sklearn.made import make_rows

DATA = make_dataset(240, 12, 3)
X, Y = DATA.X.astype(np.float32), DATA.y
X_TEST, Y_TEST = DATA.test.X.astype(np.float32), DATA.test.y
QUICK = {"epochs": 5, "learning_rate": 0.05, "batch_size": 32}


@pytest.mark.parametrize("load", [load_digits, load_iris, load_breast_cancer])
@pytest.mark.parametrize("loss", ["cross_entropy", "multiple_bce"])
def test_a_strangers_notebook_works_with_one_line_changed(load, loss):
    """As accurate as SGDClassifier within two standard errors of five folds, with every default."""
    features, labels = load(return_X_y=True)
    theirs = cross_val_score(
        make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss", random_state=0)), features, labels
    )
    ours = cross_val_score(make_pipeline(StandardScaler(), OneLayerClassifier(loss=loss)), features, labels)
    spread = np.std(ours - theirs, ddof=1) / np.sqrt(len(ours))
    assert ours.mean() > theirs.mean() - 2 * spread - 0.01


def test_fit_is_what_train_does():
    recipe = ml.Recipe(learning_rate=0.05, l2=0.01, batch_size=32, epochs=5, schedule="cosine")
    dataset = replace(DATA, X=X, test=None)
    run = ml.train(make_splits(dataset), recipe)
    ours = OneLayerClassifier(**{**recipe.to_dict(), "dtype": "auto"}).fit(X, Y)
    np.testing.assert_allclose(ours.network_.weights, run.network.weights, atol=1e-6)
    assert ours.history_["learning_rate"] == [row.learning_rate for row in run.history]
    assert ours.history_["train_loss"][-1] == pytest.approx(run.history[-1].train_loss, rel=1e-6)
    assert ours.history_["train_loss"][:-1] == [None] * 4


def test_every_field_of_a_recipe_is_a_parameter():
    assert set(ml.Recipe().to_dict()) <= set(OneLayerClassifier().get_params())


@pytest.mark.parametrize("loss", ["cross_entropy", "multiple_bce"])
@pytest.mark.parametrize("classes", [2, 3])
def test_scores_are_coef_and_intercept_and_probabilities_sum_to_one(loss, classes):
    y = np.minimum(Y, classes - 1)
    fitted = OneLayerClassifier(loss=loss, **QUICK).fit(X.astype(float), y)
    rows = 1 if classes == 2 else classes
    assert (fitted.coef_.shape, fitted.intercept_.shape) == ((rows, 12), (rows,))
    scores = X_TEST.astype(float) @ fitted.coef_.T + fitted.intercept_
    np.testing.assert_allclose(fitted.decision_function(X_TEST), scores if classes > 2 else scores[:, 0], atol=1e-9)
    p = fitted.predict_proba(X_TEST)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_array_equal(fitted.predict(X_TEST), fitted.classes_[p.argmax(axis=1)])
    np.testing.assert_allclose(np.exp(fitted.predict_log_proba(X_TEST)), p)


def test_two_classes_of_multiple_bce_are_one_sigmoid_and_reach_logistic_regressions_optimum():
    y, l2 = (Y == 1).astype(int), 0.05
    Z = StandardScaler().fit_transform(X)
    # Its cost is C * sum of losses + ||w||^2 / 2; ours is their mean + l2 ||w||^2.
    theirs = LogisticRegression(C=1 / (2 * l2 * len(y)), tol=1e-10, max_iter=5000).fit(Z, y)
    ours = OneLayerClassifier(loss="multiple_bce", l2=l2, batch_size=240, epochs=3000, standardize=False).fit(Z, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-4)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-4)


def test_several_labels_a_row():
    several = np.stack([Y == 0, Y != 2, np.ones(240)], axis=1).astype(int)
    fitted = OneLayerClassifier(loss="multiple_bce", epochs=40).fit(X, several)
    predicted = fitted.predict(X)
    assert predicted.shape == (240, 3)
    assert (predicted[:, 2] == 1).all()
    assert fitted.score(X, several) > 0.8
    assert fitted.predict_proba(X).shape == (240, 3)
    with pytest.raises(BadInput, match="several labels a row, which loss='cross_entropy' cannot learn"):
        OneLayerClassifier().fit(X, several)


@pytest.mark.parametrize("labels", [np.array(["ant", "bee", "cow"])[Y], Y == 1, Y * 10 - 5])
def test_labels_of_any_type_come_back(labels):
    fitted = OneLayerClassifier(**QUICK).fit(X, labels)
    assert set(fitted.predict(X_TEST)) <= set(labels.tolist())
    np.testing.assert_array_equal(fitted.classes_, np.unique(labels))


def test_names_of_features_are_kept_and_compared():
    frame = pd.DataFrame(X, columns=[f"f{i}" for i in range(12)])
    fitted = OneLayerClassifier(**QUICK).fit(frame, Y)
    assert fitted.feature_names_in_.tolist() == list(frame.columns)
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(frame.rename(columns={"f0": "g0"}))


def test_clone_pickle_and_calibration():
    fitted = OneLayerClassifier(**QUICK).fit(X, Y)
    assert not hasattr(clone(fitted), "network_")
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(X_TEST), fitted.predict_proba(X_TEST))
    # In float64, since scikit-learn 1.6 cannot calibrate float32 scores by float64 weights.
    calibrated = CalibratedClassifierCV(OneLayerClassifier(**QUICK), cv=3)
    calibrated.fit(X.astype(float), Y, sample_weight=np.arange(240) % 3)
    assert log_loss(Y_TEST, calibrated.predict_proba(X_TEST)) < log_loss(Y_TEST, np.full((120, 3), 1 / 3))


def test_early_stopping_goes_back_to_the_best_epoch():
    noisy = np.random.default_rng(0).permutation(Y)[:60]  # nothing to learn: validation gets worse soon
    parameters = {"learning_rate": 0.3, "batch_size": 10, "epochs": 60}
    stopped = OneLayerClassifier(early_stopping=True, patience=4, **parameters)
    stopped.fit(X[:60], noisy, X_val=X[60:120], y_val=Y[60:120])
    losses = stopped.history_["val_loss"]
    assert stopped.best_epoch_ == int(np.argmin(losses)) + 1
    assert len(losses) == stopped.n_iter_ == stopped.best_epoch_ + 4 < 60
    shorter = OneLayerClassifier(**{**parameters, "epochs": stopped.best_epoch_}).fit(X[:60], noisy)
    np.testing.assert_allclose(stopped.network_.weights, shorter.network_.weights, atol=1e-6)


def test_epochs_of_partial_fit_with_all_rows_are_fit():
    whole = OneLayerClassifier(**QUICK).fit(X, Y)
    parts = OneLayerClassifier(**QUICK)
    for _ in range(5):
        parts.partial_fit(X, Y, classes=[0, 1, 2])
    np.testing.assert_allclose(parts.network_.weights, whole.network_.weights, atol=2e-6)
    assert parts.n_iter_ == whole.n_iter_ == 5


def test_rows_that_come_later_change_the_scaler_and_not_what_the_network_says():
    fitted = OneLayerClassifier(**QUICK, dtype="float64").partial_fit(X[:30], Y[:30], classes=[0, 1, 2])
    before, mean = fitted.network_.compute_scores(X_TEST), fitted.network_.mean
    rescaled = fitted.network_.rescale(X.mean(axis=0, dtype=float), X.std(axis=0, dtype=float))
    np.testing.assert_allclose(rescaled.compute_scores(X_TEST), before, atol=1e-10)
    for start in range(30, 240, 30):
        fitted.partial_fit(X[start : start + 30], Y[start : start + 30])
    assert np.abs(fitted.network_.mean - mean).max() > 1
    np.testing.assert_allclose(fitted.network_.mean, X.mean(axis=0, dtype=float), rtol=1e-9)
    np.testing.assert_allclose(fitted.network_.std, X.std(axis=0, dtype=float), rtol=1e-9)
    assert fitted.score(X_TEST, Y_TEST) > 0.7


@pytest.mark.parametrize("first", [1, 2])
def test_a_stream_of_single_rows_learns_at_the_rate_that_they_bear(first, monkeypatch):
    monkeypatch.setattr("monolayer.sklearn.classifier.ENOUGH_ROWS", 50)
    rows = np.random.default_rng(0).standard_normal((80, 20))
    labels = (rows[:, 0] > 0).astype(int)
    stream = OneLayerClassifier().partial_fit(rows[:first], labels[:first], classes=[0, 1])
    rates = [stream.partial_fit(rows[i : i + 1], labels[i : i + 1]).learning_rate_ for i in range(first, 80)]
    fitted = OneLayerClassifier(batch_size=1, epochs=1).fit(rows, labels)
    assert 0.7 < rates[-1] / fitted.learning_rate_ < 1.4
    assert len(set(rates[-28:])) == 1 < len(set(rates[-40:]))  # it is settled
    assert stream.score(rows, labels) > 0.75


def test_a_stream_that_diverges_is_found_out():
    stream = OneLayerClassifier(learning_rate=1e6).partial_fit(X[:50], Y[:50], classes=[0, 1, 2])
    assert [finding.code for finding in stream.findings_] == ["ML001", "ML013"]
    calm = OneLayerClassifier().partial_fit(X[:50], Y[:50], classes=[0, 1, 2])
    assert [finding.code for finding in calm.findings_] == ["ML013"]


@pytest.mark.parametrize(("first", "then"), [("float64", "float32"), ("float32", "float64")])
def test_a_stream_keeps_the_arithmetic_of_its_first_rows(first, then):
    stream = OneLayerClassifier().partial_fit(X.astype(first), Y, classes=[0, 1, 2])
    assert stream.partial_fit(X.astype(then), Y).network_.weights.dtype == first
    assert stream.set_params(dtype=then).partial_fit(X, Y).network_.weights.dtype == then


def test_a_warm_start_goes_on():
    warm = OneLayerClassifier(**QUICK, warm_start=True).fit(X, Y)
    first = warm.network_
    warm.fit(X, Y)
    assert np.abs(warm.network_.weights - first.weights).max() > 0.01
    assert warm.history_["train_loss"][-1] < OneLayerClassifier(**QUICK).fit(X, Y).history_["train_loss"][-1]
    with pytest.raises(BadInput, match="to continue training, accepted are rows with"):
        warm.fit(X, Y + 1)


def test_rows_of_no_weight_leave_no_trace_and_a_common_factor_changes_nothing():
    weight = (np.arange(240) % 4 > 0).astype(float)
    wild_X, wild_y = X.copy(), Y.copy()
    wild_X[weight == 0] *= -7
    wild_y[weight == 0] = 0
    first = OneLayerClassifier(**QUICK).fit(X, Y, weight)
    second = OneLayerClassifier(**QUICK).fit(wild_X, wild_y, 3 * weight)
    assert first.network_.weights.tobytes() == second.network_.weights.tobytes()


def test_weights_that_shift_the_probabilities_are_told():
    rare = Y[:] * 0
    rare[:30] = 1
    outcomes = [
        OneLayerClassifier(**QUICK, class_weight=weight).fit(X, rare).findings_[-1].outcome
        for weight in (None, "balanced", {0: 1.0, 1: 1.05})
    ]
    assert outcomes == ["not applicable", "issue", "passed"]
    sampled = OneLayerClassifier(**QUICK).fit(X, rare, np.where(rare == 1, 5.0, 1.0))
    assert sampled.findings_[-1].outcome == "tip"


def test_metadata_is_routed():
    weight = (np.arange(240) % 4 > 0).astype(float)
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = OneLayerClassifier(**QUICK).set_fit_request(sample_weight=True, X_val=True, y_val=True)
        pipeline = make_pipeline(estimator)
        routed = {"sample_weight": weight, "X_val": X_TEST, "y_val": Y_TEST}
        assert pipeline.fit(X, Y, **routed)[-1].history_["val_loss"][0] is not None
        only = OneLayerClassifier(**QUICK).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        found = cross_validate(only, X, Y, params={"sample_weight": weight}, cv=3)
    assert len(found["test_score"]) == 3


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.uint8])
def test_features_stay_what_they_are(dtype, monkeypatch):
    """The very array is trained on: nothing of its size is made on the way."""
    seen = []
    original = validation.make_dataset
    monkeypatch.setattr(validation, "make_dataset", lambda rows, *rest: seen.append(rows) or original(rows, *rest))
    features = np.ascontiguousarray(DATA.X.astype(dtype))
    OneLayerClassifier(**QUICK).fit(features, Y).predict(features)
    assert np.shares_memory(seen[0], features)
    assert seen[0].dtype == dtype


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int16", ">f4"])
def test_small_numbers_become_float32(dtype, monkeypatch):
    seen = []
    original = validation.make_dataset
    monkeypatch.setattr(validation, "make_dataset", lambda rows, *rest: seen.append(rows) or original(rows, *rest))
    features = (X / 10 - 3).astype(dtype)
    fitted = OneLayerClassifier(**QUICK).fit(features, Y)
    assert seen[0].dtype == np.float32
    np.testing.assert_array_equal(seen[0], features)
    np.testing.assert_allclose(fitted.predict_proba(features), fitted.predict_proba(features.astype(float)), atol=1e-6)


WRONG = {
    "one class": ({}, (X, Y * 0), {}, r"y holds 1 class only"),
    "val without labels": ({}, (X, Y), {"X_val": X}, "y_val is missing"),
    "labels without val": ({}, (X, Y), {"y_val": Y}, "X_val is missing"),
    "unknown class": ({}, (X, Y), {"X_val": X, "y_val": Y + 1}, "y_val holds 3, which is not among the classes"),
    "class weight": ({"class_weight": "even"}, (X, Y), {}, "class_weight is 'even'; accepted are None, 'balanced'"),
    "unknown weight": ({"class_weight": {7: 1}}, (X, Y), {}, "class_weight names 7, which is not among the classes"),
    "patience": ({"early_stopping": True, "patience": 0}, (X, Y), {"X_val": X, "y_val": Y}, "patience is 0; accepted"),
    "no validation": ({"early_stopping": True}, (X, Y), {}, "early_stopping needs validation rows"),
    "rate": (
        {"learning_rate": "fast"},
        (X, Y),
        {},
        "learning_rate is 'fast'; accepted are a number above 0 and 'auto'",
    ),
    "flip": ({"flip": 0.5}, (X, Y), {}, "flip is 0.5, but the rows of data are not images"),
    "no image": ({"image_shape": 5}, (X, Y), {}, r"image_shape is 5; accepted are \(channels, height, width\)"),
    "no length": ({"image_shape": (1, 3, "4")}, (X, Y), {}, r"image_shape is \(1, 3, '4'\); accepted are"),
    "train_every": ({"train_every": -1}, (X, Y), {}, "train_every is -1; accepted is a whole number of 0 or above"),
    "weights": ({}, (X, Y), {"sample_weight": np.zeros(240)}, "(?i)sample.weights? .*(0 for every row|non-zero)"),
    "l2": ({"l2": -1}, (X, Y), {}, "l2 is -1.0; accepted is a number of 0 or above"),
    "nan": ({}, (np.where(X > 200, np.nan, X), Y), {}, "Input X contains NaN"),
    "lengths": ({}, (X, Y[:9]), {}, "inconsistent numbers of samples"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_said(name):
    parameters, rows, more, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        OneLayerClassifier(**parameters).fit(*rows, **more)


def test_partial_fit_asks_for_its_classes():
    with pytest.raises(BadInput, match="classes is missing: the first call of partial_fit"):
        OneLayerClassifier().partial_fit(X, Y)
    with pytest.raises(BadInput, match="class_weight='balanced' needs all rows at once"):
        OneLayerClassifier(class_weight="balanced").partial_fit(X, Y, classes=[0, 1, 2])
    fitted = OneLayerClassifier(**QUICK).partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(BadInput, match="accepted are those of the first call"):
        fitted.partial_fit(X, Y, classes=[0, 1])


@pytest.mark.parametrize(
    ("first", "then", "message"),
    [
        ("several", "one", "3 scores, and a label each"),
        ("one", "several", "3 scores, and several labels each"),
        ("several", "four", "4 scores, and several labels each"),
    ],
)
def test_a_stream_goes_on_with_labels_of_its_kind(first, then, message):
    given = {"one": Y, "several": np.eye(3, dtype=int)[Y], "four": np.eye(4, dtype=int)[Y]}
    classes = [0, 1, 2] if first == "one" else None
    fitted = OneLayerClassifier(loss="multiple_bce").partial_fit(X, given[first], classes=classes)
    with pytest.raises(BadInput, match=message):
        fitted.partial_fit(X, given[then])


def test_a_warm_start_refuses_other_features_and_another_number_of_scores():
    warm = OneLayerClassifier(**QUICK, warm_start=True).fit(X, Y > 0)
    with pytest.raises(BadInput, match="These rows have 2 features"):
        warm.fit(X[:, :2], Y > 0)
    with pytest.raises(BadInput, match="12 features, 1 scores"):
        warm.set_params(loss="multiple_bce").fit(X, Y > 0)


def test_other_rows_change_the_scaler_of_a_warm_start_and_not_what_was_learnt():
    warm = OneLayerClassifier(**QUICK, warm_start=True, dtype="float64").fit(X, Y)
    before = warm.decision_function(X)
    warm.set_params(learning_rate=1e-300).fit(3 * X + 1, Y)
    np.testing.assert_allclose(warm.decision_function(X), before, atol=1e-9)


@pytest.mark.parametrize("loss", ["cross_entropy", "multiple_bce"])
@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_are_the_scores_read_by_the_loss_also_where_they_vanish(loss, classes):
    fitted = OneLayerClassifier(loss=loss, **QUICK).fit(X, np.minimum(Y, classes - 1))
    scores, p = fitted.decision_function(X), fitted.predict_proba(X)
    if classes == 2:
        expected = np.stack([expit(-scores), expit(scores)], axis=1)
    elif loss == "cross_entropy":
        expected = softmax(scores, axis=1)
    else:
        expected = expit(scores) / expit(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(p, expected, rtol=1e-4)
    far = fitted.predict_log_proba(1000 * X)  # below what float32 holds, and their logarithms are not
    assert np.isfinite(far).all()
    assert far.min() < -200
    np.testing.assert_allclose(fitted.predict_proba(1000 * X).sum(axis=1), 1, rtol=1e-5)


def test_probabilities_follow_the_network_and_not_a_parameter_set_later():
    fitted = OneLayerClassifier(**QUICK).fit(X, Y)
    before = fitted.predict_proba(X)
    np.testing.assert_array_equal(fitted.set_params(loss="multiple_bce").predict_proba(X), before)


def test_softmax_reaches_the_optimum_of_logistic_regression():
    features, labels = load_iris(return_X_y=True)
    l2 = 0.01
    ours = OneLayerClassifier(l2=l2, batch_size=150, epochs=3000, init_std=0.0).fit(features, labels)
    Z = StandardScaler().fit_transform(features)
    theirs = LogisticRegression(C=1 / (2 * l2 * 150), tol=1e-10, max_iter=10_000).fit(Z, labels)
    np.testing.assert_allclose(ours.network_.weights, theirs.coef_, atol=1e-5)
    np.testing.assert_allclose(ours.predict_proba(features), theirs.predict_proba(Z), atol=1e-5)


@pytest.mark.parametrize("learning_rate", [0.05, "auto"])
def test_weighted_epochs_of_partial_fit_are_weighted_fit_and_go_on_after_it(learning_rate):
    weight = np.random.default_rng(0).gamma(1.0, size=240)
    params = {"learning_rate": learning_rate, "epochs": 5, "schedule": "step:2:0.3", "l2": 0.01, "dtype": "float64"}
    fitted = OneLayerClassifier(**params, class_weight={0: 2.0}).fit(X, Y, weight)
    stepped = OneLayerClassifier(**params, class_weight={0: 2.0})
    for _ in range(5):
        stepped.partial_fit(X, Y, classes=[0, 1, 2], sample_weight=weight)
    np.testing.assert_allclose(stepped.network_.weights, fitted.network_.weights, rtol=0, atol=1e-12)
    for one in (fitted, stepped):
        one.partial_fit(X, Y, sample_weight=weight)
    np.testing.assert_allclose(stepped.network_.weights, fitted.network_.weights, rtol=0, atol=1e-12)
    assert fitted.n_iter_ == fitted.best_epoch_ == 6


def test_whole_weights_are_rows_repeated_where_one_batch_holds_all():
    times = np.random.default_rng(0).integers(0, 4, 240)
    params = {"learning_rate": 0.1, "epochs": 20, "batch_size": 10_000, "dtype": "float64"}
    weighted = OneLayerClassifier(**params).fit(X, Y, times)
    repeated = OneLayerClassifier(**params).fit(np.repeat(X, times, axis=0), np.repeat(Y, times))
    np.testing.assert_allclose(weighted.network_.weights, repeated.network_.weights, rtol=0, atol=1e-11)


def test_random_state_draws_the_seed_and_none_leaves_it():
    def fit(**params):
        return OneLayerClassifier(**QUICK, **params).fit(X, Y).coef_

    np.testing.assert_array_equal(fit(random_state=5), fit(random_state=np.random.RandomState(5)))
    np.testing.assert_array_equal(fit(), fit(seed=42))
    assert not np.array_equal(fit(random_state=5), fit(random_state=6))


def test_a_rate_that_is_too_high_is_found_without_a_warning():
    overlapping, y = make_rows()
    high = OneLayerClassifier(learning_rate=1e6, train_every=1).fit(overlapping, y)
    assert [finding.code for finding in high.findings_ if finding.outcome == "issue"] == ["ML001"]
    lost = OneLayerClassifier(learning_rate=1e30, l2=1.0).fit(X, Y)
    assert lost.predict(X).shape == Y.shape
    assert np.isnan(lost.predict_proba(X)).any()
