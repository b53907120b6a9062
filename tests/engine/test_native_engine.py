"""The native engine beside the NumPy engine, and what holds for it alone; the oracle is in test_engines.py."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monolayer.data.dataset import Dataset, make_splits
from monolayer.data.scaler import compute_moments, fit_scaler
from monolayer.engine import native as native_module
from monolayer.engine.bank import Fold, make_bank
from monolayer.engine.batches import make_batch_order
from monolayer.engine.native import find_native, open_native_engine
from monolayer.engine.numpy import open_numpy_engine
from monolayer.engine.select import ENGINES, choose_engine
from monolayer.errors import BadInput
from monolayer.evaluate.predictions import predict_rows
from monolayer.recipe.losses import get_loss
from monolayer.recipe.recipe import Recipe
from monolayer.training.train import train
from tests.made import make_dataset

pytestmark = pytest.mark.usefixtures("native")
RECIPE = Recipe(learning_rate=0.02, l2=0.01, batch_size=16, epochs=2)


def train_bank(open_engine, splits, recipes, *, n_threads=2, folds=(), epochs=2):
    """(bank, scores, losses, correct) of the validation rows after some epochs."""
    scaler = folds[0].scaler if folds else fit_scaler(splits.train)
    bank = make_bank(recipes, scaler, splits.dataset.n_classes, folds)
    order = make_batch_order(recipes[0], bank.n_classes, bank.weights.shape[1])
    with open_engine(bank, splits.dataset.image_shape, n_threads) as engine:
        for epoch in range(1, epochs + 1):
            rates = np.array([recipe.compute_rate(epoch) for recipe in recipes])
            engine.run_epoch(splits.train, *order.draw_epoch(len(splits.train)), rates)
        scores = np.concatenate([scores for scores, _ in engine.iterate_scores(splits.val)], axis=1)
        losses, correct = zip(*engine.iterate_losses(splits.val), strict=True)
        return bank, scores, np.concatenate(losses, axis=1), np.concatenate(correct, axis=1)


def assert_engines_agree(splits, recipes, folds=(), atol=3e-5):
    ours = train_bank(open_native_engine, splits, recipes, folds=folds)
    theirs = train_bank(open_numpy_engine, splits, recipes, folds=folds)
    size = np.abs(theirs[0].weights).max()
    np.testing.assert_allclose(ours[0].weights, theirs[0].weights, atol=atol * size)
    np.testing.assert_allclose(ours[0].bias, theirs[0].bias, atol=atol * size)
    np.testing.assert_allclose(ours[1], theirs[1], atol=atol * np.abs(theirs[1]).max())
    np.testing.assert_allclose(ours[2], theirs[2], atol=atol * np.abs(theirs[2]).max())
    # Right is what the own scores say: a near tie may fall to either side in the two engines.
    y = splits.val.y
    right = (ours[1].argmax(axis=2) == y) if y.ndim == 1 else ((ours[1] > 0) == y).all(axis=2)
    assert ours[3].tolist() == right.tolist()


@pytest.fixture(params=(find_native() and find_native().list_instruction_sets()) or ["none"])
def instruction_set(request, monkeypatch):
    """Each of this processor's in turn."""
    monkeypatch.setenv("MONOLAYER_ISA", request.param)
    return request.param


@pytest.mark.usefixtures("instruction_set")
@pytest.mark.parametrize("n_features", [1, 15, 64, 65, 200, 1030])
@pytest.mark.parametrize(("n_classes", "n_members"), [(2, 1), (3, 1), (4, 1), (5, 3), (11, 2), (101, 1)])
def test_any_shape_on_any_instruction_set(n_features, n_classes, n_members):
    splits = make_dataset(130, n_features, n_classes, dtype="float32").split(30)
    recipes = [RECIPE.replace(loss=["cross_entropy", "multiple_bce"][m % 2], l2=m / 100) for m in range(n_members)]
    recipes.sort(key=lambda recipe: recipe.loss)
    assert_engines_agree(splits, recipes)


@settings(max_examples=60)
@given(
    losses=st.lists(st.sampled_from(["cross_entropy", "multiple_bce"]), min_size=1, max_size=4).map(sorted),
    n=st.integers(30, 200),
    n_classes=st.integers(2, 12),
    batch_size=st.integers(1, 90),
    flip=st.sampled_from([0.0, 0.5]),
    features=st.sampled_from(["uint8", "float16", "float32", "float64"]),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 40)),
    kinds=st.lists(st.sampled_from(["mask", "real", "own scaler"]), max_size=3),
    n_threads=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_engines_agree_on_whatever_there_is(
    losses, n, n_classes, batch_size, flip, features, shape, kinds, n_threads, seed
):
    dataset = make_dataset(n, int(np.prod(shape)), n_classes, dtype=features, image_shape=shape, seed=seed)
    splits, rng = make_splits(dataset, val_size=10), np.random.default_rng(seed)
    recipes = [RECIPE.replace(loss=loss, batch_size=batch_size, flip=flip) for loss in losses]
    made = [make_fold(kind, splits, rng) for kind in kinds]
    folds = [made[m % len(made)] for m in range(len(recipes))] if made else ()
    assert_engines_agree(splits, recipes, folds, atol=2e-4)


def make_fold(kind, splits, rng):
    n = len(splits.train)
    weights = rng.gamma(1.0, size=n) if kind == "real" else (rng.random(n) < 0.7).astype(float)
    weights[0] = 1
    own = compute_moments(splits.train, weights[None])[0].make_scaler()
    return Fold(weights, own if kind == "own scaler" else fit_scaler(splits.train))


@pytest.mark.parametrize("batch_size", [511, 512, 513, 1024, 1500])
@pytest.mark.parametrize("has_folds", [False, True])
def test_batches_that_come_in_parts_are_whole_ones(batch_size, has_folds):
    splits = make_dataset(1400, 150, 4).split(100)
    rng = np.random.default_rng(0)
    recipes = [RECIPE.replace(batch_size=batch_size, learning_rate=rate, l2=0.1) for rate in (0.1, 1.0)]
    folds = [make_fold("own scaler", splits, rng) for _ in recipes] if has_folds else ()
    assert_engines_agree(splits, recipes, folds)


@pytest.mark.parametrize("features", ["uint8", "float32"])
@pytest.mark.parametrize("has_folds", [False, True])
@pytest.mark.parametrize(("n_members", "n_features"), [(1, 130), (1, 1030), (2, 2100), (9, 1030)])
def test_any_number_of_threads_gives_the_same_bytes(n_members, n_features, has_folds, features):
    """One slab, two and four: threads beyond their number only evaluate."""
    shape, rng = (1, 1, n_features), np.random.default_rng(0)
    splits = make_dataset(1121, n_features, 4, dtype=features, image_shape=shape).split(300)
    folds = [make_fold("own scaler", splits, rng) for _ in range(n_members)] if has_folds else ()
    for batch_size in (8, 700):
        recipes = [RECIPE.replace(batch_size=batch_size, flip=0.5, l2=0.1 * m) for m in range(n_members)]
        first, *others = (
            train_bank(open_native_engine, splits, recipes, n_threads=n_threads, folds=folds)
            for n_threads in (1, 2, 3, 7)
        )
        for other in others:
            assert (first[0].weights.tobytes(), first[0].bias.tobytes()) == (
                other[0].weights.tobytes(),
                other[0].bias.tobytes(),
            )
            assert [a.tobytes() for a in first[1:]] == [a.tobytes() for a in other[1:]]


class Counting:
    """A native bank whose calls are counted; Ctrl-C is pressed in the second one."""

    def __init__(self, native):
        self.native, self.calls = native, 0

    def __getattr__(self, name):
        return getattr(self.native, name)

    def train(self, **words):
        self.calls += 1
        if self.calls == 2:
            signal.raise_signal(signal.SIGINT)
        self.native.train(**words)


def test_ctrl_c_is_heard_in_the_middle_of_a_long_epoch(monkeypatch, request):
    splits = make_dataset(330, 130, 4).split(10)
    bank = make_bank([RECIPE], fit_scaler(splits.train), 4)
    monkeypatch.setattr(native_module, "CALL_OPERATIONS", 5 * 4 * bank.weights.size * RECIPE.batch_size)
    order = make_batch_order(RECIPE, 4, 130).draw_epoch(320)
    # A shell starts background jobs with the signal ignored.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, handler))
    with open_native_engine(bank, None, 2) as engine:
        engine._native = counting = Counting(engine._native)
        with pytest.raises(KeyboardInterrupt):
            engine.run_epoch(splits.train, *order, np.full(1, 0.01))
        assert counting.calls == 2  # of four: 20 batches, five a call
        engine._native = counting.native


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Here threads are not moved.")
def test_threads_that_leave_a_core_may_use_all_of_them_again():
    """The caller sits on the core that the other thread used last: there they meet, sooner or later."""
    splits, allowed = make_dataset(200, 1030, 4).split(30), os.sched_getaffinity(0)
    bank = make_bank([RECIPE], fit_scaler(splits.train), 4)
    order, others = make_batch_order(RECIPE, 4, 1030), set(list_threads())
    with open_native_engine(bank, None, 2) as engine:
        (worker,) = set(list_threads()) - others
        try:
            for _ in range(20):
                os.sched_setaffinity(0, {int(read_fields(worker)[36])})
                engine.run_epoch(splits.train, *order.draw_epoch(len(splits.train)), np.full(1, 0.01))
                assert os.sched_getaffinity(worker) == allowed
        finally:
            os.sched_setaffinity(0, allowed)


def list_threads():
    return [int(name) for name in os.listdir("/proc/self/task")]


def read_fields(thread):
    """Of its status, from the state on; the core that it ran on last is the 37th (proc(5): field 39)."""
    return Path(f"/proc/self/task/{thread}/stat").read_text().rpartition(") ")[2].split()


@pytest.mark.parametrize("has_folds", [False, True])
def test_an_epoch_in_several_calls_is_the_epoch(monkeypatch, has_folds):
    splits = make_dataset(200, 1030, 4, image_shape=(1, 1, 1030)).split(30)
    recipes, rng = [RECIPE.replace(flip=0.5)] * 2, np.random.default_rng(0)
    folds = [make_fold("real", splits, rng) for _ in recipes] if has_folds else ()
    whole = train_bank(open_native_engine, splits, recipes, folds=folds)
    monkeypatch.setattr(native_module, "CALL_OPERATIONS", 4 * 8 * 1030 * 16 * 2)  # two batches a call
    cut = train_bank(open_native_engine, splits, recipes, folds=folds)
    assert whole[0].weights.tobytes() == cut[0].weights.tobytes()
    assert whole[0].bias.tobytes() == cut[0].bias.tobytes()


@pytest.mark.parametrize("open_engine", [open_native_engine, open_numpy_engine])
def test_leaving_an_engine_between_two_epochs_changes_no_byte_of_members_with_scalers_of_their_own(open_engine):
    splits, rng = make_dataset(200, 70, 4).split(30), np.random.default_rng(0)
    folds = [make_fold("own scaler", splits, rng) for _ in range(3)]
    through, _, _, _ = train_bank(open_engine, splits, [RECIPE] * 3, folds=folds)
    bank = make_bank([RECIPE] * 3, folds[0].scaler, 4, folds)
    order = make_batch_order(RECIPE, 4, 70)
    for epoch in (1, 2):
        with open_engine(bank, None) as engine:
            rates = np.full(3, RECIPE.compute_rate(epoch))
            engine.run_epoch(splits.train, *order.draw_epoch(len(splits.train)), rates)
    assert through.weights.tobytes() == bank.weights.tobytes()


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_bank_of_several_labels_a_row(n_threads):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 70)).astype(np.float32)
    y = (X[:, :5] + rng.standard_normal((120, 5)) > 0).astype(np.int64)
    dataset = Dataset(X, y, tuple("abcde"))
    splits = make_splits(dataset, val_size=30)
    assert_engines_agree(splits, [RECIPE.replace(loss="multiple_bce")] * 2)


@pytest.mark.parametrize("features", ["uint8", "float16", "float32"])
def test_rows_that_are_normalised(features):
    dataset = make_dataset(101, 200, 4, dtype=features)
    normal = replace(dataset, normalize="l2", test=replace(dataset.test, normalize="l2"))
    assert_engines_agree(normal.split(20, seed=3), [RECIPE])


@pytest.mark.parametrize("loss", ["cross_entropy", "multiple_bce"])
@pytest.mark.parametrize("size", [1e-3, 1.0, 30.0, 1e4])
def test_losses_of_small_and_huge_scores_are_those_of_float64(loss, size):
    """What exp and log lose shows here: bound 1e-6 of the loss, and 3e-7 where it is nearly 0."""
    splits = make_dataset(60, 70, 5).split(40)
    bank = make_bank([RECIPE.replace(loss=loss, init_std=size)], fit_scaler(splits.train), 5)
    with open_native_engine(bank, None) as engine:
        scores, y = next(iter(engine.iterate_scores(splits.val)))
        losses, _ = next(iter(engine.iterate_losses(splits.val)))
    expected = get_loss(loss).compute_loss(scores.astype(np.float64), y)
    np.testing.assert_allclose(losses, expected, rtol=1e-6, atol=3e-7)


def test_half_precision_is_read_as_numpy_reads_it():
    """All 63,488 finite numbers, subnormal ones included, as the scores of one feature with weight 1."""
    bits = np.arange(1 << 16, dtype=np.uint16)
    X = bits.view(np.float16)
    X = X[np.isfinite(X)][:, None]
    dataset = Dataset(X, np.arange(len(X)) % 2, ("a", "b"))
    splits = make_splits(dataset, val_size=len(X) - 10, test_size=2)
    bank = make_bank([RECIPE], replace(fit_scaler(splits.train), mean=np.zeros(1), std=np.ones(1)), 2)
    bank.weights[:] = 1
    with open_native_engine(bank, None) as engine:
        scores = np.concatenate([scores for scores, _ in engine.iterate_scores(splits.val)], axis=1)
    np.testing.assert_array_equal(scores[0, :, 0], X[splits.val.index, 0].astype(np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("loss", ["cross_entropy", "multiple_bce"])
def test_a_network_that_is_lost_is_lost_in_its_loss(loss, value):
    splits = make_dataset(60, 70, 4).split(40)
    bank = make_bank([RECIPE.replace(loss=loss)], fit_scaler(splits.train), 4)
    bank.bias[2] = value
    with open_native_engine(bank, None) as engine:
        losses, correct = next(iter(engine.iterate_losses(splits.val)))
    with open_numpy_engine(bank, None) as engine:
        expected, right = next(iter(engine.iterate_losses(splits.val)))
    assert np.isfinite(losses).tolist() == np.isfinite(expected).tolist()
    assert correct.tolist() == right.tolist()


def test_the_engine_is_the_one_that_is_given_for(monkeypatch):
    monkeypatch.delenv("MONOLAYER_ENGINE", raising=False)
    assert choose_engine() == "native"
    for name in ("numpy", "native"):
        monkeypatch.setenv("MONOLAYER_ENGINE", name)
        assert choose_engine() == name
    monkeypatch.setenv("MONOLAYER_ENGINE", "fortran")
    with pytest.raises(BadInput, match="MONOLAYER_ENGINE is 'fortran'; accepted are numpy, native"):
        choose_engine()


def test_an_instruction_set_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("MONOLAYER_ISA", "vax")
    splits = make_dataset(60, 70, 4).split(40)
    bank = make_bank([RECIPE], fit_scaler(splits.train), 4)
    accepted = "MONOLAYER_ISA is 'vax'; accepted on this processor are"
    with pytest.raises(BadInput, match=accepted), open_native_engine(bank, None):
        pass


@pytest.mark.cifar10
def test_the_engines_end_forty_epochs_on_cifar10_alike(cifar10, monkeypatch):
    splits, predictions = cifar10.split(val=1000), {}
    for engine in ENGINES:
        monkeypatch.setenv("MONOLAYER_ENGINE", engine)
        run = train(splits, Recipe(learning_rate=0.001, l2=0.001), train_every=0, val_every=0)
        predictions[engine] = run.evaluation["val"].accuracy, predict_rows(run.network, splits.val).scores
    (ours, our_scores), (theirs, their_scores) = predictions["native"], predictions["numpy"]
    assert abs(ours - theirs) <= 0.001
    np.testing.assert_allclose(our_scores, their_scores, atol=1e-3)
