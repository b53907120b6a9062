from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monolayer.data.dataset import Dataset
from monolayer.errors import BadInput


def make_dataset(n=60, n_classes=3, n_test=None):
    rng = np.random.default_rng(0)

    def make(rows):
        return rng.integers(0, 255, (rows, 4)).astype(np.uint8), np.arange(rows) % n_classes

    names = tuple("abcdefgh"[:n_classes])
    test = Dataset(*make(n_test), names) if n_test else None
    return Dataset(*make(n), names, test=test)


@given(val=st.integers(0, 20), test=st.integers(1, 20), seed=st.one_of(st.none(), st.integers(0, 99)))
def test_rows_are_disjoint_and_complete(val, test, seed):
    if seed is not None and (0 < val < 3 or test < 3):
        return  # three classes cannot be drawn in proportion into fewer than three rows
    splits = make_dataset().split(val, seed=seed, test=test)
    parts = [splits.train.index, splits.val.index if splits.val else [], splits.open_test("test").index]
    assert [len(part) for part in parts] == [60 - val - test, val, test]
    assert sorted(np.concatenate(parts)) == list(range(60))
    assert all((np.diff(part) > 0).all() for part in parts if len(part) > 1)


def test_without_a_seed_everything_goes_by_file_order():
    splits = make_dataset(n_test=10).split(val=5, train=20)
    assert splits.train.index.tolist() == list(range(20))
    assert splits.val.index.tolist() == list(range(55, 60))
    assert splits.n_test == 10


def test_with_a_seed_classes_keep_their_proportions_and_seeds_differ():
    first, second = (make_dataset(n_test=9).split(val=12, seed=seed).val for seed in (0, 1))
    assert np.bincount(first.y).tolist() == [4, 4, 4]
    assert first.index.tolist() != second.index.tolist()


def test_opening_the_test_rows_is_recorded():
    splits = make_dataset().split()
    assert splits.openings == []
    before = datetime.now(UTC).isoformat(timespec="seconds")
    splits.open_test("final evaluation")
    assert [opening.why for opening in splits.openings] == ["final evaluation"]
    assert before <= splits.openings[0].when <= datetime.now(UTC).isoformat(timespec="seconds")


def test_a_second_opening_must_be_asked_for_by_name():
    splits = make_dataset().split()
    splits.open_test("final evaluation")
    with pytest.raises(BadInput, match=r"opened before \(.*: final evaluation\); .*again=True"):
        splits.open_test("one more look")
    assert len(splits.openings) == 1
    splits.open_test("a bug was found", again=True)
    assert [opening.why for opening in splits.openings] == ["final evaluation", "a bug was found"]


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"val": 48}, "48 validation rows leave no training rows"),
        ({"val": -1}, "val_size is -1"),
        ({"train": 0}, "train_size is 0; accepted are 1 to 48"),
        ({"train": 49}, "train_size is 49; accepted are 1 to 48"),
        ({"test": 60}, "60 test rows leave no training rows"),
        ({"test": 0}, "test_size is 0"),
        ({"val": 1, "seed": 0}, "1 validation rows cannot be drawn in proportion"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(sizes, message):
    with pytest.raises(BadInput, match=message):
        make_dataset().split(**sizes)


def test_a_test_file_bounds_its_own_size():
    with pytest.raises(BadInput, match="accepted are 1 to 10, the test file's rows"):
        make_dataset(n_test=10).split(test=11)


def test_rows_side_by_side_are_a_view_and_others_need_positions():
    dataset = make_dataset(n_test=9)
    X, positions = dataset.split(val=5).train.locate()
    assert positions is None
    assert np.shares_memory(X, dataset.X)
    scattered = dataset.split(val=6, seed=3).train
    X, positions = scattered.locate()
    np.testing.assert_array_equal(X[positions], np.concatenate(list(scattered.iterate_blocks(7))))


def test_the_fingerprint_tells_where_the_rows_are_cut():
    dataset = make_dataset(n_test=10)
    prints = [dataset.split(val, train=train).fingerprint for val, train in ((0, None), (5, None), (6, None), (5, 20))]
    assert len(set(prints)) == 4
    assert dataset.split(5).fingerprint == prints[1]


def make_grouped(n=300, n_groups=30, seed=0):
    rng = np.random.default_rng(seed)
    return replace(make_dataset(n), groups=rng.integers(0, n_groups, n))


@given(seed=st.integers(0, 50), val=st.sampled_from([0.1, 0.25, 40]), test=st.sampled_from([0.2, 0.34, 60]))
@settings(max_examples=25)
def test_rows_of_a_group_stay_together_and_every_row_is_in_one_part(seed, val, test):
    dataset = make_grouped(seed=seed)
    splits = dataset.split(val, test=test, seed=seed)
    parts = [splits.train.index, splits.val.index, splits.open_test("to look").index]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(300))
    groups = [set(dataset.groups[part].tolist()) for part in parts]
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert not groups[1] & groups[2]
    for part, size in zip(parts[1:], (val, test), strict=True):
        wanted = size * 300 if size < 1 else size
        assert wanted / 2 < len(part) < 2 * wanted


def test_groups_need_a_seed_and_enough_of_them():
    with pytest.raises(BadInput, match="Groups stay together, so test rows are drawn at random; set a seed"):
        make_grouped().split()
    with pytest.raises(BadInput, match="need 10 folds of groups, and there are 3 groups; accepted are 86 rows"):
        make_grouped(n_groups=3).split(test=30, seed=0)


@given(share=st.floats(0.01, 0.6), seed=st.one_of(st.none(), st.integers(0, 9)))
@settings(max_examples=30)
def test_a_share_is_that_many_rows(share, seed):
    dataset = make_dataset(300)
    assert len(dataset.split(share, seed=seed).val) == max(1, round(share * 300))


@pytest.mark.parametrize("size", [1.5, -0.1, "half"])
def test_what_is_no_size_is_refused(size):
    with pytest.raises(BadInput, match="accepted is a whole number of 0 or above, or a share of the rows below 1"):
        make_dataset().split(size)


def test_validation_rows_that_a_dataset_has_are_used_as_they_are():
    dataset = make_dataset(90, n_test=45)
    splits = replace(dataset, val=dataset.test, test=None).split(test=10)
    assert (len(splits.train), len(splits.val), splits.n_test) == (80, 45, 10)
    assert splits.val.dataset is dataset.test


def test_a_dataset_may_name_its_own_seed():
    dataset = replace(make_dataset(90), split_seed=3)
    assert dataset.split(20).fingerprint == make_dataset(90).split(20, seed=3).fingerprint


@given(
    labels=st.lists(st.integers(0, 4), min_size=30, max_size=60),
    seed=st.integers(0, 9),
    size=st.sampled_from([0.2, 0.3]),
)
@settings(max_examples=40)
def test_rare_classes_are_trained_on_and_every_row_is_in_one_part(labels, seed, size):
    """The only row of a class cannot be drawn in proportion: it is a training row, and nothing is refused for it."""
    dataset = Dataset(np.arange(len(labels) + 1, dtype=np.uint8)[:, None], np.array([*labels, 5]), tuple("abcdef"))
    splits = dataset.split(size, test=size, seed=seed)
    parts = [splits.train.index, splits.val.index, splits.open_test("to look").index]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(dataset.X)))
    assert len(labels) in splits.train.index
    assert [len(part) for part in parts[1:]] == [round(size * len(dataset.X))] * 2


def test_groups_of_rows_of_a_class_each_are_drawn_without_regard_to_the_classes():
    dataset = replace(make_dataset(40, n_classes=8), y=np.arange(40) // 5, groups=np.arange(40) // 2)
    splits = dataset.split(4, test=4, seed=0)
    groups = [set(dataset.groups[part.index].tolist()) for part in (splits.train, splits.val, splits.open_test("look"))]
    assert sum(map(len, groups)) == 20


def test_one_group_cannot_be_divided():
    with pytest.raises(BadInput, match="there are 1 groups; accepted are 2 groups or more"):
        make_grouped(n_groups=1).split(test=30, seed=0)


def test_rows_of_several_labels_are_drawn_by_the_labels_that_they_have_together():
    y = np.repeat([[1, 0], [0, 1], [1, 1]], [30, 30, 1], axis=0)
    dataset = Dataset(np.arange(61, dtype=np.uint8)[:, None], y, ("a", "b"))
    splits = dataset.split(test=20, seed=0)
    assert splits.open_test("to look").y.sum(axis=0).tolist() == [10, 10]
    assert 60 in splits.train.index


@settings(max_examples=25)
@given(share=st.floats(0.05, 0.9), n_groups=st.integers(40, 200), seed=st.integers(0, 9))
def test_groups_are_cut_near_to_what_was_asked(share, n_groups, seed):
    n = 600
    dataset = make_grouped(n, n_groups, seed)
    largest = np.bincount(dataset.groups).max()
    cut = dataset.split(test=share, seed=seed).n_test
    assert abs(cut - share * n) <= max(largest, 0.06 * n)


@pytest.mark.parametrize(
    ("n_classes", "size", "message"),
    [
        (8, 5, r"each of 8 needs a row there and one to train on, and class 'a' has 2 of 16; accepted are 8 to 8 rows"),
        (8, 9, r"accepted are 8 to 8 rows \(--val-size\)"),
        (4, 13, r"accepted are 4 to 12 rows \(--val-size\)"),
    ],
)
def test_too_few_rows_a_class_are_said_by_class_and_option(n_classes, size, message):
    dataset = replace(make_dataset(16, n_classes), test=make_dataset(8, n_classes))
    with pytest.raises(BadInput, match=message):
        dataset.split(size, seed=0)


def test_classes_of_one_row_each_leave_nothing_to_draw():
    with pytest.raises(BadInput, match=r"class 'a' has 1 of 8; accepted are 2 rows a class or more\."):
        make_dataset(8, 8).split(test=4, seed=0)


@pytest.mark.parametrize(("share", "expected"), [(0.45, 450), (0.3, 300), (0.15, 150), (0.2, 200)])
def test_groups_of_one_row_are_cut_like_rows(share, expected):
    dataset = replace(make_dataset(1000), groups=np.arange(1000))
    assert dataset.split(test=share, seed=0).n_test == pytest.approx(expected, rel=0.03)


def test_a_notebook_is_shown_one_line():
    splits = make_dataset(60).split(20, test=10)
    dataset = repr(splits.dataset)
    assert dataset == f"<Dataset data: 60 x {splits.dataset.X.shape[1]} uint8, 3 classes>"
    assert repr(splits.val) == f"<20 rows of {dataset}>"
    assert repr(splits) == f"<Splits of {dataset}: 30 training, 20 validation and 10 test rows>"
