"""FusedSearchCV beside GridSearchCV, and each member beside the estimator that is fitted alone."""

import pickle

import numpy as np
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, ShuffleSplit, StratifiedKFold

from monolayer.errors import BadInput
from monolayer.sklearn import FusedSearchCV, OneLayerClassifier, search
from monolayer.sklearn.problem import scale_batch_size
from monolayer.sklearn.search import Member
from tests.made import make_dataset

DATA = make_dataset(150, 12, 3)
X, Y = DATA.X.astype(np.float64), DATA.y
GRID = {"l2": [0.0, 0.05], "learning_rate": [0.01, 0.1]}
WHOLE = OneLayerClassifier(epochs=4, batch_size=500)  # one batch holds all rows


def train_members(estimator, grid, cv, y=Y, **fit_params):
    """What each member of a search has learnt, by numbers of candidate and fold."""
    kept = []
    original = search.FusedSearchCV._train

    def spy(self, *rest):
        kept.extend(original(self, *rest))
        return kept

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search.FusedSearchCV, "_train", spy)
        FusedSearchCV(estimator, grid, cv=cv, refit=False).fit(X, y, **fit_params)
    return {one.index: one for one in kept if isinstance(one, Member)}


SEARCHES = {
    "plain": (WHOLE, GRID, {}),
    "two losses": (WHOLE, {"loss": ["cross_entropy", "multiple_bce"], "learning_rate": [0.1, 0.5]}, {}),
    "auto": (WHOLE.__class__(epochs=4, batch_size=500), {"l2": [0.0, 1.0], "standardize": [True, False]}, {}),
    "weights": (WHOLE, {"class_weight": [None, "balanced", {0: 2.0}], "learning_rate": [0.1]}, {}),
    "schedules": (WHOLE, [{"schedule": ["cosine", "step:1:0.5"]}, {"epochs": [1, 3], "seed": [1, 2]}], {}),
    "several scores": (WHOLE, GRID, {"scoring": ["accuracy", "neg_log_loss"], "refit": "neg_log_loss"}),
    "train scores": (WHOLE, GRID, {"return_train_score": True}),
    "no refit": (WHOLE, GRID, {"refit": False}),
    "own choice": (WHOLE, GRID, {"refit": lambda results: 2}),
    "groups": (WHOLE, GRID, {"cv": GroupKFold(3)}),
    "shuffles": (WHOLE, GRID, {"cv": ShuffleSplit(3, test_size=0.3, random_state=0)}),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_where_a_batch_holds_all_rows_it_finds_what_grid_search_finds(name):
    estimator, grid, options = SEARCHES[name]
    options = {"cv": 3, **options}
    fit_params = {"groups": np.arange(150) // 5} if name == "groups" else {}
    ours = FusedSearchCV(estimator, grid, **options).fit(X, Y, **fit_params)
    theirs = GridSearchCV(estimator, grid, **options).fit(X, Y, **fit_params)
    assert ours.cv_results_.keys() == theirs.cv_results_.keys()
    assert {n for n in vars(theirs) if n.endswith("_")} == {n for n in vars(ours) if n.endswith("_")}
    for key, values in theirs.cv_results_.items():
        if "score" in key and "time" not in key:
            np.testing.assert_allclose(ours.cv_results_[key], values, atol=1e-8, err_msg=key)
        elif key.startswith("param"):
            assert list(ours.cv_results_[key]) == list(values)
    if options.get("refit", True):
        assert ours.best_params_ == theirs.best_params_
        assert type(ours.best_estimator_) is OneLayerClassifier
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X))
    assert (np.asarray(ours.cv_results_["mean_fit_time"]) > 0).all()


@pytest.mark.parametrize("batch_size", [1, 16, 64])
@pytest.mark.parametrize("few_rows", [1, 10_000])
def test_each_member_is_the_estimator_fitted_with_the_fold_as_its_weights(batch_size, few_rows, monkeypatch):
    """In a bank of its fold's members alone, and beside those of other folds."""
    monkeypatch.setattr("monolayer.sklearn.search.MIN_ROWS_OF_WEIGHTS", few_rows)
    estimator = OneLayerClassifier(epochs=2, batch_size=batch_size)
    grid = {"l2": [0.0, 0.05], "learning_rate": [0.01, "auto"], "seed": [1, 2]}
    folds = list(StratifiedKFold(3).split(X, Y))
    weight = np.linspace(0.5, 2, 150)
    learnt = train_members(estimator, grid, folds, sample_weight=weight)
    assert len(learnt) == 8 * 3
    for (_, split), one in learnt.items():
        mask = np.zeros(150)
        mask[folds[split][0]] = weight[folds[split][0]]
        fields = one.recipe.to_dict()
        assert fields["batch_size"] == {1: 1, 16: 24, 64: 96}[batch_size]  # of which a fold has two thirds
        varied = ("l2", "learning_rate", "seed", "batch_size")
        alone = clone(estimator).set_params(**{name: fields[name] for name in varied})
        alone.fit(X, Y, sample_weight=mask)
        np.testing.assert_allclose(one.network.weights, alone.network_.weights, atol=1e-10)
        np.testing.assert_allclose(one.network.std, alone.network_.std, rtol=1e-9)


@pytest.mark.parametrize(("n_folds", "batch_size"), [(2, 10), (2, 64), (5, 4), (5, 20), (3, 1), (2, 1)])
def test_scores_are_those_of_grid_search_as_of_another_order_of_the_rows(n_folds, batch_size):
    """A fold makes as many steps an epoch; with as many as all rows make, these losses are up to 0.3 lower."""
    features, labels = load_digits(return_X_y=True)
    features, labels, cv = features[:500], labels[:500], KFold(n_folds)
    estimator = OneLayerClassifier(epochs=4, learning_rate=0.002 * batch_size, batch_size=batch_size)
    losses = np.array(
        [
            kind(estimator, {"seed": [0, 1, 2]}, cv=cv, scoring="neg_log_loss", refit=False)
            .fit(features, labels)
            .cv_results_["mean_test_score"]
            for kind in (FusedSearchCV, GridSearchCV)
        ]
    )
    np.testing.assert_allclose(*losses.mean(axis=1), atol=0.01)


def test_folds_of_unlike_sizes_share_a_batch_size_by_their_mean():
    folds = [(np.arange(30), np.arange(100, 150)), (np.arange(60), np.arange(100, 150))]
    learnt = train_members(OneLayerClassifier(epochs=1, batch_size=10), {"l2": [0.0]}, folds)
    assert [one.recipe.batch_size for one in learnt.values()] == [33, 33]


@given(batch_size=st.integers(1, 50), n_folds=st.integers(2, 10))
def test_a_fold_makes_as_many_steps_as_its_rows_alone(batch_size, n_folds):
    n, share = 5000, 1 - 1 / n_folds
    size = scale_batch_size(batch_size, share)
    has = np.random.default_rng(0).random(n) < share
    steps = sum(has[start : start + size].any() for start in range(0, n, size))
    allowed = (1 / 20 if batch_size >= 10 else 1 / 6) + 0.03  # 0.03: of how rows happen to fall, and the last batch
    assert abs(steps / (n * share / batch_size) - 1) <= allowed
    assert scale_batch_size(batch_size, 1.0) == batch_size


def test_held_out_rows_have_no_influence_on_a_fold():
    folds = list(StratifiedKFold(3).split(X, Y))
    before = train_members(OneLayerClassifier(epochs=2), GRID, folds)
    held = folds[1][1]
    X[held] += 500
    labels = Y.copy()
    labels[held] = np.roll(labels[held], 1)
    try:
        after = train_members(OneLayerClassifier(epochs=2), GRID, folds, labels)
    finally:
        X[held] -= 500
    for place, one in before.items():
        difference = np.abs(one.network.weights - after[place].network.weights).max()
        assert (difference < 1e-9) == (place[1] == 1)


def test_a_fold_without_a_class_still_counts_it():
    folds = [(np.flatnonzero(Y != 2), np.flatnonzero(Y == 2)), (np.arange(100), np.arange(100, 150))]
    found = FusedSearchCV(OneLayerClassifier(epochs=20), GRID, cv=folds).fit(X, Y)
    assert found.classes_.tolist() == [0, 1, 2]
    assert (found.cv_results_["split0_test_score"] < 0.2).all()
    folds[0] = (np.flatnonzero(Y[:100] != 2), np.arange(100, 150))
    losses = FusedSearchCV(WHOLE, GRID, cv=folds, scoring="neg_log_loss", refit=False).fit(X, Y).cv_results_
    assert np.isfinite(losses["mean_test_score"]).all()
    with pytest.warns(UserWarning, match="Scoring failed"), pytest.warns(UserWarning, match="non-finite"):
        theirs = GridSearchCV(WHOLE, GRID, cv=folds, scoring="neg_log_loss", refit=False).fit(X, Y).cv_results_
    assert np.isnan(theirs["split0_test_score"]).all()


def test_rows_that_a_fold_has_twice_weigh_twice():
    rng = np.random.default_rng(0)
    folds = [(rng.integers(0, 150, 150), np.arange(150)) for _ in range(2)]
    ours = FusedSearchCV(WHOLE, GRID, cv=folds).fit(X, Y)
    theirs = GridSearchCV(WHOLE, GRID, cv=folds).fit(X, Y)
    np.testing.assert_allclose(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"], atol=1e-8)


def test_a_candidate_that_cannot_be_trained_scores_nothing_or_raises():
    grid = {"l2": [0.0, -1.0]}
    with (
        pytest.warns(sklearn.exceptions.FitFailedWarning, match=r"l2 is -1\.0; accepted"),
        pytest.warns(UserWarning, match="One or more of the test scores are non-finite"),
    ):
        found = FusedSearchCV(WHOLE, grid, cv=3).fit(X, Y)
    assert np.isnan(found.cv_results_["mean_test_score"][1])
    assert found.best_params_ == {"l2": 0.0}
    with pytest.raises(BadInput, match=r"l2 is -1\.0; accepted"):
        FusedSearchCV(WHOLE, grid, cv=3, error_score="raise").fit(X, Y)


def test_metadata_is_routed():
    weight = (np.arange(150) % 4 > 0).astype(float)
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = (
            OneLayerClassifier(epochs=2).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        )
        found = FusedSearchCV(estimator, GRID, cv=GroupKFold(3))
        found.fit(X, Y, sample_weight=weight, groups=np.arange(150) // 5)
    assert found.n_splits_ == 3


def test_the_search_can_be_pickled_and_cloned():
    found = FusedSearchCV(OneLayerClassifier(epochs=2), GRID, cv=3).fit(X, Y)
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.predict(X), found.predict(X))
    assert clone(found).get_params(deep=False).keys() == found.get_params(deep=False).keys()


def list_banks(monkeypatch, grid, y=Y, **params):
    """(members, folds, losses) of each bank of a search."""
    banks = []
    original = search.group_members
    monkeypatch.setattr(search, "group_members", lambda members: banks.extend(original(members)) or banks)
    FusedSearchCV(OneLayerClassifier(epochs=1, **params), grid, cv=4, refit=False).fit(X, y)
    return [
        (len(bank), len({member.index[1] for member in bank}), len({member.recipe.loss for member in bank}))
        for bank in banks
    ]


def test_banks_are_of_several_folds_where_one_is_not_enough(monkeypatch):
    assert list_banks(monkeypatch, {"l2": np.linspace(0, 1, 3)}) == [(12, 4, 1)]


def test_banks_are_of_one_fold_where_that_is_enough_of_them(monkeypatch):
    assert list_banks(monkeypatch, {"l2": np.linspace(0, 1, 60)}) == [(60, 1, 1)] * 4


@pytest.mark.parametrize("few_rows", [1, 10_000])
def test_losses_and_scalers_share_banks(monkeypatch, few_rows):
    monkeypatch.setattr("monolayer.sklearn.search.MIN_ROWS_OF_WEIGHTS", few_rows)
    grid = {"loss": ["cross_entropy", "multiple_bce"], "l2": [0.0, 0.1], "standardize": [True, False]}
    expected = [(8, 1, 2)] * 4 if few_rows == 1 else [(32, 4, 2)]
    assert list_banks(monkeypatch, grid, learning_rate=0.01) == expected


def test_of_two_classes_losses_have_banks_of_their_own(monkeypatch):
    assert list_banks(monkeypatch, {"loss": ["cross_entropy", "multiple_bce"]}, Y > 0) == [(4, 4, 1)] * 2


def test_the_curvature_is_found_once_for_candidates_that_differ_in_l2(monkeypatch):
    found = []
    original = search.find_curvature
    monkeypatch.setattr(search, "find_curvature", lambda *given: found.append(given) or original(*given))
    grid = {"l2": [0.0, 0.1, 1.0], "loss": ["cross_entropy", "multiple_bce"], "batch_size": [16, 64]}
    FusedSearchCV(OneLayerClassifier(epochs=1), grid, cv=3, refit=False).fit(X, Y)
    assert len(found) == 3 * 2 * 2


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (SGDClassifier(), "estimator is a SGDClassifier; FusedSearchCV accepts a OneLayerClassifier"),
        (OneLayerClassifier(early_stopping=True), "early_stopping is not accepted in a FusedSearchCV"),
    ],
)
def test_what_it_cannot_search_is_said(estimator, message):
    with pytest.raises(BadInput, match=message):
        FusedSearchCV(estimator, GRID, cv=3, error_score="raise").fit(X, Y)
