"""A probe: chosen on validation, tested once, the same when it is done again, and few shots that follow from a seed."""

from dataclasses import replace

import numpy as np
import pytest

import monolayer as ml
from monolayer.errors import BadInput

RNG = np.random.default_rng(0)
Y = np.arange(300) % 3
GOOD = (RNG.standard_normal((300, 8)) + 1.5 * np.eye(8)[Y]).astype(np.float16)
NOISE = RNG.standard_normal((300, 5)).astype(np.float32)
NAMES = ("a", "b", "c")
BASE = ml.Recipe(epochs=5, batch_size=20)


def make_splits(y=Y):
    sets = {"noise": ml.Dataset(NOISE, y, NAMES), "good": ml.Dataset(GOOD, y, NAMES)}
    return {name: dataset.split(60, test=60) for name, dataset in sets.items()}


def test_the_better_features_win_and_the_test_rows_are_opened_once_for_them_alone():
    splits = make_splits()
    found = ml.probe(splits, BASE, l2=[0.0, 0.01])
    assert [one.name for one in found.sets] == ["good", "noise"]
    assert found.winner.evaluation["test"].n == 60
    assert found.winner.evaluation["test"].accuracy > 0.6
    assert len(splits["good"].openings) == 1
    assert len(splits["noise"].openings) == 1  # the same rows are no more sealed there


def test_labels_of_test_rows_have_no_say_in_what_wins_and_the_same_is_found_again():
    first, again = (ml.probe(make_splits(), BASE, shots=(2, 5), repeats=3) for _ in range(2))
    assert first.to_dict() == again.to_dict()
    assert first.winner.network.weights.tobytes() == again.winner.network.weights.tobytes()
    other = Y.copy()
    other[-60:] = np.roll(other[-60:], 1)
    changed = ml.probe(make_splits(other), BASE, shots=(2, 5), repeats=3)
    assert changed.winner.network.weights.tobytes() == first.winner.network.weights.tobytes()
    assert [few.recipe for few in changed.few_shot] == [few.recipe for few in first.few_shot]
    assert changed.winner.evaluation["test"].accuracy < first.winner.evaluation["test"].accuracy


def test_the_winner_is_its_recipe_trained_alone():
    splits = make_splits()
    found = ml.probe(splits, BASE, learning_rate=[0.01, 0.1], l2=[0.0, 0.01])
    alone = ml.train(make_splits()["good"], found.winner.recipe)
    np.testing.assert_allclose(found.winner.network.weights, alone.network.weights, atol=1e-5)


def test_more_shots_are_better_and_say_their_spread():
    found = ml.probe(make_splits(), BASE, shots=(1, 20), repeats=4).to_dict()
    few = found["few_shot"]
    assert [one["shots"] for one in few] == [1, 20]
    assert {"few_shot", "features", "winner", "protocol"} <= found.keys()


def test_wrong_input_is_said():
    splits = make_splits()
    with pytest.raises(BadInput, match="shots"):
        ml.probe(splits, BASE, shots=(500,))
    other = replace(splits["noise"].dataset, y=np.roll(Y, 1)).split(60, test=60)
    with pytest.raises(BadInput, match=r"label|rows"):
        ml.probe({"good": make_splits()["good"], "other": other}, BASE)
    with pytest.raises(BadInput, match=r"validation|held out"):
        ml.probe({"good": ml.Dataset(GOOD, Y, NAMES).split(test=60)}, BASE)
