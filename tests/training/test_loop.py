import numpy as np
import pytest

from monolayer.data.scaler import fit_scaler
from monolayer.engine.bank import make_bank
from monolayer.recipe.recipe import Recipe
from monolayer.training.loop import BankTraining
from monolayer.training.options import TrainOptions
from monolayer.training.run import make_runs
from monolayer.training.train import train, train_bank
from tests.made import make_dataset

BASE = Recipe(epochs=6, batch_size=10, l2=0.01, flip=0.5)
LOST = BASE.replace(learning_rate=1e6, l2=1.0)


@pytest.fixture
def splits():
    return make_dataset(n_features=12, image_shape=(1, 3, 4)).split(40)


class Memory:
    """Keeps every state, as a disk would: copies, since the bank goes on changing its own."""

    def __init__(self, states=()):
        self.states = list(states)

    def load(self, recipes):
        return self.states[-1] if self.states else None

    def save_if_due(self, recipes, make_state, *, force):
        state = make_state()
        self.states.append(type(state)(**{**vars(state), "weights": state.weights.copy(), "bias": state.bias.copy()}))


def make_training(splits, recipes, options=None):
    bank = make_bank(recipes, fit_scaler(splits.train), splits.dataset.n_classes)
    return BankTraining(bank, splits, options or TrainOptions())


def test_a_member_that_is_lost_leaves_and_the_others_train_on_as_if_alone(splits):
    recipes = [BASE, LOST, BASE.replace(learning_rate=0.002)]
    runs = train_bank(splits, recipes)
    assert [run.ends_early for run in runs] == [False, True, False]
    assert len(runs[1].history) < 6
    assert runs[1].has_diverged
    assert runs[1].is_complete
    for run in (runs[0], runs[2]):
        alone = train(splits, run.recipe)
        np.testing.assert_allclose(run.network.weights, alone.network.weights, atol=1e-6)
        assert [row.val_loss for row in run.history] == pytest.approx([row.val_loss for row in alone.history])


def test_when_all_are_lost_the_training_ends(splits):
    result = []

    class Display:
        def advance(self, task, done, total, unit=""):
            result.append((done, total))

    runs = train_bank(splits, [LOST, LOST.replace(l2=2.0)], progress=Display())
    assert all(run.ends_early and not np.isfinite(run.evaluation["val"].loss) for run in runs)
    assert result[-1] == (6, 6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("every", [0, 1])
def test_taken_up_from_any_epoch_it_ends_with_the_same_bytes(splits, dtype, every):
    recipes = [r.replace(dtype=dtype) for r in (BASE, LOST, BASE.replace(loss="multiple_bce", learning_rate=0.01))]
    memory = Memory()
    whole = train_bank(splits, recipes, train_every=every, checkpointer=memory)
    assert [state.epoch for state in memory.states] == [1, 2, 3, 4, 5, 6]
    for state in memory.states:
        again = train_bank(splits, recipes, train_every=every, checkpointer=Memory([state]))
        for first, second in zip(whole, again, strict=True):
            assert first.network.weights.tobytes() == second.network.weights.tobytes()
            assert first.network.bias.tobytes() == second.network.bias.tobytes()
            assert repr(first.history) == repr(second.history)
            assert repr(first.evaluation) == repr(second.evaluation)
            assert first.val_correct.tobytes() == second.val_correct.tobytes()
            assert first.ends_early == second.ends_early


def test_a_stop_leaves_no_trace_in_what_is_kept(splits):
    """A run that is stopped evaluates all rows where it stands; one that is never stopped would not have."""
    memory, asked = Memory(), iter([False, True])
    options = {"train_every": 0, "val_every": 0}
    stopped = train_bank(splits, [BASE], should_stop=lambda: next(asked), checkpointer=memory, **options)[0]
    assert stopped.history[-1].train_loss is not None
    assert memory.states[-1].histories[0][-1].train_loss is None
    resumed = train_bank(splits, [BASE], checkpointer=Memory(memory.states), **options)[0]
    whole = train_bank(splits, [BASE], **options)[0]
    assert resumed.network.weights.tobytes() == whole.network.weights.tobytes()
    assert resumed.history == whole.history


def test_members_can_be_let_go_between_two_segments(splits):
    recipes = [BASE, BASE.replace(learning_rate=0.002), BASE.replace(learning_rate=0.003)]
    training = make_training(splits, recipes)
    training.run(2)
    training.retain([2])
    training.run()
    runs = make_runs(training)
    assert [len(run.history) for run in runs] == [2, 2, 6]
    alone = train(splits, recipes[2])
    np.testing.assert_allclose(runs[2].network.weights, alone.network.weights, atol=1e-6)
    asked = iter([False, True])
    early = train(splits, recipes[0], should_stop=lambda: next(asked))
    np.testing.assert_allclose(runs[0].network.weights, early.network.weights, atol=1e-6)


def test_a_part_of_a_bank_is_a_copy_that_can_be_put_back(splits):
    recipes = [BASE, BASE.replace(init_std=0.1), BASE.replace(init_std=1.0)]
    bank = make_bank(recipes, fit_scaler(splits.train), 3)
    before = [bank.compute_weights(m) for m in range(3)]
    part = bank.take([0, 2])
    np.testing.assert_array_equal(part.compute_weights(1), before[2])
    part.weights *= 2
    np.testing.assert_array_equal(bank.compute_weights(2), before[2])
    bank.put([0, 2], part)
    np.testing.assert_allclose(bank.compute_weights(2), 2 * before[2])
    np.testing.assert_array_equal(bank.compute_weights(1), before[1])
