import threading

import numpy as np
import pytest
import scipy.linalg  # noqa: F401 - it has a BLAS of its own, which would be loaded in the middle of a test
from threadpoolctl import threadpool_info, threadpool_limits

from monolayer.data.scaler import fit_scaler
from monolayer.engine.bank import make_bank
from monolayer.engine.batches import make_batch_order
from monolayer.engine.numpy import open_numpy_engine
from monolayer.recipe.recipe import Recipe
from monolayer.threads import limit_blas_threads
from monolayer.tuning.sweep import sweep
from tests.made import make_dataset


def read_limits():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.fixture
def two_threads():
    """BLAS on two threads, also on a machine with one core."""
    if not read_limits():
        pytest.skip("This BLAS tells no limit, such as Accelerate on macOS.")
    with threadpool_limits(2, user_api="blas"):
        assert read_limits() == {2}
        yield


@pytest.mark.usefixtures("two_threads")
def test_blas_is_held_to_one_thread_and_given_back():
    with limit_blas_threads():
        assert read_limits() == {1}
    assert read_limits() == {2}


@pytest.mark.usefixtures("two_threads")
def test_holds_nest():
    with limit_blas_threads():
        for _ in range(3):
            with limit_blas_threads(), limit_blas_threads():
                assert read_limits() == {1}
            assert read_limits() == {1}
    assert read_limits() == {2}


def hold_and_fail(depth):
    with limit_blas_threads():
        if depth:
            hold_and_fail(depth - 1)
        raise KeyboardInterrupt


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("depth", [0, 2])
def test_an_error_gives_the_limit_back_too(depth):
    with pytest.raises(KeyboardInterrupt):
        hold_and_fail(depth)
    assert read_limits() == {2}
    with limit_blas_threads(), pytest.raises(KeyboardInterrupt):
        hold_and_fail(depth)
    assert read_limits() == {2}


class Holder:
    """A thread that holds BLAS from the time it is made until it is told to leave."""

    def __init__(self):
        self._held, self._leave = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()
        assert self._held.wait(10)

    def _work(self):
        with limit_blas_threads():
            self._held.set()
            self._leave.wait(10)

    def leave(self):
        self._leave.set()
        self._thread.join()


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_threads_that_limit_blas_threads_too_meanwhile_leave_the_limit_to_the_last(order):
    with limit_blas_threads():
        holders = [Holder() for _ in range(3)]
        for i in order:
            assert read_limits() == {1}
            holders[i].leave()
        assert read_limits() == {1}
    assert read_limits() == {2}


@pytest.mark.usefixtures("two_threads")
def test_many_threads_that_come_and_go_leave_the_limit_as_it_was():
    seen = []

    def come_and_go():
        for _ in range(50):
            with limit_blas_threads():
                seen.append(read_limits())

    with limit_blas_threads():
        threads = [threading.Thread(target=come_and_go) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert read_limits() == {1}
    assert len(seen) == 200
    assert all(limits == {1} for limits in seen)
    assert read_limits() == {2}


@pytest.mark.usefixtures("two_threads")
def test_a_sweep_holds_blas_while_it_trains_and_gives_it_back():
    seen = []
    recipe, grid = Recipe(epochs=2, batch_size=10), {"seed": [1, 2, 3]}
    sweep(make_dataset(60).split(20), recipe, grid=grid, on_epoch=lambda recipes, rows: seen.append(read_limits()))
    assert seen == [{1}] * 6
    assert read_limits() == {2}


def train_bank(splits, recipes, n_threads):
    """(slabs, whether there is a worker, scores of the validation rows, bank) after two epochs."""
    bank = make_bank(recipes, fit_scaler(splits.train), splits.dataset.n_classes)
    order = make_batch_order(recipes[0], bank.n_classes, bank.weights.shape[1])
    with open_numpy_engine(bank, splits.dataset.image_shape, n_threads) as engine:
        for epoch in (1, 2):
            rates = np.array([recipe.compute_rate(epoch) for recipe in recipes])
            engine.run_epoch(splits.train, *order.draw_epoch(len(splits.train)), rates)
        scores = np.concatenate([scores for scores, _ in engine.iterate_scores(splits.val)], axis=1)
        return len(engine.slabs), engine.worker is not None, scores, bank


@pytest.mark.parametrize("features", ["uint8", "float32"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_members", [1, 2, 9])  # 4 and 8 rows of weights are few, 36 are many
@pytest.mark.parametrize("losses", [("cross_entropy",), ("multiple_bce",), ("cross_entropy", "multiple_bce")])
def test_one_thread_and_two_give_the_same_bytes(losses, n_members, dtype, features):
    """Two slabs (588 features), flips, an l2 whose shrinking is folded in on the way, batches that do not divide."""
    splits = make_dataset(121, 588, 4, dtype=features, image_shape=(3, 14, 14)).split(30)
    base = Recipe(learning_rate=0.01, batch_size=8, flip=0.5, schedule="step:1:0.5", dtype=dtype)
    recipes = [
        base.replace(loss=losses[i * len(losses) // n_members], l2=[0.1, 20.0, 0.0][i % 3]) for i in range(n_members)
    ]
    slabs, has_partner, scores, bank = train_bank(splits, recipes, 1)
    assert (slabs, has_partner) == (2, False)
    for n_threads in (2, 3):
        slabs, has_partner, other_scores, other = train_bank(splits, recipes, n_threads)
        assert (slabs, has_partner) == (2, True)
        assert bank.weights.tobytes() == other.weights.tobytes()
        assert bank.bias.tobytes() == other.bias.tobytes()
        assert scores.tobytes() == other_scores.tobytes()


def test_narrow_features_are_not_worth_a_second_thread():
    splits = make_dataset(60, 511).split(20)
    slabs, has_partner, _, _ = train_bank(splits, [Recipe(batch_size=10)], 2)
    assert (slabs, has_partner) == (1, False)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_holds_of_several_threads_overlap_and_the_last_gives_the_limit_back(order):
    holders = [Holder() for _ in range(3)]
    assert read_limits() == {1}
    for i in order[:2]:
        holders[i].leave()
        assert read_limits() == {1}
    late = Holder()
    holders[order[2]].leave()
    assert read_limits() == {1}
    late.leave()
    assert read_limits() == {2}


@pytest.mark.usefixtures("two_threads")
def test_threads_that_limit_blas_threads_by_themselves_leave_the_limit_as_it_was():
    seen = []

    def come_and_go():
        for _ in range(50):
            with limit_blas_threads():
                seen.append(read_limits())

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 200
    assert all(limits == {1} for limits in seen)
    assert read_limits() == {2}
