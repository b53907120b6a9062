import json
from dataclasses import replace

import numpy as np
import pytest

from monolayer.data.load import load_digits
from monolayer.recipe.recipe import Recipe
from monolayer.reports.blocks import Table
from monolayer.runs.provenance import collect_provenance
from monolayer.studies.bonus import reported
from monolayer.studies.bonus.leaky_procedures import WHY_OPENED
from monolayer.studies.bonus.report import decode_grid_row, draw_study, is_comparable_with_report, make_study_page
from monolayer.studies.bonus.study import GRID_AXES, WINNER, StudyPlan, declare_experiments, run_study
from monolayer.training.train import train


@pytest.fixture(scope="module")
def result():
    outcome = []

    class Display:
        def info(self, text):
            pass

        def advance(self, task, done, total, unit=""):
            outcome.append((task, done, total))

    study = run_study(load_digits(), StudyPlan(epochs=3, n_seeds=2), progress=Display())
    return study, outcome


def test_the_recipes_are_the_reports():
    recipes = {e.key: e.recipe for e in declare_experiments(42, 40)}
    assert recipes == {
        "all_data": Recipe(learning_rate=0.001, l2=0, batch_size=100, epochs=40),
        "flips": Recipe(learning_rate=0.001, l2=0.001, batch_size=100, epochs=40, flip=0.5),
        "step_decay": Recipe(learning_rate=0.001, l2=0.001, batch_size=100, epochs=40, schedule="step:10:0.1"),
        "cross_entropy": Recipe(learning_rate=0.001, l2=0.001, batch_size=100, epochs=40),
        "multiple_bce": Recipe("multiple_bce", learning_rate=0.01, l2=0.001, batch_size=100, epochs=40),
    }


def test_every_run_is_the_run_alone(result):
    study, _ = result
    for experiment in study.experiments:
        alone = train(study.splits, experiment.recipe)
        np.testing.assert_allclose(study.runs[experiment.key].network.weights, alone.network.weights, atol=3e-6)


def test_the_test_rows_are_opened_once_for_all_and_once_more_by_name(result):
    study, _ = result
    assert [opening.why for opening in study.splits.openings][1:] == [WHY_OPENED]
    assert set(study.runs) == {e.key for e in study.experiments} | {WINNER}
    assert all("test" in run.evaluation for run in study.runs.values())
    assert not any("test" in run.evaluation for run in study.grid.runs)
    assert study.runs[WINNER].recipe == study.grid.best.recipe


def test_progress_runs_from_nothing_to_all_without_going_back(result):
    _, outcome = result
    shares = [done for _, done, _ in outcome]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 100)
    assert {task for task, _, _ in outcome} == {"The study"}


def test_true_class_probabilities_agree_with_the_accuracy(result):
    study, _ = result
    for scored in study.scored.values():
        assert scored.test.correct.mean() == pytest.approx(scored.run.evaluation["test"].accuracy)
        assert ((scored.test.probability_of_label >= 0) & (scored.test.probability_of_label <= 1)).all()


def test_repeats_differ_in_their_seed_alone(result):
    study, _ = result
    for row in study.repeats.values():
        assert [scored.run.recipe.seed for scored in row] == [42, 43]
        assert row[1].run.recipe.replace(seed=42) == row[0].run.recipe
        assert row[1].test.index.tolist() == row[0].test.index.tolist()


def test_the_matched_loss_takes_the_steps_of_cross_entropys_scale(result):
    study, _ = result
    recipes = {key: row[0].run.recipe for key, row in study.repeats.items()}
    ce, bce, sums = (recipes[key] for key in ("cross_entropy", "matched_bce", "bce_without_mean"))
    assert bce.learning_rate == pytest.approx(10 * ce.learning_rate)
    assert bce.l2 == pytest.approx(ce.l2 / 10)
    assert (sums.learning_rate, sums.l2) == pytest.approx((0.1, 0.0001))


def test_the_originals_procedure_scores_above_what_is_honest(result):
    study, _ = result
    for key, row in study.published.items():
        assert row["test"].accuracy > study.runs[key].evaluation["test"].accuracy
        assert row["test"].n == study.splits.n_test


def test_there_are_ten_verdicts_with_an_interval_each(result):
    study, _ = result
    assert [verdict.number for verdict in study.verdicts] == list(range(1, 11))
    for verdict in study.verdicts:
        assert verdict.outcome in ("supported", "refuted", "not distinguishable")
        for piece in verdict.evidence:
            assert piece.interval.low <= piece.interval.estimate + 1e-9
            assert piece.interval.estimate <= piece.interval.high + 1e-9


def test_results_are_json(result):
    study, _ = result
    json.dumps(study.to_dict(), allow_nan=False)


def test_the_lost_column_of_the_printed_grid_is_found_again():
    """The row number decides l2 and batch size too, and those two the original does print."""
    for row in reported.GRID:
        recipe = decode_grid_row(row.headed_lambda)
        assert f"{recipe['l2']:.3f}" == row.headed_eta
        assert recipe["batch_size"] == row.batch_size
    n = len(GRID_AXES["l2"]) * len(GRID_AXES["learning_rate"]) * len(GRID_AXES["batch_size"])
    assert len({tuple(decode_grid_row(i).values()) for i in range(n)}) == n == 36


def test_printed_numbers_are_marked_wherever_they_stand_and_absent_beside_other_data(result):
    study, _ = result
    page = make_study_page(study, draw_study(study), collect_provenance(["monolayer", "reproduce"]))
    tables = [block for block in page.blocks if isinstance(block, Table)]
    assert not any(table.kind == "printed" or table.printed_columns for table in tables)


@pytest.mark.cifar10
def test_on_cifar10_printed_tables_stand_beside_measured_ones_of_as_many_epochs(cifar10, monkeypatch):
    # The page's layout asks for no more rows than these.
    test = replace(cifar10.test, X=cifar10.test.X[:1000], y=cifar10.test.y[:1000])
    few = replace(cifar10, X=cifar10.X[:3000], y=cifar10.y[:3000], test=test)
    study = run_study(few, StudyPlan(epochs=1, n_seeds=2))
    assert not is_comparable_with_report(study)  # the original trained for 40 epochs
    monkeypatch.setattr(reported, "STEP_DECAY", {1: reported.STEP_DECAY[1]})  # as if it had for one
    page = make_study_page(study, draw_study(study), collect_provenance(["monolayer", "reproduce"]))
    tables = [block for block in page.blocks if isinstance(block, Table)]
    marked = [table for table in tables if table.kind == "printed"]
    assert len(marked) == len(reported.ACCURACIES) + 1  # one an experiment that has a listing, and the grid
    values = {str(v) for row in reported.ACCURACIES.values() for v in (f"{row.val:.2f}", f"{row.test:.2f}")}
    for table in tables:
        if table.kind != "printed" and not table.printed_columns:
            assert not values & {str(cell) for row in table.rows for cell in row}
