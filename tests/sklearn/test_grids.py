"""FusedSearchCV held to GridSearchCV, column by column, and each member to a fit of its own."""

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    PredefinedSplit,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedKFold,
)
from sklearn.pipeline import make_pipeline

from monolayer.errors import BadInput
from monolayer.recipe.recipe import Recipe
from monolayer.sklearn import FusedSearchCV, OneLayerClassifier
from tests.sklearn.made import make_rows, make_several_labels

N = 90
# One batch of all rows: here what GridSearchCV trains and what FusedSearchCV trains is the same to rounding.
WHOLE = OneLayerClassifier(batch_size=N, epochs=6, learning_rate=0.2)
SMALL = {"l2": [0.0, 0.1]}


def search_both(estimator, grid, X, y, fit_params=None, **params):
    params = {"scoring": "neg_log_loss", "cv": 3, **params}
    kinds = (FusedSearchCV, GridSearchCV)
    return [kind(clone(estimator), grid, **params).fit(X, y, **(fit_params or {})) for kind in kinds]


def name_fitted(search):
    return {name for name in vars(search) if name.endswith("_") and not name.startswith("_")}


def assert_same_column(name, found, expected):
    assert type(found) is type(expected), name
    if name == "params":
        assert [set(one) for one in found] == [set(one) for one in expected]
        return
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape), name
    if name.startswith("param_"):
        np.testing.assert_array_equal(np.ma.getmaskarray(found), np.ma.getmaskarray(expected))
        assert list(map(repr, found.compressed())) == list(map(repr, expected.compressed()))
    elif name.endswith("_time"):
        assert (found >= 0).all()
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def assert_same_search(fused, grid):
    """All that GridSearchCV has, to rounding."""
    assert list(fused.cv_results_) == list(grid.cv_results_)
    for name, expected in grid.cv_results_.items():
        assert_same_column(name, fused.cv_results_[name], expected)
    assert name_fitted(fused) == name_fitted(grid)
    for name in name_fitted(grid) & {"best_index_", "n_splits_", "multimetric_"}:
        assert getattr(fused, name) == getattr(grid, name), name
    if hasattr(grid, "best_score_"):
        np.testing.assert_allclose(fused.best_score_, grid.best_score_, rtol=1e-9)
    if hasattr(grid, "best_estimator_"):
        assert type(fused.best_estimator_) is type(grid.best_estimator_)
        np.testing.assert_allclose(fused.best_estimator_.coef_, grid.best_estimator_.coef_, rtol=1e-12)


@pytest.mark.parametrize(
    "grid",
    [
        {"loss": ["cross_entropy", "multiple_bce"], "l2": [0.0, 0.1, 1.0]},
        {"learning_rate": ["auto", 0.01, 0.3], "standardize": [True, False]},
        {"schedule": ["constant", "cosine", "step:2:0.5", "exponential:0.9"], "epochs": [2, 5]},
        {"class_weight": [None, "balanced", {0: 2.0}], "init_std": [0.0, 1.0]},
        {"seed": [0, 1], "random_state": [None, 3], "dtype": ["float64", "auto"]},
        [{"l2": [0.0, 0.1]}, {"learning_rate": [0.1, "auto"], "loss": ["multiple_bce"]}, {}],
    ],
    ids=repr,
)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_one_batch_of_all_rows_is_grid_search(grid, n_classes):
    X, y = make_rows(N, n_classes=n_classes)
    assert_same_search(*search_both(WHOLE, grid, X, y))


def test_generators_may_be_candidates():
    X, y = make_rows(N)

    def search(kind):
        states = [np.random.RandomState(0), np.random.RandomState(1)]
        found = kind(WHOLE, {"random_state": states}, cv=3, scoring="neg_log_loss").fit(X, y)
        return [found.cv_results_[f"split{i}_test_score"] for i in range(3)]

    np.testing.assert_allclose(search(FusedSearchCV), search(GridSearchCV), rtol=1e-9)


def make_cv():
    rng, rows = np.random.default_rng(0), np.arange(N)
    return {
        "number": 4,
        "default": None,
        "shuffled": StratifiedKFold(3, shuffle=True, random_state=0),
        "few rows": ShuffleSplit(3, train_size=0.3, test_size=0.2, random_state=0),
        "repeated": RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=0),
        "predefined": PredefinedSplit(np.arange(N) % 4 - 1),
        "groups": GroupKFold(3),
        "lists": [(list(range(0, N, 2)), list(range(1, N, 2)))],
        "masks": [(rows % 3 != fold, rows % 3 == fold) for fold in range(3)],
        "from the end": [(np.arange(-60, 0), np.arange(30))],
        "resampled": [(rng.integers(0, N, N), rng.integers(0, N, 40)) for _ in range(3)],
        "twice the same": [(rows[:60], rows[60:]), (rows[:60], rows[60:75])],
        "all rows": [(rows, rows), (rows[::-1], rows)],
    }


@pytest.mark.parametrize("kind", make_cv())
def test_folds_of_every_kind(kind):
    X, y = make_rows(N)
    fit_params = {"groups": np.arange(N) % 7} if kind == "groups" else {}
    estimator = clone(WHOLE).set_params(learning_rate="auto", batch_size=10 * N)
    assert_same_search(*search_both(estimator, SMALL, X, y, fit_params, cv=make_cv()[kind]))


def test_folds_may_come_from_a_generator():
    X, y = make_rows(N)
    fused = FusedSearchCV(WHOLE, SMALL, cv=KFold(3).split(X)).fit(X, y)
    assert_same_search(fused, GridSearchCV(WHOLE, SMALL, cv=KFold(3).split(X)).fit(X, y))


def score_twice(estimator, numbers, y):
    p = estimator.predict_proba(numbers)
    return {"right": (p.argmax(axis=1) == y).mean(), "sure": p.max(axis=1).mean()}


@pytest.mark.parametrize(
    "params",
    [
        {"scoring": None},
        {"scoring": "f1_macro", "return_train_score": True},
        {"scoring": "roc_auc_ovr"},
        {"scoring": {"a": "accuracy", "b": "balanced_accuracy"}, "refit": False, "return_train_score": True},
        {"scoring": score_twice, "refit": "sure"},
        {"scoring": ["accuracy", "neg_log_loss"], "refit": lambda results: 1},
    ],
    ids=["default", "train scores", "probabilities", "several, no refit", "a function of several", "own choice"],
)
def test_scores_of_every_kind(params):
    X, y = make_rows(N)
    assert_same_search(*search_both(WHOLE, {"l2": [0.0, 0.05, 1.0]}, X, y, **params))


def test_sample_weights_are_for_fits_and_scores():
    X, y = make_rows(N)
    weights = np.random.default_rng(0).gamma(1.0, size=N)
    assert_same_search(*search_both(WHOLE, SMALL, X, y, {"sample_weight": weights}))


def test_several_labels_a_row():
    X, Y = make_several_labels(N)
    estimator = clone(WHOLE).set_params(loss="multiple_bce")
    assert_same_search(*search_both(estimator, SMALL, X, Y, scoring="f1_micro", cv=KFold(3)))


def test_a_default_number_of_jobs_changes_nothing():
    X, y = make_rows(N)
    here = FusedSearchCV(WHOLE, SMALL).fit(X, y)
    with joblib.parallel_config(backend="threading", n_jobs=2):
        there = FusedSearchCV(WHOLE, SMALL).fit(X, y)
    np.testing.assert_array_equal(there.cv_results_["mean_test_score"], here.cv_results_["mean_test_score"])


class Kept:
    """A scorer that keeps what it is handed."""

    def __init__(self):
        self.estimators, self.rows = [], []

    def __call__(self, estimator, numbers, y, sample_weight=None):
        self.estimators.append(estimator)
        self.rows.append(numbers)
        return 0.0


MEMBERS = [
    {"batch_size": [7, 30], "seed": [0, 1], "epochs": [1, 3], "l2": [0.0, 0.1]},
    {"loss": ["cross_entropy", "multiple_bce"], "learning_rate": ["auto", 0.05], "batch_size": [16]},
    {"flip": [0.0, 0.5], "image_shape": [(1, 2, 3), [2, 1, 3]], "schedule": ["step:1:0.5"]},
    {"class_weight": [None, "balanced"], "standardize": [True, False], "dtype": ["float32", "float64"]},
]


@pytest.mark.parametrize("grid", MEMBERS, ids=" ".join)
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_each_member_is_a_fit_with_the_other_rows_at_weight_0(grid, n_classes, weighted):
    X, y = make_rows(N, n_classes=n_classes)
    weights = np.random.default_rng(0).integers(0, 3, N).astype(float) if weighted else np.ones(N)
    kept, splits = Kept(), list(StratifiedKFold(3).split(X, y))
    params = {"learning_rate": 0.05} if "standardize" in grid else {}  # float32 of features as they come needs it low
    search = FusedSearchCV(OneLayerClassifier(epochs=2, **params), grid, scoring=kept, cv=splits, refit=False)
    search.fit(X / 30, y, **({"sample_weight": weights} if weighted else {}))
    assert len(kept.estimators) == 3 * len(search.cv_results_["params"])
    for place, (member, numbers) in enumerate(zip(kept.estimators, kept.rows, strict=True)):
        train, test = splits[place % 3]
        np.testing.assert_array_equal(numbers, test[:, None])
        recipe = Recipe.from_json(member.network_.metadata["recipe"])
        assert recipe.batch_size == {7: 11, 16: 24, 30: 45, 100: N}[member.batch_size]  # a fold has two thirds of it
        alone = OneLayerClassifier(**{**member.get_params(), "batch_size": recipe.batch_size})
        alone.fit(X / 30, y, weights * np.isin(np.arange(N), train))
        tolerance = 2e-5 if alone.network_.weights.dtype == np.float32 else 1e-11
        np.testing.assert_allclose(member.network_.weights, alone.network_.weights, rtol=0, atol=tolerance)
        np.testing.assert_allclose(member.network_.mean, alone.network_.mean, rtol=1e-12)
        np.testing.assert_allclose(member.learning_rate_, alone.learning_rate_, rtol=1e-9)
        assert member.n_iter_ == alone.n_iter_
        assert member.findings_[-1].outcome == alone.findings_[-1].outcome


def test_a_label_that_only_a_left_out_row_has_is_none():
    X, y = make_rows(N)
    train, test = np.arange(60), np.arange(60, N)
    X[test], y[test] = 1e6, 99
    kept = Kept()
    FusedSearchCV(OneLayerClassifier(epochs=1), SMALL, cv=[(train, test)], scoring=kept, refit=False).fit(X, y)
    expected = OneLayerClassifier(epochs=1).fit(X, y, np.arange(N) < 60)
    np.testing.assert_allclose(kept.estimators[0].coef_, expected.coef_, atol=1e-12)
    assert kept.estimators[0].classes_.tolist() == [0, 1, 2]


def test_many_members_take_several_banks(monkeypatch):
    X, y = make_rows(N)
    grid = {"l2": [0.0, 0.01, 0.1], "learning_rate": [0.01, 0.1], "loss": ["cross_entropy", "multiple_bce"]}
    expected = FusedSearchCV(WHOLE, grid, cv=3, scoring="neg_log_loss").fit(X, y).cv_results_["mean_test_score"]
    for most, few in [(2, 0), (2, 10**6), (10**6, 0)]:
        monkeypatch.setattr("monolayer.sklearn.search.count_max_members", lambda recipe, K, most=most: most)
        monkeypatch.setattr("monolayer.sklearn.search.MIN_ROWS_OF_WEIGHTS", few)
        found = FusedSearchCV(WHOLE, grid, cv=3, scoring="neg_log_loss").fit(X, y).cv_results_["mean_test_score"]
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_candidates_that_cannot_be_trained_score_as_in_grid_search():
    X, y = make_rows(N)
    found = []
    for kind in (FusedSearchCV, GridSearchCV):
        with pytest.warns(FitFailedWarning, match=r"l2 is -1\.0"), pytest.warns(UserWarning, match="non-finite"):
            found.append(kind(WHOLE, {"l2": [0.0, -1.0]}, cv=3, scoring="neg_log_loss").fit(X, y))
    assert_same_search(*found)
    with pytest.warns(FitFailedWarning):
        low = FusedSearchCV(WHOLE, {"l2": [0.0, -1.0]}, cv=3, error_score=-9.0).fit(X, y)
    assert low.cv_results_["mean_test_score"][1] == -9
    with pytest.raises(ValueError, match=r"All the 3 fits failed(.|\n)*l2 is -1\.0"):
        FusedSearchCV(WHOLE, {"l2": [-1.0]}, cv=3).fit(X, y)


@pytest.mark.parametrize(
    "grid",
    [
        {"image_shape": [None, 5]},
        {"loss": ["cross_entropy", ["a"]]},
        {"train_every": [0, -1]},
        {"shuffle": ["full", 3]},
    ],
    ids=" ".join,
)
def test_whatever_a_candidate_raises_is_an_error_score(grid):
    X, y = make_rows(N)
    for kind in (FusedSearchCV, GridSearchCV):
        with pytest.warns(FitFailedWarning), pytest.warns(UserWarning, match="non-finite"):
            scores = kind(WHOLE, grid, cv=3).fit(X, y).cv_results_["mean_test_score"]
        assert np.isfinite(scores).tolist() == [True, False]


def test_a_fold_of_one_class_fails_as_in_a_grid_search():
    X, y = make_rows(N)
    y = (y == 0).astype(int)
    groups = np.where(y == 1, 0, np.arange(N) % 2 + 1)  # all rows of class 1 are of one group
    for kind in (FusedSearchCV, GridSearchCV):
        with pytest.warns(FitFailedWarning, match="1 class only"), pytest.warns(UserWarning, match="non-finite"):
            results = kind(WHOLE, SMALL, cv=GroupKFold(3), refit=False).fit(X, y, groups=groups).cv_results_
        failed = [np.isnan(results[f"split{fold}_test_score"]).all() for fold in range(3)]
        assert sum(failed) == 1


def test_a_fold_without_a_weight_fails_alone():
    X, y = make_rows(N)
    weights = (np.arange(N) < 45).astype(float)
    cv = [(np.arange(60), np.arange(30)), (np.arange(45, N), np.arange(45))]
    search = FusedSearchCV(WHOLE, SMALL, cv=cv, refit=False)
    with (
        pytest.warns(FitFailedWarning, match="no training row whose sample_weight is above 0"),
        pytest.warns(UserWarning, match="non-finite"),
    ):
        search.fit(X, y, sample_weight=weights)
    assert np.isfinite(search.cv_results_["split0_test_score"]).all()
    assert np.isnan(search.cv_results_["split1_test_score"]).all()


def test_a_member_that_diverges_scores_what_it_says():
    X, y = make_rows(N)
    estimator = OneLayerClassifier(epochs=5, l2=1.0, batch_size=10)
    search = FusedSearchCV(estimator, {"learning_rate": [0.1, 1e200]}, cv=3).fit(X, y)
    assert search.best_params_ == {"learning_rate": 0.1}
    assert search.cv_results_["mean_test_score"][1] < 0.5


def test_verbose_says_what_grid_search_says(capsys):
    X, y = make_rows(N)
    FusedSearchCV(WHOLE, SMALL, cv=3, verbose=1).fit(X, y)
    assert capsys.readouterr().out == "Fitting 3 folds for each of 2 candidates, totalling 6 fits\n"


def test_a_subclass_is_searched_as_itself():
    class Mine(OneLayerClassifier):
        def predict(self, X):
            return np.zeros(len(X), int)

    X, y = make_rows(N)
    search = FusedSearchCV(Mine(epochs=2), SMALL, cv=3).fit(X, y)
    assert type(search.best_estimator_) is Mine
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], (y == 0).mean(), atol=0.02)


@pytest.mark.parametrize(
    ("estimator", "grid", "params", "error", "message"),
    [
        (make_pipeline(OneLayerClassifier()), {}, {}, BadInput, "estimator is a Pipeline"),
        (OneLayerClassifier(), {"nonsense": [1]}, {}, ValueError, "Invalid parameter 'nonsense'"),
        (OneLayerClassifier(), {"l2": 0.1}, {}, TypeError, "Parameter grid for parameter 'l2'"),
        (OneLayerClassifier(), SMALL, {"scoring": "nonsense"}, ValueError, "The 'scoring' parameter of FusedSearchCV"),
        (OneLayerClassifier(), SMALL, {"scoring": ["accuracy", "f1"]}, ValueError, "multi-metric scoring"),
        (OneLayerClassifier(), SMALL, {"cv": "three"}, ValueError, "The 'cv' parameter of FusedSearchCV"),
        (OneLayerClassifier(), SMALL, {"cv": []}, ValueError, "No fits were performed|[Nn]o folds|at least one"),
        (OneLayerClassifier(flip=0.5), SMALL, {"error_score": "raise"}, BadInput, r"flip is 0\.5, but the rows"),
    ],
)
def test_what_is_wrong_is_said_before_anything_trains(monkeypatch, estimator, grid, params, error, message):
    def refuse(jobs):
        assert not jobs

    monkeypatch.setattr("monolayer.sklearn.search.run_jobs", refuse)
    X, y = make_rows(N)
    with pytest.raises(error, match=message):
        FusedSearchCV(estimator, grid, **params).fit(X, y)


def test_rows_that_are_refused():
    X, y = make_rows(N)
    search = FusedSearchCV(WHOLE, SMALL, error_score="raise")
    with pytest.raises(ValueError, match="Input X contains NaN"):
        search.fit(np.where(X > 40, np.nan, X), y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        search.fit(X, y[:-1])
    with pytest.raises(BadInput, match="y holds 1 class only"):
        search.fit(X, np.zeros(N, int))
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_weight`"):
        search.fit(X, y, sample_weight=-np.ones(N))
