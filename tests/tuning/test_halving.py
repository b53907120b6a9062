import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from monolayer.data.scaler import fit_scaler
from monolayer.engine.bank import make_bank
from monolayer.errors import BadInput
from monolayer.recipe.grid import make_grid
from monolayer.recipe.recipe import Recipe
from monolayer.training import scheduler
from monolayer.training.history import EpochRow
from monolayer.training.loop import BankTraining
from monolayer.training.options import TrainOptions
from monolayer.training.train import train
from monolayer.tuning.halving import Rung, keep_best, plan_rungs
from monolayer.tuning.sweep import plan_sweep, sweep, train_recipes
from tests.made import make_dataset

BASE = Recipe(epochs=16, batch_size=10)
RATES = tuple(np.linspace(0.0005, 0.02, 8))
AXES = {"learning_rate": RATES, "l2": (0.0, 0.1), "seed": (1, 2)}


@pytest.fixture(scope="module")
def splits():
    return make_dataset(120).split(60)


def test_of_36_recipes_of_40_epochs_9_go_on_after_3_and_2_after_10():
    rungs = plan_rungs(36, 40)
    assert [(rung.count_epochs(40), rung.n_kept) for rung in rungs] == [(3, 9), (10, 2)]


@pytest.mark.parametrize(
    ("n_recipes", "epochs", "factor", "expected"),
    [
        (16, 16, 4, [(1, 4), (4, 1)]),
        (64, 100, 4, [(2, 16), (7, 4), (25, 1)]),
        (64, 4, 4, [(1, 16)]),  # too few epochs for a second rung
        (4, 40, 4, [(10, 1)]),  # too few recipes for one
        (3, 40, 4, []),
        (100, 3, 4, []),
        (8, 40, 2, [(5, 4), (10, 2), (20, 1)]),
        (27, 27, 3, [(1, 9), (3, 3), (9, 1)]),
        (100, 1000, 10, [(10, 10), (100, 1)]),
    ],
)
def test_rungs_are_as_many_as_recipes_and_epochs_allow(n_recipes, epochs, factor, expected):
    rungs = plan_rungs(n_recipes, epochs, factor)
    assert [(rung.count_epochs(epochs), rung.n_kept) for rung in rungs] == expected


@given(n=st.integers(1, 5000), epochs=st.integers(1, 2000), factor=st.integers(2, 9), longer=st.floats(1, 5))
def test_rungs_rise_and_keep_one_in_factor(n, epochs, factor, longer):
    rungs = plan_rungs(n, epochs, factor)
    assert factor ** len(rungs) <= min(n, epochs) < factor ** (len(rungs) + 1)
    kept = n
    for place, rung in enumerate(rungs, 1):
        kept //= factor
        assert rung.n_kept == kept >= 1
        assert rung.share == pytest.approx(float(factor) ** (place - len(rungs) - 1))
    for total in (epochs, math.ceil(epochs * longer)):  # of the shortest recipe, and of a longer one
        done = [rung.count_epochs(total) for rung in rungs]
        assert done == sorted(set(done))
        assert all(1 <= epoch < total for epoch in done)


@given(epochs=st.integers(1, 10**6), numerator=st.integers(1, 40))
def test_a_rung_lies_at_its_share_of_the_epochs_or_just_behind(epochs, numerator):
    assert Rung(numerator / 40, 1).count_epochs(epochs) == -(-epochs * numerator // 40)


@pytest.mark.parametrize("factor", [1, 0, -4])
def test_a_factor_below_two_is_refused(splits, factor):
    message = rf"The factor of successive halving is {factor}; accepted is a whole number of 2 or above\."
    with pytest.raises(BadInput, match=message):
        plan_rungs(36, 40, factor)
    with pytest.raises(BadInput, match=message):
        sweep(splits, BASE, halving=factor, grid={"l2": [0, 1]})


def make_training(splits, n_members, checkpointer=None):
    recipes = [BASE.replace(init_std=0.01 * (m + 1)) for m in range(n_members)]
    bank = make_bank(recipes, fit_scaler(splits.train), splits.dataset.n_classes)
    return BankTraining(bank, splits, TrainOptions(checkpointer=checkpointer))


def tell(training, member, accuracy, loss):
    training.histories[member] = [EpochRow(1, 0.1, val_accuracy=accuracy, val_loss=loss)]


# Few different values, so that many tie in accuracy, in loss or in both.
ROW = st.tuples(st.sampled_from([0.25, 0.5, 0.75, 1.0]), st.sampled_from([0.1, 0.5, 2.0]))


@given(banks=st.lists(st.lists(ROW, min_size=1, max_size=6), min_size=1, max_size=5), n=st.integers(1, 12))
def test_exactly_the_best_of_all_banks_are_kept(splits, banks, n):
    trainings = [make_training(splits, len(rows)) for rows in banks]
    for training, rows in zip(trainings, banks, strict=True):
        for member, row in enumerate(rows):
            tell(training, member, *row)
    keep_best(trainings, n)
    members = [(place, member) for place, rows in enumerate(banks) for member in range(len(rows))]

    def is_better(a, b):
        (accuracy, loss), (other_accuracy, other_loss) = banks[a[0]][a[1]], banks[b[0]][b[1]]
        if accuracy != other_accuracy:
            return accuracy > other_accuracy
        return loss < other_loss if loss != other_loss else a < b  # of equals the one that stands first

    expected = [m for m in members if sum(is_better(other, m) for other in members) < n]
    assert [(place, m) for place, training in enumerate(trainings) for m in training.active] == expected
    assert len(expected) == min(n, len(members))


def test_who_has_left_does_not_come_back_and_takes_no_place(splits):
    first, second = make_training(splits, 3), make_training(splits, 2)
    for training in (first, second):
        for member in range(training.bank.n_members):
            tell(training, member, 0.1 * (member + 1), 1.0)
    first.retain([0, 1])  # the best, at 0.3, has left
    keep_best([first, second], 2)
    assert (first.active, second.active) == ([1], [1])
    keep_best([first, second], 5)
    assert (first.active, second.active) == ([1], [1])


def test_who_is_kept_is_written_down_at_once(splits):
    class Checkpointer:
        def __init__(self):
            self.kept = []

        def load(self, recipes):
            return None

        def save_if_due(self, recipes, make_state, *, force):
            self.kept.append((make_state().active, force))

    keepers = [Checkpointer(), Checkpointer()]
    trainings = [make_training(splits, 2, checkpointer) for checkpointer in keepers]
    for place, training in enumerate(trainings):
        for member in range(2):
            tell(training, member, 0.5 * place + 0.1 * member, 1.0)
    keep_best(trainings, 2)
    assert [checkpointer.kept for checkpointer in keepers] == [[((), True)], []]  # nothing has changed in the second


def read_rung_ends(result, plan):
    """For each rung: (the recipes that were alive, the recipes that went on), read off the histories' lengths."""
    ends = []
    for rung in plan.rungs:
        done = {run.recipe: rung.count_epochs(run.recipe.epochs) for run in result.runs}
        alive = [run for run in result.runs if len(run.history) >= done[run.recipe]]
        ends.append((alive, {run.recipe for run in alive if len(run.history) > done[run.recipe]}, done))
    return ends


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_at_each_rung_the_best_by_what_was_measured_then_go_on(splits, factor):
    recipes = make_grid(BASE, AXES)
    plan = plan_sweep(splits, recipes, halving=factor)
    result = train_recipes(splits, recipes, {}, halving=factor)
    ends = read_rung_ends(result, plan)
    assert len(ends) == {2: 4, 3: 2, 4: 2}[factor]
    for (alive, went_on, done), rung in zip(ends, plan.rungs, strict=True):
        rows = {run.recipe: run.history[done[run.recipe] - 1] for run in alive}
        ranked = sorted(rows, key=lambda recipe: (-rows[recipe].val_accuracy, rows[recipe].val_loss))
        assert went_on == set(ranked[: rung.n_kept])


def test_survivors_are_the_run_alone_and_the_others_are_its_beginning(splits):
    result = sweep(splits, BASE, halving=4, grid=AXES)
    lengths = [len(run.history) for run in result.runs]
    assert sorted(lengths) == [1] * 24 + [4] * 6 + [16] * 2
    for run in result.runs:
        stop = iter([False] * (len(run.history) - 1) + [True] * 16)
        alone = train(splits, run.recipe, should_stop=lambda stop=stop: next(stop))
        assert len(alone.history) == len(run.history)
        np.testing.assert_allclose(run.network.weights, alone.network.weights, rtol=0, atol=1e-6)
        np.testing.assert_allclose(run.network.bias, alone.network.bias, rtol=0, atol=1e-6)
        assert [row.val_loss for row in run.history] == pytest.approx([r.val_loss for r in alone.history], rel=1e-5)
        assert run.evaluation["train"].loss == pytest.approx(alone.evaluation["train"].loss, rel=1e-5)


def test_survivors_rank_first_and_those_let_go_behind_the_later_ones_first():
    """Labels of chance: to train on makes nobody better, so that many who were let go look better than survivors."""
    splits = make_dataset(120).split(60)
    splits.dataset.y[:] = np.random.default_rng(10).permutation(splits.dataset.y)
    result = sweep(splits, BASE, halving=4, grid=AXES)
    assert not any(run.has_diverged for run in result.runs)
    assert [len(run.history) for run in result.runs] == [16] * 2 + [4] * 6 + [1] * 24
    assert [run.ends_early for run in result.runs] == [False] * 2 + [True] * 30
    assert result.is_complete
    ranked = [(-run.evaluation["val"].accuracy, run.evaluation["val"].loss) for run in result.runs]
    for part in (ranked[:2], ranked[2:8], ranked[8:]):
        assert part == sorted(part)
    assert ranked[2] < ranked[1]
    assert ranked[8] < ranked[7]


def test_who_has_diverged_is_let_go_and_ranks_behind_all_others(splits):
    # The losses are finite still at the first rung, but no accuracy is worth going on with.
    rates = (*RATES, 1e5, 1e6)
    result = sweep(splits, BASE, halving=4, grid={"learning_rate": rates, "l2": (0.0, 0.5)})
    diverged = [run.has_diverged or not np.isfinite(run.evaluation["val"].loss) for run in result.runs]
    assert any(diverged)
    assert diverged == sorted(diverged)
    assert all(run.recipe.learning_rate in RATES for run in result.runs if len(run.history) > 1)


@pytest.mark.parametrize("n_cores", [1, 2, 8])
def test_halving_gives_the_same_bytes_on_any_number_of_cores_and_in_any_order(splits, monkeypatch, n_cores):
    recipes = make_grid(BASE, AXES)

    def tell_all(result):
        return [(run.recipe, run.network.weights.tobytes(), repr(run.history)) for run in result.runs]

    expected = tell_all(train_recipes(splits, recipes, {}, halving=4))
    monkeypatch.setattr(scheduler, "count_cores", lambda: n_cores)
    monkeypatch.setattr(scheduler, "TIME_SLICE_S", 0)
    assert tell_all(train_recipes(splits, recipes[::-1], {}, halving=4)) == expected


def test_recipes_of_different_lengths_meet_at_the_same_share_of_their_epochs(splits):
    recipes = make_grid(BASE, {"epochs": (4, 10, 16), "learning_rate": RATES[:4]})
    plan = plan_sweep(splits, recipes, halving=2)
    result = train_recipes(splits, recipes, {}, halving=2)
    assert [(rung.share, rung.n_kept) for rung in plan.rungs] == [(0.25, 6), (0.5, 3)]
    allowed = {4: {1, 2, 4}, 10: {3, 5, 10}, 16: {4, 8, 16}}
    assert all(len(run.history) in allowed[run.recipe.epochs] for run in result.runs)
    assert sum(len(run.history) == run.recipe.epochs for run in result.runs) == 3
    for (alive, went_on, done), rung in zip(read_rung_ends(result, plan), plan.rungs, strict=True):
        rows = {run.recipe: run.history[done[run.recipe] - 1] for run in alive}
        ranked = sorted(rows, key=lambda recipe: (-rows[recipe].val_accuracy, rows[recipe].val_loss))
        assert went_on == set(ranked[: rung.n_kept])


def test_too_few_recipes_to_halve_all_train_to_their_end(splits):
    result = sweep(splits, BASE, halving=4, grid={"l2": [0, 0.1, 1]})
    assert [len(run.history) for run in result.runs] == [16] * 3


@pytest.mark.parametrize("val_every", [0, 3])
def test_halving_without_validation_in_every_epoch_is_refused_in_one_sentence(splits, val_every):
    with pytest.raises(BadInput, match=r"^Successive halving [^.]*val_every must be 1\.$"):
        sweep(splits, BASE, halving=4, val_every=val_every, grid={"learning_rate": RATES})


@given(n_asked=st.integers(0, 40))
@settings(max_examples=15)
def test_a_halving_that_is_stopped_anywhere_lets_nobody_go_for_that(splits, n_asked):
    """Whoever has left then was let go at a rung; the rest stand where the wish met them."""
    asked = iter([False] * n_asked)
    recipes = make_grid(BASE, AXES)
    result = train_recipes(splits, recipes, {}, should_stop=lambda: next(asked, True), halving=4)
    assume(not result.is_complete)
    assert not all(run.ends_early for run in result.runs)
    assert all(len(run.history) in (1, 4) for run in result.runs if run.ends_early)
    assert len([run for run in result.runs if not run.ends_early]) in (32, 8, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"halving": 2.5}, "factor of successive halving is 2.5; accepted is a whole number of 2 or above"),
        ({"val_every": 2, "halving": 4}, "val_every must be 1"),
    ],
)
def test_what_cannot_be_halved_is_refused_before_anything_is_trained(options, message):
    with pytest.raises(BadInput, match=message):
        sweep(
            make_dataset().split(60),
            Recipe(epochs=32, batch_size=10),
            **options,
            grid={"l2": [i / 100 for i in range(16)]},
        )
