"""Folds: sample weights and a scaler each, against the loop that deletes rows, and beside other folds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monolayer.data.scaler import compute_moments
from monolayer.engine.bank import Fold, make_bank
from monolayer.errors import BadInput
from monolayer.recipe.recipe import Recipe
from monolayer.training.loop import BankTraining
from monolayer.training.options import TrainOptions
from tests.made import make_dataset
from tests.reference import plain_loop

QUICK = TrainOptions(train_every=0, val_every=0, evaluate_last=False)
pytestmark = pytest.mark.usefixtures("each_engine")


def make_folds(splits, weights):
    scalers = [moments.make_scaler() for moments in compute_moments(splits.train, np.asarray(weights, float))]
    return [Fold(weight, scaler) for weight, scaler in zip(weights, scalers, strict=True)]


def train_folds(splits, recipes, folds):
    bank = make_bank(recipes, folds[0].scaler, splits.dataset.n_classes, folds)
    BankTraining(bank, splits, QUICK).run()
    return bank


def draw_weights(kind, n, rng):
    if kind == "mask":
        return (rng.random(n) < 0.7).astype(float)
    return rng.integers(0, 4, n).astype(float) if kind == "whole" else rng.gamma(1.0, size=n)


@settings(max_examples=40)
@given(
    loss=st.sampled_from(["cross_entropy", "multiple_bce"]),
    batch_size=st.sampled_from([1, 3, 16, 101, 500]),
    l2=st.sampled_from([0.0, 0.05]),
    flip=st.sampled_from([0.0, 0.5]),
    features=st.sampled_from(["uint8", "float16", "float64"]),
    dtype=st.sampled_from(["float32", "float64"]),
    shape=st.sampled_from([(1, 3, 4), (3, 13, 16)]),
    kinds=st.lists(st.sampled_from(["mask", "whole", "real"]), min_size=1, max_size=3),
    seed=st.integers(0, 99),
)
def test_every_fold_of_a_bank_is_the_loop_without_the_rows_that_it_leaves_out(
    loss, batch_size, l2, flip, features, dtype, shape, kinds, seed
):
    dataset = make_dataset(101, int(np.prod(shape)), 4, dtype=features, image_shape=shape)
    splits, rng = dataset.split(), np.random.default_rng(seed)
    weights = [draw_weights(kind, 101, rng) for kind in kinds]
    recipe = Recipe(loss, 0.02, l2, batch_size, 2, "step:1:0.5", flip, dtype=dtype)
    bank = train_folds(splits, [recipe] * len(kinds), make_folds(splits, weights))
    for member, weight in enumerate(weights):
        W, b, _ = plain_loop.train(dataset.X, dataset.y, 4, recipe, shape, weight=weight)
        tolerance = (1e-11 if dtype == "float64" else 3e-4) * np.abs(W).max()
        np.testing.assert_allclose(bank.compute_weights(member), W, atol=tolerance)
        np.testing.assert_allclose(bank.bias[member :: len(kinds)], b, atol=tolerance)


def test_the_rows_that_a_fold_leaves_out_leave_no_trace():
    dataset = make_dataset(90, 12, 3, dtype="float32")
    mask = (np.arange(90) % 5 != 2).astype(float)
    recipe = Recipe(learning_rate=0.05, l2=0.01, batch_size=8, epochs=3)

    def train():
        splits = dataset.split()
        others = [np.ones(90), (np.arange(90) % 5 != 0).astype(float)]
        alone = train_folds(splits, [recipe], make_folds(splits, [mask]))
        among = train_folds(splits, [recipe] * 3, make_folds(splits, [others[0], mask, others[1]]))
        return alone.compute_weights(0), among.compute_weights(1), among.compute_weights(0)

    before = train()
    dataset.X[mask == 0] += 1000
    dataset.y[mask == 0] = 0
    after = train()
    assert before[0].tobytes() == after[0].tobytes()
    np.testing.assert_allclose(after[1], after[0], atol=1e-4)  # float32 features of 1,000 more round more, beside it
    assert np.abs(before[2] - after[2]).max() > 0.01


def test_one_batch_of_all_rows_is_training_on_the_others_alone():
    dataset = make_dataset(90, 12, 3)
    mask = np.arange(90) % 3 > 0
    splits = dataset.split()
    recipe = Recipe(learning_rate=0.1, l2=0.01, batch_size=90, epochs=4, dtype="float64")
    bank = train_folds(splits, [recipe], make_folds(splits, [mask]))
    W, b, _ = plain_loop.train(dataset.X[mask], dataset.y[mask], 3, recipe)
    np.testing.assert_allclose(bank.compute_weights(0), W, atol=1e-12)
    np.testing.assert_allclose(bank.bias, b, atol=1e-12)


def test_a_common_factor_changes_no_byte_and_whole_weights_are_repetitions():
    dataset, rng = make_dataset(60, 12, 3), np.random.default_rng(0)
    splits, times = dataset.split(), np.random.default_rng(1).integers(0, 4, 60)
    recipe = Recipe(learning_rate=0.1, batch_size=500, epochs=4, dtype="float64")
    ones, sevens = (train_folds(splits, [recipe], make_folds(splits, [np.full(60, w)])) for w in (1.0, 7.0))
    assert ones.weights.tobytes() == sevens.weights.tobytes()
    bank = train_folds(splits, [recipe], make_folds(splits, [times]))
    rows = rng.permutation(np.repeat(np.arange(60), times))
    W, _, _ = plain_loop.train(dataset.X[rows], dataset.y[rows], 3, recipe)
    np.testing.assert_allclose(bank.compute_weights(0), W, atol=1e-12)


@pytest.mark.parametrize("weights", [[1.0, -1.0], [0.0, 0.0], [1.0, np.nan], [[1.0]]])
def test_weights_that_are_none_are_refused(weights):
    with pytest.raises(BadInput, match="finite numbers of 0 or above, one a training row, and not all 0"):
        Fold(np.array(weights), make_folds(make_dataset().split(), [np.ones(240)])[0].scaler)


def test_a_part_of_a_bank_keeps_its_folds():
    splits = make_dataset(40).split()
    folds = make_folds(splits, [np.ones(40), np.arange(40) % 2])
    bank = make_bank([Recipe()] * 3, folds[0].scaler, 3, [folds[0], folds[1], folds[1]])
    assert bank.fold_of.tolist() == [0, 1, 1]
    part = bank.take([2])
    assert (part.distinct_folds, part.fold_of.tolist()) == ((folds[1],), [0])
    assert part.get_scaler(0) is folds[1].scaler
