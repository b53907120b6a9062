"""What users of scikit-learn do with an estimator: tables, pipelines, calibration, others' estimators, routing."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import BaggingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score, cross_validate
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from monolayer.network import OneLayer
from monolayer.sklearn import FusedSearchCV, OneLayerClassifier
from tests.sklearn.made import make_rows

INSECTS = np.array(["ant", "bee", "cow"])


def check_table(table, labels):
    X, _ = make_rows()
    names = list(table.columns)
    classifier = OneLayerClassifier(epochs=5).fit(table, labels, X_val=table, y_val=labels)
    assert classifier.feature_names_in_.tolist() == names
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        np.testing.assert_allclose(classifier.predict_proba(X), classifier.predict_proba(table), rtol=1e-12)
    with pytest.raises(ValueError, match="feature names should match"):
        classifier.predict(table[names[::-1]])
    search = FusedSearchCV(OneLayerClassifier(epochs=5), {"l2": [0.0, 1.0]}).fit(table, labels)
    assert search.feature_names_in_.tolist() == search.best_estimator_.feature_names_in_.tolist() == names
    assert search.n_features_in_ == 6
    assert search.score(table, labels) > 0.7
    stepped = OneLayerClassifier().partial_fit(table, labels, classes=INSECTS).partial_fit(table, labels)
    assert stepped.feature_names_in_.tolist() == names


def test_tables_of_pandas_keep_their_names():
    X, y = make_rows()
    table = pd.DataFrame(X, columns=[f"feature {i}" for i in range(6)])
    check_table(table, pd.Series(INSECTS[y]))
    check_table(table, pd.Series(INSECTS[y], dtype="category"))


def test_tables_of_polars_keep_their_names():
    polars = pytest.importorskip("polars")
    X, y = make_rows()
    table = polars.DataFrame(dict(zip([f"feature {i}" for i in range(6)], X.T, strict=True)))
    if not hasattr(StandardScaler().fit(table), "feature_names_in_"):
        pytest.skip("this scikit-learn reads no names off tables of this polars")
    check_table(table, polars.Series(INSECTS[y]))


def test_a_pipelines_tables_pass_through():
    X, y = make_rows()
    pipeline = make_pipeline(StandardScaler(), OneLayerClassifier(epochs=5)).set_output(transform="pandas").fit(X, y)
    assert pipeline[-1].feature_names_in_.tolist() == [f"x{i}" for i in range(6)]
    assert pipeline.predict_proba(X).shape == (120, 3)


def test_what_was_pickled_goes_on():
    X, y = make_rows()
    classifier = OneLayerClassifier(l2=0.1, class_weight={0: 2.0}, epochs=3).fit(X, y)
    again = pickle.loads(pickle.dumps(classifier))
    for one in (classifier, again):
        one.partial_fit(X, y)
    np.testing.assert_array_equal(again.coef_, classifier.coef_)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("loss", ["cross_entropy", "multiple_bce", "hinge", "smoothed_cross_entropy:0.1"])
def test_the_network_of_an_estimator_is_saved_like_any_other_and_predicts_the_same(tmp_path, loss, n_classes):
    X, y = make_rows()
    X, y = X[y < n_classes], y[y < n_classes]
    classifier = OneLayerClassifier(loss=loss, epochs=2).fit(X, INSECTS[y])
    classifier.network_.save(tmp_path / "network.safetensors")
    network = OneLayer.load(tmp_path / "network.safetensors")
    assert network.class_names == ("ant", "bee", "cow")[:n_classes]
    np.testing.assert_array_equal(classifier.classes_[network.predict(X)], classifier.predict(X))
    if n_classes == 2 and loss != "hinge":
        np.testing.assert_allclose(network.compute_probabilities(X), classifier.predict_proba(X), atol=1e-6)
    again = classifier.partial_fit(X, INSECTS[y]).network_
    assert again.weights.shape == network.weights.shape


def test_names_of_columns_go_from_a_frame_into_the_network_and_a_table(tmp_path, command):
    X, y = make_rows()
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])
    for classifier in (
        OneLayerClassifier(epochs=2).fit(frame, y),
        OneLayerClassifier().partial_fit(frame, y, [0, 1, 2]),
    ):
        classifier.network_.save(tmp_path / "network.safetensors")
        frame[frame.columns[::-1]].to_csv(tmp_path / "reversed.csv", index=False)
        result = command("predict", tmp_path / "network.safetensors", tmp_path / "reversed.csv", "--json")
        found = [row["class"] for row in result.json["predictions"]]
        assert found == classifier.predict(frame).astype(str).tolist()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", ["cross_entropy", "multiple_bce"])
def test_calibration(weighted, loss):
    X, y = load_breast_cancer(return_X_y=True)
    weights = np.random.default_rng(0).integers(0, 3, len(X)).astype(float) if weighted else None
    calibrated = CalibratedClassifierCV(OneLayerClassifier(loss=loss, epochs=5), cv=3).fit(X, y, sample_weight=weights)
    p = calibrated.predict_proba(X)
    assert p.shape == (len(X), 2)
    assert (p.argmax(axis=1) == y).mean() > 0.95


def test_calibration_of_a_fitted_estimator():
    X, y = make_rows(300)
    fitted = OneLayerClassifier(epochs=5).fit(X[:150], y[:150])
    before = fitted.coef_
    calibrated = CalibratedClassifierCV(FrozenEstimator(fitted), method="isotonic").fit(X[150:], y[150:])
    assert calibrated.predict_proba(X).shape == (300, 3)
    np.testing.assert_array_equal(fitted.coef_, before)


def test_other_peoples_estimators_take_it_in():
    X, y = make_rows()
    assert cross_val_score(OneLayerClassifier(epochs=10), X, y, scoring="neg_log_loss").mean() > -0.9
    bag = BaggingClassifier(OneLayerClassifier(epochs=5), n_estimators=3, random_state=0).fit(X, y)
    assert len({estimator.coef_.tobytes() for estimator in bag.estimators_}) == 3
    assert OneVsRestClassifier(OneLayerClassifier(epochs=5)).fit(X, y).score(X, y) > 0.7


def test_threads_of_a_search_change_nothing():
    X, y = make_rows()
    grids = [GridSearchCV(OneLayerClassifier(epochs=5), {"l2": [0.0, 0.1]}, cv=4, n_jobs=jobs) for jobs in (1, 2)]
    with joblib.parallel_config(backend="threading"):
        scores = [grid.fit(X, y).cv_results_["mean_test_score"] for grid in grids]
    np.testing.assert_array_equal(*scores)


def test_metadata_is_routed_through_a_pipeline_and_folds_of_groups():
    X, y = make_rows()
    weights, groups = np.random.default_rng(0).integers(0, 2, len(X)).astype(float), np.arange(len(X)) % 7
    with sklearn.config_context(enable_metadata_routing=True):
        asked = OneLayerClassifier(epochs=5).set_fit_request(sample_weight=True, X_val=True, y_val=True)
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), asked)
        pipeline.fit(X, y, sample_weight=weights, X_val=X[:20], y_val=y[:20])
        params = {"sample_weight": weights, "groups": groups}
        asked.set_score_request(sample_weight=True)
        found = cross_validate(asked, X, y, cv=GroupKFold(3), params=params, return_estimator=True)
        with pytest.raises(ValueError, match="sample_weight"):  # neither asked for nor refused
            cross_validate(OneLayerClassifier(), X, y, params={"sample_weight": weights}, error_score="raise")
    expected = OneLayerClassifier(epochs=5).fit(StandardScaler().fit_transform(X), y, weights)
    np.testing.assert_allclose(pipeline[-1].network_.weights, expected.network_.weights, atol=1e-12)
    assert len(pipeline[-1].history_["val_loss"]) == 5
    for (train, _), estimator in zip(GroupKFold(3).split(X, y, groups), found["estimator"], strict=True):
        by_hand = OneLayerClassifier(epochs=5).fit(X[train], y[train], weights[train])
        np.testing.assert_array_equal(estimator.coef_, by_hand.coef_)


@pytest.mark.parametrize("search", [FusedSearchCV, GridSearchCV])
def test_metadata_is_routed_through_searches_and_searches_in_folds(search):
    X, y = make_rows()
    weights, groups = np.random.default_rng(0).integers(0, 3, len(X)).astype(float), np.arange(len(X)) % 7
    params = {"batch_size": len(X), "learning_rate": 0.1, "epochs": 5}
    routed = {"sample_weight": weights, "groups": groups}
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = OneLayerClassifier(**params)
        estimator.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        tuned = search(estimator, {"l2": [0.0, 0.1]}, cv=GroupKFold(3))
        nested = cross_validate(tuned, X, y, cv=GroupKFold(2), params=routed, error_score="raise")
        tuned.fit(X, y, **routed)
    scores = [
        OneLayerClassifier(**params).fit(X[train], y[train], weights[train]).score(X[test], y[test], weights[test])
        for train, test in GroupKFold(3).split(X, y, groups)
    ]
    np.testing.assert_allclose([tuned.cv_results_[f"split{i}_test_score"][0] for i in range(3)], scores)
    assert nested["test_score"].shape == (2,)
