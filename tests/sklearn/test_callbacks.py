"""Scikit-learn's callbacks: what they see of a fit, and that they change nothing in it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from monolayer.sklearn import FusedSearchCV, OneLayerClassifier
from tests.sklearn.made import make_rows

callback = pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks from 1.9 on")


class StopAfter:
    """Asks to stop when this epoch is done, and notes what it is told."""

    def __init__(self, epoch):
        self.epoch, self.result = epoch, []

    def setup(self, estimator, context):
        self.result.append("setup")

    def teardown(self, estimator, context):
        self.result.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.result.append(f"{context.task_name} begins")

    def on_fit_task_end(self, estimator, context):
        self.result.append(f"{context.task_name} ends")
        return context.task_name == "epoch" and context.task_id + 1 == self.epoch


def test_a_wish_to_stop_is_heard_after_the_epoch():
    X, y = make_rows()
    stop = StopAfter(3)
    stopped = OneLayerClassifier(epochs=9).set_callbacks(stop).fit(X, y)
    assert stop.result == ["setup", "fit begins", *["epoch begins", "epoch ends"] * 3, "fit ends", "teardown"]
    assert stopped.n_iter_ == stopped.best_epoch_ == 3
    assert stopped.history_["epoch"] == [1, 2, 3]
    expected = OneLayerClassifier(epochs=3).fit(X, y)
    np.testing.assert_array_equal(stopped.network_.weights, expected.network_.weights)


def test_whoever_watches_changes_nothing():
    X, y = make_rows(dtype="float32")
    stop = StopAfter(99)
    watched = OneLayerClassifier(epochs=5, schedule="cosine", l2=0.1).set_callbacks(stop).fit(X, y)
    alone = OneLayerClassifier(epochs=5, schedule="cosine", l2=0.1).fit(X, y)
    assert stop.result.count("epoch ends") == 5
    np.testing.assert_array_equal(watched.network_.weights, alone.network_.weights)


def test_callbacks_are_torn_down_when_a_fit_fails():
    class Broken(StopAfter):
        def on_fit_task_end(self, estimator, context):
            raise RuntimeError("broken")

    X, y = make_rows()
    stop, broken = StopAfter(1), Broken(1)
    with pytest.raises(RuntimeError, match="broken"):
        OneLayerClassifier(epochs=2).set_callbacks(stop, broken).fit(X, y)
    assert stop.result[-1] == broken.result[-1] == "teardown"


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("table", [False, True])
def test_a_monitor_logs_a_score_an_epoch(weighted, table):
    X, y = make_rows()
    X = pd.DataFrame(X, columns=[f"feature {i}" for i in range(6)]) if table else X
    weights = np.random.default_rng(0).gamma(1.0, size=len(y)) if weighted else None
    monitor = callback.ScoringMonitor(scoring="neg_log_loss")
    classifier = OneLayerClassifier(epochs=4, train_every=1).set_callbacks(monitor).fit(X, y, weights)
    logged = [row["neg_log_loss"] for row in monitor.get_logs().data]
    np.testing.assert_allclose(logged, [-loss for loss in classifier.history_["train_loss"]], rtol=1e-9)


def test_a_bar_runs_to_its_end(capsys):
    X, y = make_rows()
    OneLayerClassifier(epochs=3).set_callbacks(callback.ProgressBar()).fit(X, y)
    FusedSearchCV(OneLayerClassifier(epochs=3), {"l2": [0.0, 0.1]}).set_callbacks(callback.ProgressBar()).fit(X, y)
    shown = capsys.readouterr()
    assert "OneLayerClassifier - fit" in shown.out
    assert "FusedSearchCV - fit" in shown.out
    assert shown.err == ""


def test_bars_and_monitors_within_searches_and_pipelines(capsys):
    X, y = make_rows()
    monitor = callback.ScoringMonitor(scoring="accuracy")
    pipeline = make_pipeline(StandardScaler(), OneLayerClassifier(epochs=3).set_callbacks(monitor))
    search = GridSearchCV(pipeline, {"onelayerclassifier__l2": [0.0, 0.1]}, cv=2)
    search.set_callbacks(callback.ProgressBar(max_propagation_depth=None)).fit(X, y)
    assert len(monitor.get_logs().data) == 3 * (2 * 2 + 1)
    assert "Pipeline - fit" in capsys.readouterr().out
    plain = GridSearchCV(make_pipeline(StandardScaler(), OneLayerClassifier(epochs=3)), search.param_grid, cv=2)
    expected = plain.fit(X, y).cv_results_["mean_test_score"]
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], expected)


@pytest.mark.parametrize("table", [False, True])
def test_a_fused_search_is_one_task_and_its_best_estimator_is_watched(table):
    X, y = make_rows()
    X = pd.DataFrame(X, columns=[f"feature {i}" for i in range(6)]) if table else X
    stop, monitor = StopAfter(99), callback.ScoringMonitor(scoring="accuracy")
    estimator = OneLayerClassifier(epochs=3).set_callbacks(monitor)
    search = FusedSearchCV(estimator, {"l2": [0.0, 0.1]}, cv=2).set_callbacks(stop).fit(X, y)
    assert stop.result == ["setup", "fit begins", "bank begins", "bank ends", "fit ends", "teardown"]
    logged = [row["accuracy"] for row in monitor.get_logs().data]
    assert len(logged) == 3
    assert logged[-1] == search.best_estimator_.score(X, y)
