import numpy as np
import pytest

from monolayer.data.digits import load_digits
from monolayer.recipe import Recipe
from monolayer.report.document import Table
from monolayer.report.provenance import collect_provenance
from monolayer.studies import printed
from monolayer.studies.bonus_assignment import GRID_AXES, WINNER, declare_experiments, run_study
from monolayer.studies.bonus_report import (
    decode_grid_row,
    draw_study,
    is_comparable_with_print,
    make_study_document,
)
from monolayer.training import train


@pytest.fixture(scope="module")
def result():
    told = []

    class Display:
        def say(self, text):
            pass

        def advance(self, task, done, total, unit=""):
            told.append((task, done, total))

    study = run_study(load_digits(), epochs=3, progress=Display())
    return study, told


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


def test_the_test_rows_are_opened_once_and_only_the_chosen_runs_are_scored(result):
    study, _ = result
    assert len(study.splits.openings) == 1
    assert set(study.runs) == {e.key for e in study.experiments} | {WINNER}
    assert all("test" in run.evaluation for run in study.runs.values())
    assert not any("test" in run.evaluation for run in study.grid.runs)
    assert study.runs[WINNER].recipe == study.grid.best.recipe


def test_progress_runs_from_nothing_to_all_without_going_back(result):
    _, told = result
    shares = [done for _, done, _ in told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 100)
    assert {task for task, _, _ in told} == {"The study"}


def test_true_class_probabilities_agree_with_the_accuracy(result):
    study, _ = result
    for key, run in study.runs.items():
        p = study.probabilities[key]
        assert p.correct.mean() == pytest.approx(run.evaluation["test"].accuracy)
        assert ((p.probability >= 0) & (p.probability <= 1)).all()


def test_the_lost_column_of_the_printed_grid_is_found_again():
    """The row number decides l2 and batch size too, and those two the original does print."""
    for row in printed.GRID:
        recipe = decode_grid_row(row.headed_lambda)
        assert f"{recipe['l2']:.3f}" == row.headed_eta
        assert recipe["batch_size"] == row.batch_size
    n = len(GRID_AXES["l2"]) * len(GRID_AXES["learning_rate"]) * len(GRID_AXES["batch_size"])
    assert len({tuple(decode_grid_row(i).values()) for i in range(n)}) == n == 36


def test_printed_numbers_are_marked_wherever_they_stand_and_absent_beside_other_data(result):
    study, _ = result
    document = make_study_document(study, draw_study(study), collect_provenance(["monolayer", "reproduce"]))
    tables = [block for section in document.sections for block in section.blocks if isinstance(block, Table)]
    assert not any(table.kind == "printed" or table.printed_columns for table in tables)


@pytest.mark.cifar10
def test_on_cifar10_printed_tables_stand_beside_measured_ones_of_as_many_epochs(cifar10, monkeypatch):
    study = run_study(cifar10, epochs=1)
    assert not is_comparable_with_print(study)  # the original trained for 40 epochs
    monkeypatch.setattr(printed, "STEP_DECAY", {1: printed.STEP_DECAY[1]})  # as if it had for one
    document = make_study_document(study, draw_study(study), collect_provenance(["monolayer", "reproduce"]))
    tables = [block for section in document.sections for block in section.blocks if isinstance(block, Table)]
    marked = [table for table in tables if table.kind == "printed"]
    assert len(marked) == 1 + len(printed.ACCURACIES) + 1  # together, one an experiment that has a listing, the grid
    values = {str(v) for row in printed.ACCURACIES.values() for v in (f"{row.val:.2f}", f"{row.test:.2f}")}
    for table in tables:
        if table.kind != "printed" and not table.printed_columns:
            assert not values & {str(cell) for row in table.rows for cell in row}
