import numpy as np
import pytest

from monolayer.evaluate.metrics import Metrics
from monolayer.recipe.recipe import Recipe
from monolayer.training.run import Run
from monolayer.tuning.selection import analyse_selection
from monolayer.tuning.sweep import sweep
from tests.made import make_dataset


def make_run(correct, recipe=None, diverged=False):
    correct = np.asarray(correct, bool)
    metrics = Metrics(1.0, 1.0, float(correct.mean()), len(correct))
    measured = {"val": metrics, "train": metrics}
    return Run(recipe or Recipe(), None, (), measured, 1.0, val_correct=correct, has_diverged=diverged)


def draw(p, n, seed):
    return np.random.default_rng(seed).random(n) < p


def test_equal_runs_cannot_be_told_from_the_best_and_a_bad_one_can():
    runs = [make_run(draw(p, 500, seed)) for seed, p in enumerate((0.6, 0.58, 0.6, 0.2))]
    runs.sort(key=lambda run: -run.val_correct.mean())
    selection = analyse_selection(runs)
    assert selection.is_indistinguishable == (True, True, True, False)
    assert selection.p_values[0] == 1
    assert selection.p_values[3] < 1e-6
    assert (selection.n, selection.n_indistinguishable) == (500, 3)


def test_a_diverged_run_has_no_part_in_it():
    runs = [make_run(draw(0.5, 100, 0)), make_run(draw(0.4, 100, 1)), make_run(draw(0.5, 100, 2), diverged=True)]
    selection = analyse_selection(runs)
    assert selection.is_indistinguishable[2] is None
    assert selection.p_values[2] is None
    assert analyse_selection(runs[2:]) is None


def test_the_simplest_within_one_standard_error_has_the_larger_l2_then_the_smaller_rate():
    accuracies = {(0.0, 0.01): 60, (0.1, 0.01): 58, (0.1, 0.001): 58, (1.0, 0.001): 40}
    runs = [
        make_run(np.arange(100) < hits, Recipe(l2=l2, learning_rate=rate)) for (l2, rate), hits in accuracies.items()
    ]
    chosen = runs[analyse_selection(runs).one_standard_error].recipe
    assert (chosen.l2, chosen.learning_rate) == (0.1, 0.001)


def test_one_run_or_few_rows_say_nothing_of_optimism():
    assert analyse_selection([make_run(draw(0.5, 100, 0))]).optimism is None
    assert analyse_selection([make_run(draw(0.5, 19, seed)) for seed in range(3)]).optimism is None


def test_the_corrected_accuracy_is_nearer_to_the_truth_than_the_best_of_many():
    """Twenty runs that are all right half of the time: the best seems better than it is."""
    apparent, corrected = [], []
    for repeat in range(20):
        runs = [make_run(draw(0.5, 200, 100 * repeat + m)) for m in range(20)]
        optimism = analyse_selection(runs).optimism
        apparent.append(optimism.apparent)
        corrected.append(optimism.corrected)
    assert np.mean(apparent) > 0.55
    assert abs(np.mean(corrected) - 0.5) < 0.3 * (np.mean(apparent) - 0.5)


def test_a_sweep_tells_it_of_its_runs():
    result = sweep(
        make_dataset().split(60),
        Recipe(epochs=2, batch_size=10),
        grid={"learning_rate": [1e-6, 1e-2], "l2": [0.0, 0.01]},
    )
    outcome = result.to_dict()
    assert outcome["runs"][0]["is_indistinguishable"] is True
    assert outcome["runs"][0]["p_value_adjusted"] == 1
    assert outcome["selection"]["n_indistinguishable"] == sum(run["is_indistinguishable"] for run in outcome["runs"])
    assert outcome["selection"]["one_standard_error"]["recipe"]["l2"] in (0.0, 0.01)
    assert outcome["selection"]["optimism"]["apparent"] == pytest.approx(result.best.evaluation["val"].accuracy)
    assert result.to_dict(1)["selection"] == outcome["selection"]
