import numpy as np
import pytest

from monolayer.errors import BadData, BadInput
from monolayer.recipe.recipe import Recipe
from monolayer.training.checkpoints import Checkpoints
from monolayer.training.history import EpochRow
from monolayer.training.loop import BankState

RECIPES = (Recipe(), Recipe(learning_rate=0.1), Recipe(learning_rate=1e9))


def make_state(epoch=2, dtype="float32"):
    rng = np.random.default_rng(epoch)
    histories = (
        (EpochRow(1, 0.001), EpochRow(2, 0.0005, 1.5, 1.6, 0.25, float("nan"), float("inf"), 0.1)),
        (),
        (EpochRow(1, 1e9, val_loss=float("nan"), val_accuracy=0.1),),
    )
    weights = rng.standard_normal((30, 7)).astype(dtype)
    return BankState(epoch, weights, weights[:, 0], (0, 1), histories, 1.25)


def make_checkpoints(folder):
    return Checkpoints(folder, lambda: None)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_state_comes_back_with_every_bit_and_what_was_never_measured_stays_so(tmp_path, dtype):
    state = make_state(dtype=dtype)
    make_checkpoints(tmp_path).save_if_due(RECIPES, lambda: state, force=True)
    back = make_checkpoints(tmp_path).load(RECIPES)
    assert back.weights.tobytes() == state.weights.tobytes()
    assert back.weights.dtype == state.weights.dtype
    assert back.bias.tobytes() == state.bias.tobytes()
    assert repr(back.histories) == repr(state.histories)
    assert (back.epoch, back.active, back.seconds) == (2, (0, 1), 1.25)


def test_a_bank_is_known_by_its_recipes_to_the_last_digit(tmp_path):
    make_checkpoints(tmp_path).save_if_due(RECIPES, make_state, force=True)
    other = (*RECIPES[:2], Recipe(learning_rate=1e9 + 1e-6))
    assert make_checkpoints(tmp_path).load(other) is None
    assert make_checkpoints(tmp_path).load(RECIPES[::-1]) is None
    make_checkpoints(tmp_path).save_if_due(other, lambda: make_state(5), force=True)
    assert make_checkpoints(tmp_path).load(RECIPES).epoch == 2


def test_keeping_takes_a_fiftieth_of_the_time_at_most(tmp_path, monkeypatch):
    """A clock that only moves when a checkpoint is made (a tenth of a second) or the training goes on."""
    now = [0.0]
    monkeypatch.setattr("monolayer.training.checkpoints.time.monotonic", lambda: now[0])
    checkpoints, kept = make_checkpoints(tmp_path), []

    def make():
        now[0] += 0.1
        kept.append(now[0])
        return make_state()

    for _ in range(1000):
        now[0] += 0.2
        checkpoints.save_if_due(RECIPES, make, force=False)
    assert 0.015 < 0.1 * len(kept) / now[0] <= 0.0205
    checkpoints.save_if_due(RECIPES, make, force=True)
    assert kept[-1] == now[0]


def test_the_time_of_earlier_processes_is_counted(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("monolayer.training.checkpoints.time.monotonic", lambda: now[0])
    first = make_checkpoints(tmp_path)
    now[0] = 200.0  # the data was loaded meanwhile
    assert first.load(RECIPES) is None
    now[0] = 207.0
    first.save_if_due(RECIPES, make_state, force=True)
    second = make_checkpoints(tmp_path)
    second.load(RECIPES)
    assert second.seconds_before == 7.0
    now[0] = 210.0
    second.save_if_due(RECIPES, make_state, force=True)
    third = make_checkpoints(tmp_path)
    third.load(RECIPES)
    assert third.seconds_before == 10.0


@pytest.mark.parametrize("damage", [lambda content: content[: len(content) // 2], lambda content: b"no checkpoint"])
def test_a_file_that_is_no_checkpoint_is_one_sentence(tmp_path, damage):
    make_checkpoints(tmp_path).save_if_due(RECIPES, make_state, force=True)
    path = next(tmp_path.iterdir())
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(BadData, match="is not a checkpoint of monolayer"):
        make_checkpoints(tmp_path).load(RECIPES)


def test_a_full_disk_leaves_the_older_state_and_says_how_to_go_on(tmp_path, monkeypatch):
    folder = tmp_path / "run" / "unfinished"
    folder.mkdir(parents=True)
    checkpoints = make_checkpoints(folder)
    checkpoints.save_if_due(RECIPES, make_state, force=True)

    def refuse(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("monolayer.files.os.fsync", refuse)
    with pytest.raises(BadInput, match=r"run: cannot be written \(No space left on device\); .* --resume .*run\."):
        checkpoints.save_if_due(RECIPES, lambda: make_state(3), force=True)
    assert make_checkpoints(folder).load(RECIPES).epoch == 2
    assert len(list(folder.iterdir())) == 1
