import hashlib
import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

from monolayer.data.dataset import Dataset, Rows
from monolayer.data.scaler import fit_scaler
from monolayer.errors import BadInput, MonolayerError
from monolayer.recipe.grid import Range
from monolayer.recipe.recipe import Recipe
from monolayer.training.stable_rate import compute_stable_rate
from monolayer.training.train import train
from monolayer.tuning import few_shot
from monolayer.tuning.few_shot import MIN_STEPS, adapt, draw_rows
from monolayer.tuning.probe import probe
from monolayer.tuning.probe_grid import BASE, RATES, make_probe_grid
from monolayer.tuning.sweep import sweep
from tests.made import make_dataset

QUICK = BASE.replace(epochs=3, batch_size=20)
FEW = (1.0, 3.0)
N_VAL = 60


@pytest.fixture(autouse=True)
def fewer_steps(monkeypatch):
    monkeypatch.setattr(few_shot, "MIN_STEPS", 40)


def make_data(seed=0, **options):
    return make_dataset(300, 12, 3, dtype="float32", seed=seed, **options)


def blur(dataset, deviation, seed=1):
    """The same rows and labels by other features: noise on top."""
    rng = np.random.default_rng(seed)

    def change(X):
        return (X + deviation * rng.standard_normal(X.shape)).astype(np.float16)

    return replace(dataset, X=change(dataset.X), test=replace(dataset.test, X=change(dataset.test.X)))


def make_sets(dataset=None, **others):
    """The made data, by the name of ``sharp``, beside the same with noise."""
    dataset = dataset or make_data()
    sets = {"noisy": blur(dataset, 400), "sharp": dataset, **others}
    return {name: one.split(N_VAL, seed=3) for name, one in sets.items()}


def run(splits=None, grid=None, **options):
    grid = {"l2": [0, 0.1], **(grid or {})}
    return probe(make_sets() if splits is None else splits, QUICK, grid=grid, rates=FEW, **options)


def test_the_best_feature_set_wins_with_the_recipe_that_its_own_sweep_finds():
    splits = make_sets()
    found = run(splits)
    assert [one.name for one in found.sets] == ["sharp", "noisy"]
    for one in found.sets:
        alone = sweep(splits[one.name], QUICK, grid=one.grid)
        assert len(one.runs) == len(alone.runs) == 4
        assert one.best.recipe == alone.best.recipe
        np.testing.assert_array_equal(one.best.network.weights, alone.best.network.weights)
    assert found.winner.network is found.sets[0].best.network
    assert found.winner.evaluation["test"].n == 150
    assert found.winner.evaluation["test"] == found.predictions["test"].compute_metrics(
        found.winner.network, found.winner.recipe.l2
    )


def test_the_winner_is_its_recipe_trained_alone():
    winner = run().winner
    alone = train(make_sets()["sharp"], winner.recipe)
    np.testing.assert_allclose(winner.network.weights, alone.network.weights, atol=1e-6)
    assert winner.evaluation["val"].accuracy == alone.evaluation["val"].accuracy


def test_test_labels_choose_nothing():
    dataset = make_data()
    shuffled = np.random.default_rng(5).permutation(dataset.test.y)
    other = replace(dataset, test=replace(dataset.test, y=shuffled))
    a, b = (run(make_sets(one), shots=[2], repeats=2) for one in (dataset, other))
    assert [one.runs for one in a.sets] == [one.runs for one in b.sets]
    assert a.winner.network.weights.tobytes() == b.winner.network.weights.tobytes()
    assert a.winner.network.bias.tobytes() == b.winner.network.bias.tobytes()
    assert a.few_shot[0].recipe == b.few_shot[0].recipe
    assert [r.run.evaluation["val"] for r in a.few_shot[0].repeats] == [
        r.run.evaluation["val"] for r in b.few_shot[0].repeats
    ]
    assert a.winner.evaluation["test"].accuracy > 0.6 > 0.5 > b.winner.evaluation["test"].accuracy


def test_the_test_rows_are_opened_once_for_everything(monkeypatch):
    splits, opened = make_sets(), []
    open_test = type(splits["sharp"]).open_test

    def count(self, reason, *, again=False):
        opened.append(reason)
        return open_test(self, reason, again=again)

    monkeypatch.setattr(type(splits["sharp"]), "open_test", count)
    run(splits, shots=[1, 2], repeats=2)
    assert opened == ["the probe's winner is chosen: sharp"]
    # The rows are the same in every feature set: none of them is sealed any more.
    assert all(len(one.openings) == 1 for one in splits.values())
    with pytest.raises(BadInput, match=r"The test rows of noisy were opened before \(.*: the probe's winner is chosen"):
        run(splits)
    assert len(opened) == 1


def test_twice_is_the_same_to_the_byte():
    a, b = (run(shots=[1, 3], repeats=2) for _ in range(2))
    assert json.dumps(a.to_dict(), allow_nan=False) == json.dumps(b.to_dict(), allow_nan=False)
    assert a.winner.network.weights.tobytes() == b.winner.network.weights.tobytes()
    for first, second in zip(a.few_shot, b.few_shot, strict=True):
        for one, other in zip(first.repeats, second.repeats, strict=True):
            assert one.run.network.weights.tobytes() == other.run.network.weights.tobytes()


def test_only_what_can_be_told_from_the_winner_is():
    dataset = make_data()
    twin = blur(dataset, 5, seed=2)
    found = run(make_sets(dataset, twin=twin))
    marks = {one.name: one.is_indistinguishable for one in found.sets}
    assert marks == {"sharp": True, "twin": True, "noisy": False}
    assert found.sets[0].p_value == 1
    assert found.sets[-1].p_value < 0.05


def test_one_feature_set_is_a_probe_too():
    found = run({"only": make_data().split(N_VAL)})
    assert [one.name for one in found.sets] == ["only"]
    assert found.few_shot == ()
    assert found.to_dict()["protocol"]["few_shot"] is None


def widen(dataset, copies):
    """Every feature so many times: as many times the curvature, and the same answers."""
    test = replace(dataset.test, X=np.tile(dataset.test.X, copies))
    return replace(dataset, X=np.tile(dataset.X, copies), test=test)


def test_a_feature_set_on_which_every_recipe_diverges_stands_last():
    dataset = make_data()
    y = np.random.default_rng(2).permutation(dataset.y)  # which no network can learn
    sound, rates = replace(dataset, y=y), {"learning_rate": [0.3, 0.4], "l2": 0}
    splits = {name: one.split(N_VAL) for name, one in (("wild", widen(sound, 400)), ("sound", sound))}
    found = probe(splits, QUICK, grid=rates)
    assert [(one.name, one.is_indistinguishable, one.p_value) for one in found.sets] == [
        ("sound", True, 1.0),
        ("wild", None, None),
    ]
    assert found.to_dict()["features"][1]["has_diverged"]
    with pytest.raises(BadInput, match="All 2 recipes of every feature set diverged; give lower learning rates"):
        probe({"wild": widen(sound, 400).split(N_VAL)}, QUICK, grid=rates)


def test_a_recipe_that_diverges_on_one_draw_is_not_chosen():
    splits = {"wild": widen(make_data(), 40).split(N_VAL, seed=3)}
    found = probe(splits, QUICK, grid={"learning_rate": [0.001, 1e6], "l2": 0}, shots=[3], repeats=2)
    assert found.few_shot[0].recipe.learning_rate == 0.001


def test_rates_are_multiples_of_what_each_feature_set_bears():
    splits = make_sets()
    found = probe(splits, QUICK, grid={"l2": [0, 0.1]}, rates=(0.5, 2))
    for one in found.sets:
        rows = splits[one.name].train
        hardest = QUICK.replace(l2=0.1)
        stable = compute_stable_rate(rows, np.ones(len(rows)), fit_scaler(rows), hardest, 3)
        assert one.grid["learning_rate"] == pytest.approx([0.5 * stable, 2 * stable], rel=0.01)
    grid = probe(make_sets(), QUICK, grid={"learning_rate": [0.01, 0.02], "l2": 0}).sets[0].grid
    assert grid == {"learning_rate": (0.01, 0.02), "l2": (0.0,)}


def test_rates_are_borne_by_rows_as_they_are_used():
    """Rows divided by their length have other curvatures than rows that are not, whatever their unit."""
    dataset = make_data()
    scaled, normalised = (replace(dataset, X=dataset.X * factor, test=None, normalize="l2") for factor in (1, 8))
    grid = make_probe_grid(None, {"l2": (0.0,)})
    made = [grid.set_rates(grid.list_recipes(), [one.split(N_VAL).train]) for one in (scaled, normalised)]
    assert made[0] == made[1]
    plain = grid.set_rates(grid.list_recipes(), [replace(dataset, test=None).split(N_VAL).train])
    assert made[0] != plain


def test_the_default_grid():
    grid = make_probe_grid(None, {})
    assert grid.multiples == RATES
    assert [recipe.l2 for recipe in grid.list_recipes()] == [0, 1e-4, 1e-3, 1e-2, 1e-1]
    assert {(recipe.init_std, recipe.schedule) for recipe in grid.list_recipes()} == {(0.0, "cosine:0")}


@pytest.mark.parametrize("shots", [1, 4])
def test_a_draw_has_so_many_rows_of_each_class_and_follows_from_the_seed(shots):
    rows = make_data().split(N_VAL, seed=1).train
    draw = draw_rows(rows, shots, 2, 7)
    assert np.bincount(rows.dataset.y[draw.index]).tolist() == [shots] * 3
    assert np.isin(draw.index, rows.index).all()
    assert (np.diff(draw.index) > 0).all()
    np.testing.assert_array_equal(draw.index, draw_rows(rows, shots, 2, 7).index)
    assert set(draw.index) <= set(draw_rows(rows, shots + 3, 2, 7).index)
    others = [draw_rows(rows, shots, repeat, seed) for repeat, seed in ((1, 7), (2, 8))]
    assert all(not np.array_equal(draw.index, other.index) for other in others)


def draw_by_the_card(card, splits, shots, repeat):
    """What the card's rule says, read by somebody who has the card and the data."""
    train, y = splits.train.index, splits.dataset.y
    order = np.random.default_rng([card["seed"], 3, repeat]).permutation(len(train))
    taken = dict.fromkeys(range(splits.dataset.n_classes), 0)
    chosen = []
    for place in order:
        label = int(y[train[place]])
        if taken[label] < shots:
            taken[label] += 1
            chosen.append(train[place])
    return np.array(sorted(chosen))


def test_somebody_else_draws_the_same_rows_from_the_card_alone():
    card = json.loads(json.dumps(run(shots=[1, 4], repeats=3).to_dict()))
    splits = make_sets()[card["winner"]["features"]]
    for few in card["few_shot"]:
        for repeat in few["repeats"]:
            places = draw_by_the_card(card["protocol"]["few_shot"], splits, few["shots"], repeat["repeat"])
            assert hashlib.sha256(places.astype("<i8").tobytes()).hexdigest() == repeat["rows_sha256"]
    assert len({r["rows_sha256"] for few in card["few_shot"] for r in few["repeats"]}) == 6


def test_a_few_shot_run_is_the_run_alone_on_the_same_rows():
    splits = make_sets()
    found = run(splits, shots=[2, 30], repeats=2)
    sharp = splits["sharp"]
    for few, repeat in itertools.product(found.few_shot, range(2)):
        one = few.repeats[repeat]
        drawn = replace(sharp, train=Rows(sharp.dataset, one.draw.index))
        alone = train(drawn, few.recipe)
        np.testing.assert_array_equal(one.run.network.weights, alone.network.weights)
        np.testing.assert_array_equal(one.run.network.mean, fit_scaler(drawn.train).mean)
        assert one.run.evaluation["val"] == alone.evaluation["val"]
        correct = alone.network.predict(sharp.dataset.test.X) == sharp.dataset.test.y
        assert one.run.evaluation["test"].accuracy == correct.mean()
    spread = found.few_shot[0].summarise("test")
    accuracies = [one.run.evaluation["test"].accuracy for one in found.few_shot[0].repeats]
    assert (spread.mean, spread.sd, spread.n) == (np.mean(accuracies), np.std(accuracies, ddof=1), 2)


def test_the_recipe_of_a_number_of_shots_has_the_best_mean_over_the_repeats():
    splits = make_sets()["sharp"]
    few = run({"sharp": splits}, shots=[3], repeats=3).few_shot[0]
    tried = [
        few.recipe.replace(**dict(zip(few.grid, point, strict=True))) for point in itertools.product(*few.grid.values())
    ]
    assert few.n_recipes == len(tried) == 4
    means = {}
    for recipe in tried:
        runs = [train(replace(splits, train=Rows(splits.dataset, one.draw.index)), recipe) for one in few.repeats]
        vals = [one.evaluation["val"] for one in runs]
        means[recipe] = np.mean([val.accuracy for val in vals]), -np.mean([val.loss for val in vals])
    assert max(means, key=means.get) == few.recipe
    assert few.summarise("val").mean == pytest.approx(means[few.recipe][0])


def test_repeats_that_do_not_fit_beside_each_other_are_trained_one_after_the_other(monkeypatch):
    together = run(shots=[2], repeats=3).to_dict()
    monkeypatch.setattr(few_shot, "AT_ONCE_BYTES", 1)
    assert run(shots=[2], repeats=3).to_dict() == together


def test_few_rows_get_smaller_batches_and_more_epochs(monkeypatch):
    monkeypatch.setattr(few_shot, "MIN_STEPS", MIN_STEPS)
    recipe = Recipe(batch_size=100, epochs=40, shuffle="block:4:6", schedule="cosine")
    for n_rows, batch_size, epochs in ((10, 10, 1000), (250, 100, 334), (100_000, 100, 40)):
        adapted = adapt(recipe, n_rows)
        assert adapted == recipe.replace(batch_size=batch_size, epochs=epochs, shuffle="full")
    with pytest.raises(BadInput, match=r"The schedule step:10:0.1 counts epochs, .* accepted are constant and cosine"):
        adapt(recipe.replace(schedule="step:10:0.1"), 10)


def test_features_on_the_disk_give_what_features_in_memory_give(tmp_path):
    dataset = make_data()
    np.save(tmp_path / "X.npy", dataset.X)
    mapped = replace(dataset, X=np.load(tmp_path / "X.npy", mmap_mode="r"))
    base = QUICK.replace(shuffle="block:8:4")
    a, b = (
        probe({"x": one.split(N_VAL, seed=3)}, base, grid={"l2": 0}, rates=FEW, shots=[2], repeats=2)
        for one in (dataset, mapped)
    )
    assert a.to_dict() == b.to_dict()
    assert a.winner.recipe.shuffle == "block:8:4"
    assert a.few_shot[0].recipe.shuffle == "full"


def test_several_labels_a_row_can_be_probed_without_shots():
    dataset = make_data()
    y = np.eye(3, dtype=np.int64)[dataset.y]
    several = replace(dataset, y=y, test=None)
    base = QUICK.replace(loss="multiple_bce")
    assert probe({"x": several.split(N_VAL)}, base, grid={"l2": 0}, rates=FEW).winner.evaluation["test"].n == 60
    with pytest.raises(BadInput, match="Shots are rows per class, but these rows have several labels each"):
        probe({"x": several.split(N_VAL)}, base, shots=[1])


def spoil(**changes):
    """The made data beside itself with something else."""

    def make():
        dataset = make_data()
        changed = {name: change(dataset) for name, change in changes.items()}
        return {"a": dataset.split(N_VAL), "b": replace(dataset, **changed).split(N_VAL)}

    return make


SAME = "feature sets of a probe have the same rows in the same order"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (dict, "A probe needs at least one feature set"),
        (spoil(X=lambda d: d.X[:290], y=lambda d: d.y[:290]), f"b and a have 290 and 300 rows; {SAME}"),
        (spoil(test=lambda _: None), f"b and a have 0 and 150 test rows; {SAME}"),
        (spoil(y=lambda d: d.y[::-1]), f"b and a have different labels; {SAME}"),
        (spoil(test=lambda d: replace(d.test, y=d.test.y[::-1])), f"b and a have different labels; {SAME}"),
        (lambda: {"a": make_data().split()}, "no rows are held out; give a val_size above 0"),
        (lambda: {"a": make_data().split(N_VAL), "b": make_data().split(N_VAL, seed=1)}, "are split differently"),
        (lambda: {"a": make_data().split(N_VAL), "b": make_data().split(70)}, "are split differently"),
    ],
)
def test_feature_sets_that_do_not_belong_together_are_refused(make, message):
    with pytest.raises(BadInput, match=message):
        run(make())


def test_other_classes_are_refused():
    dataset = make_data()
    names = ("x", "y", "z")
    other = replace(dataset, class_names=names, test=replace(dataset.test, class_names=names))
    with pytest.raises(BadInput, match=f"b and a have different classes; {SAME}"):
        run({"a": dataset.split(N_VAL), "b": other.split(N_VAL)})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"shots": [1, 200]},
            r"200 shots are more than the \d+ training rows of class 'class \d'; accepted",
        ),
        ({"shots": [0]}, "shots is 0; accepted is a whole number of 1 or above"),
        ({"shots": [1.5]}, "shots is 1.5; accepted is a whole number"),
        ({"shots": [1], "repeats": 0}, "repeats is 0; accepted is a whole number of 1 or above"),
        ({"grid": {"momentum": [0.9]}}, "has no field 'momentum'"),
        ({"grid": {"batch_size": [5000]}}, "batch_size is 5000; accepted are 1 to 240, the training rows"),
        (
            {"grid": {"learning_rate": Range("log", 0.1, 1)}},
            "learning_rate is a range without a number of values; give one",
        ),
        ({"shots": [1], "grid": {"schedule": ["exponential:0.9"]}}, "The schedule exponential:0.9 counts epochs"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_before_anything_is_trained(monkeypatch, options, message):
    monkeypatch.setattr("monolayer.training.scheduler.run_jobs", None)
    with pytest.raises(BadInput, match=message):
        run(**options)


@pytest.mark.parametrize("epochs_before", [0, 4, 8])  # on the first feature set, on the second, on few rows
def test_a_probe_that_is_stopped_leaves_the_test_rows_sealed(epochs_before):
    splits, asked = make_sets(), itertools.count()
    with pytest.raises(MonolayerError, match="its test rows are still sealed"):
        run(splits, shots=[2], should_stop=lambda: next(asked) >= epochs_before)
    assert not any(one.openings for one in splits.values())


def test_splits_without_a_name_are_refused():
    with pytest.raises(BadInput, match=r"^splits is a Splits; accepted is a mapping of names to splits"):
        run(make_data().split(N_VAL))


def test_a_probe_takes_no_checkpointer():
    with pytest.raises(BadInput, match="A probe keeps no checkpoints"):
        run(checkpointer=object())


@pytest.mark.parametrize("rates", [(), (0.0,), (1.0, float("nan"))])
def test_rates_are_above_0(rates):
    with pytest.raises(BadInput, match="accepted are multiples above 0 of the stable rate"):
        probe(make_sets(), rates=rates)


def test_a_class_without_training_rows_has_no_shots():
    rng = np.random.default_rng(0)
    dataset = Dataset(rng.standard_normal((60, 4)).astype(np.float32), np.arange(60) % 2, ("a", "b", "c"))
    with pytest.raises(BadInput, match="Class 'c' has no training row to draw"):
        run({"x": dataset.split(10)}, shots=[1])
