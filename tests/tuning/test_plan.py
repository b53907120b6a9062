import itertools
import json
import tracemalloc
from collections import Counter
from dataclasses import astuple
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monolayer.engine.bank import SHARED_FIELDS
from monolayer.engine.numpy import Slab
from monolayer.errors import BadInput
from monolayer.recipe.grid import make_grid
from monolayer.recipe.recipe import Recipe
from monolayer.training import scheduler
from monolayer.tuning import plan as plan_module
from monolayer.tuning.halving import plan_rungs
from monolayer.tuning.plan import MAX_ROWS, TIMED_BATCHES, Plan, choose_train_every, group_recipes
from monolayer.tuning.sweep import plan_sweep, train_recipes
from tests.made import make_dataset

BASE = Recipe(epochs=4, batch_size=10)
ASSIGNMENT = make_grid(
    Recipe(), {"learning_rate": (0.001, 0.005, 0.01), "l2": (0, 0.001, 0.1, 1), "batch_size": (50, 100, 200)}
)

RECIPES = st.lists(
    st.builds(
        Recipe,
        loss=st.sampled_from(["cross_entropy", "multiple_bce"]),
        learning_rate=st.floats(1e-6, 1.0),
        l2=st.sampled_from([0.0, 0.1]),
        batch_size=st.sampled_from([50, 100]),
        epochs=st.sampled_from([1, 40]),
        flip=st.sampled_from([0.0, 0.5]),
        seed=st.sampled_from([1, 42]),
        dtype=st.sampled_from(["float32", "float64"]),
    ),
    max_size=60,
    unique=True,
)


@pytest.fixture(autouse=True)
def _count_in_numpy(monkeypatch):
    """Products are counted, and memory traced, where Python sees them."""
    monkeypatch.setenv("MONOLAYER_ENGINE", "numpy")


def read_shared(recipe):
    return tuple(getattr(recipe, name) for name in SHARED_FIELDS)


@given(recipes=RECIPES, n_classes=st.sampled_from([2, 10, 64, 100, 319, 320, 640, 1000]), data=st.data())
def test_recipes_that_can_share_a_bank_share_as_few_as_the_size_allows(recipes, n_classes, data):
    banks = group_recipes(recipes, n_classes)
    assert Counter(itertools.chain(*banks)) == Counter(recipes)
    sizes = {}
    for bank in banks:
        (shared,) = {read_shared(recipe) for recipe in bank}
        sizes.setdefault(shared, []).append(len(bank))
        losses = [loss for loss, _ in itertools.groupby(recipe.loss for recipe in bank)]
        assert len(losses) == len(set(losses))  # members of one loss stand side by side
    most = max(1, MAX_ROWS // n_classes)
    for shared, of_group in sizes.items():
        n = sum(read_shared(recipe) == shared for recipe in recipes)
        assert max(of_group) <= most
        assert max(of_group) - min(of_group) <= 1
        assert (len(of_group) - 1) * most < n  # one bank fewer would not hold them
    assert group_recipes(data.draw(st.permutations(recipes)), n_classes) == banks


def test_the_assignments_grid_is_three_banks_of_twelve():
    banks = group_recipes(ASSIGNMENT, 10)
    assert [(len(bank), bank[0].batch_size) for bank in banks] == [(12, 50), (12, 100), (12, 200)]


@pytest.mark.parametrize(
    ("n", "n_classes", "sizes"),
    [
        (64, 10, [64]),
        (65, 10, [32, 33]),
        (130, 10, [43, 43, 44]),
        (7, 100, [3, 4]),
        (3, 640, [1, 1, 1]),
        (2, 1000, [1, 1]),
    ],
)
def test_a_bank_that_would_be_too_large_is_divided_evenly(n, n_classes, sizes):
    recipes = [Recipe(l2=i / n) for i in range(n)]
    assert sorted(map(len, group_recipes(recipes, n_classes))) == sizes


@given(st.integers(1, 10_000))
def test_training_rows_are_evaluated_three_or_four_times_and_after_the_last_epoch(epochs):
    every = choose_train_every(epochs)
    evaluated = {epoch for epoch in range(1, epochs + 1) if epoch % every == 0} | {epochs} if epochs < 500 else None
    times = len(evaluated) if evaluated else -(-epochs // every)
    assert min(epochs, 3) <= times <= 4
    if epochs % 4 == 0:
        assert times == 4


def test_the_training_rows_are_evaluated_when_the_plan_says():
    result = train_recipes(make_dataset(60).split(20), [BASE.replace(epochs=9), BASE], {})
    seen = {run.recipe.epochs: [row.epoch for row in run.history if row.train_loss is not None] for run in result.runs}
    assert seen == {9: [3, 6, 9], 4: [1, 2, 3, 4]}


@pytest.mark.parametrize("train_every", [None, 0, 1, 2])
def test_operations_are_those_of_the_matrix_products_that_a_grid_really_makes(monkeypatch, train_every):
    """Two a weight and row, for scores and for gradients: counted as the engine's slabs go through them."""
    done, forward, backward = [0], Slab.forward, Slab.backward

    def count_forward(self, source, batch):
        forward(self, source, batch)
        done[0] += 2 * self.weights.size * (batch.stop - batch.start)

    def count_backward(self, residual, fold):
        backward(self, residual, fold)
        done[0] += 2 * self.weights.size * (residual.shape[1] - 1)  # the mean's column is no row

    splits = make_dataset(98, 520).split(26)
    recipes = make_grid(BASE, {"l2": (0, 0.1), "loss": ("cross_entropy", "multiple_bce"), "batch_size": (10, 71)})
    recipes += make_grid(BASE, {"seed": (1, 2, 3), "epochs": (4, 8)})
    monkeypatch.setattr(scheduler, "count_cores", lambda: 1)  # the counter belongs to one thread
    monkeypatch.setattr(Slab, "forward", count_forward)
    monkeypatch.setattr(Slab, "backward", count_backward)
    train_recipes(splits, recipes, {}, train_every=train_every)
    assert plan_sweep(splits, recipes, train_every=train_every).operations == done[0]


def test_the_assignments_operations_are_those_of_its_loop():
    """3,072 features, 10 classes, 49,000 rows: 40 epochs of steps, 40 of 1,000 validation rows, 4 of training rows."""
    splits = SimpleNamespace(
        train=range(49_000), val=range(1000), dataset=SimpleNamespace(n_classes=10, X=np.empty((0, 3072)))
    )
    plan = Plan(splits, tuple(group_recipes(ASSIGNMENT, 10)))
    a_row = 2 * 10 * 3072
    assert plan.operations == 36 * a_row * (2 * 40 * 49_000 + 40 * 1000 + 4 * 49_000)
    assert plan.member_epochs == 36 * 40
    halved = Plan(splits, plan.banks, plan_rungs(36, 40))
    assert halved.member_epochs == 231
    assert 36 * a_row * 2 * 3 * 49_000 < halved.operations < plan.operations / 4


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("n", [9, 16, 50])
def test_with_rungs_there_is_less_to_do_and_member_epochs_are_what_is_trained(n, factor):
    splits = make_dataset(60).split(20)
    recipes = [BASE.replace(epochs=16, learning_rate=0.001 * i, batch_size=10 + i % 2) for i in range(1, n + 1)]
    plan = plan_sweep(splits, recipes, halving=factor)
    full = plan_sweep(splits, recipes)
    assert plan.banks == full.banks
    assert plan.operations < full.operations
    result = train_recipes(splits, recipes, {}, halving=factor)
    assert plan.member_epochs == sum(len(run.history) for run in result.runs)


def test_segments_cover_every_epoch_of_every_bank():
    splits = make_dataset(60).split(20)
    recipes = make_grid(BASE, {"l2": tuple(np.linspace(0, 1, 20)), "epochs": (16, 40), "seed": (1, 2, 3)})
    plan = plan_sweep(splits, recipes, halving=4)
    assert len(plan.banks) == 6
    for bank in plan.banks:
        mine = [s for s in plan.segments if read_shared(s.recipe) == read_shared(bank[0])]
        assert sum(stretch.epochs for stretch in mine) == bank[0].epochs
        members = [stretch.members for stretch in mine]
        assert members[0] == len(bank)
        assert members == sorted(members, reverse=True)
        assert members[-1] >= 1


@pytest.mark.parametrize("n_cores", [1, 2])
@pytest.mark.parametrize(
    ("n_features", "fields"),
    [
        (2000, {}),
        (2000, {"dtype": ("float64",)}),
        (1000, {"batch_size": (10, 300), "loss": ("cross_entropy", "multiple_bce")}),
        (1000, {"seed": (1, 2, 3)}),
    ],
)
def test_the_plans_memory_is_a_bound_on_what_training_takes_and_no_wild_one(monkeypatch, n_cores, n_features, fields):
    for module in (plan_module, scheduler):
        monkeypatch.setattr(module, "count_cores", lambda: n_cores)
    monkeypatch.setattr(scheduler, "TIME_SLICE_S", 1e9)
    splits = make_dataset(400, n_features, 10).split(60)
    rates = tuple(np.linspace(1e-5, 1e-3, 64 // len(fields.get("loss", "1"))))
    recipes = make_grid(BASE.replace(epochs=2, batch_size=50), {"learning_rate": rates, **fields})
    assert max(map(len, group_recipes(recipes, 10))) == 64
    train_recipes(splits, recipes[:1], {})  # what is loaded at first use is not training's
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        result = train_recipes(splits, recipes, {})
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert len(result.runs) == len(recipes)
    bound = plan_sweep(splits, recipes).memory
    assert peak <= bound
    assert bound <= 3 * peak


def test_memory_counts_the_banks_that_are_at_work_at_once(monkeypatch):
    splits = make_dataset(60, 600).split(20)
    memory = {}
    for n_cores in (1, 2, 3, 4):
        monkeypatch.setattr(plan_module, "count_cores", lambda n=n_cores: n)
        memory[n_cores] = plan_sweep(splits, make_grid(BASE, {"seed": (1, 2, 3), "l2": range(200)})).memory
    assert memory[2] - memory[1] == memory[3] - memory[2] > 0
    assert memory[4] == memory[3]


def fake_clock(monkeypatch):
    """Each look at the clock takes a second, so that every timed block of batches takes one, too."""
    clock = itertools.count()
    monkeypatch.setattr(plan_module, "time", SimpleNamespace(perf_counter=lambda: float(next(clock))))


def test_the_estimate_is_the_time_of_a_row_times_the_rows_by_the_cores_in_use(monkeypatch):
    fake_clock(monkeypatch)
    splits = make_dataset(200).split(40)
    n_timed = TIMED_BATCHES * 10
    for n_cores, n_banks in ((1, 1), (4, 1), (1, 2), (2, 2), (4, 2), (2, 3)):
        monkeypatch.setattr(plan_module, "count_cores", lambda n=n_cores: n)
        plan = plan_sweep(splits, make_grid(BASE, {"l2": (0, 1), "seed": tuple(range(n_banks))}))
        rows = n_banks * (4 * 200 - 4 * 40 + 4 * (200 - 40) / 2 + 4 * 40 / 2)
        assert plan.estimate_seconds() == pytest.approx(rows / n_timed / min(n_cores, n_banks))


def test_the_estimate_times_a_few_batches_of_each_kind_however_many_epochs_there_are(monkeypatch):
    splits = make_dataset(200).split(40)
    met, forward = [0], Slab.forward

    def count(self, source, batch):
        forward(self, source, batch)
        met[0] += batch.stop - batch.start

    monkeypatch.setattr(Slab, "forward", count)
    for epochs in (4, 4000):
        met[0] = 0
        plan = plan_sweep(splits, make_grid(BASE, {"l2": (0, 1), "seed": (1, 2, 3), "epochs": (epochs,)}))
        assert plan.estimate_seconds() > 0
        assert met[0] == 2 * TIMED_BATCHES * 10  # warm-up and timed; banks that differ in their seed are of one kind


def test_the_estimate_trains_nothing_and_leaves_everything_as_it_was(monkeypatch):
    splits = make_dataset(60, image_shape=(1, 3, 4)).split(20)
    recipes = make_grid(BASE, {"l2": (0, 1), "flip": (0, 0.5), "dtype": ("float32", "float64"), "batch_size": (10, 40)})
    plan = plan_sweep(splits, recipes, halving=2)
    data, state = (splits.dataset.X.copy(), splits.dataset.y.copy()), np.random.get_state()
    expected = [run.network.weights.tobytes() for run in train_recipes(splits, recipes, {}).runs]
    assert plan.estimate_seconds() > 0
    np.testing.assert_array_equal(splits.dataset.X, data[0])
    np.testing.assert_array_equal(splits.dataset.y, data[1])
    assert all(np.array_equal(a, b) for a, b in zip(state, np.random.get_state(), strict=True))
    assert splits.openings == []
    assert [run.network.weights.tobytes() for run in train_recipes(splits, recipes, {}).runs] == expected


def test_a_plan_in_json_says_what_will_be_trained():
    splits = make_dataset(60).split(20)
    content = plan_sweep(splits, make_grid(BASE, {"l2": (0, 1, 2), "seed": (1, 2)}), halving=4).to_dict()
    assert json.loads(json.dumps(content)) == content
    assert content["n_recipes"] == 6
    assert [(bank["members"], bank["seed"]) for bank in content["banks"]] == [(3, 1), (3, 2)]
    assert content["rungs"] == [{"share": 0.25, "n_kept": 1}]
    assert content["epochs_of_members"] == 6 * 1 + 1 * 3
    assert content["operations"] > 0 < content["memory_bytes"]


def test_banks_are_in_the_order_of_what_their_members_share():
    recipes = make_grid(BASE, {"seed": (2, 1), "batch_size": (20, 10), "l2": (1, 0)})
    banks = group_recipes(recipes, 3)
    assert [(bank[0].seed, bank[0].batch_size) for bank in banks] == [(1, 10), (1, 20), (2, 10), (2, 20)]
    assert all(list(bank) == sorted(bank, key=astuple) for bank in banks)


def test_no_recipes_or_nothing_held_out_is_no_plan():
    with pytest.raises(BadInput, match="needs at least one recipe"):
        plan_sweep(make_dataset(60).split(20), [])
    with pytest.raises(BadInput, match="no rows are held out"):
        plan_sweep(make_dataset(60).split(), [BASE])
    with pytest.raises(BadInput, match="factor of successive halving is 1;"):
        plan_sweep(make_dataset(60).split(20), [BASE], halving=1)


@pytest.mark.parametrize(
    ("n_rows", "n_features", "n_members"), [(32_000, 20, 64), (4_000, 3_072, 1), (32_000, 512, 64)]
)
def test_the_memory_holds_what_many_rows_and_the_scaler_take_too(n_rows, n_features, n_members):
    splits = make_dataset(n_rows, n_features, 10).split(100)
    recipes = [Recipe(epochs=1, learning_rate=0.001 * (1 + i)) for i in range(n_members)]
    plan = plan_sweep(splits, recipes)
    tracemalloc.start()
    try:
        train_recipes(splits, recipes, {})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= plan.memory + 1_000_000
