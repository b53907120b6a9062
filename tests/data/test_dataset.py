from dataclasses import replace

import numpy as np
import pytest

from monolayer.data.dataset import Dataset, compute_sha256
from monolayer.errors import BadData

X = np.arange(12, dtype=np.uint8).reshape(3, 4)
Y = np.array([0, 1, 1])


def test_the_hash_is_of_content_and_notices_every_change():
    base = compute_sha256(X, Y)
    assert Dataset(X, Y, ("a", "b")).sha256 == base == compute_sha256(X.copy(), Y.astype(np.int32))
    other = X.copy()
    other[2, 3] += 1
    changed = [compute_sha256(other, Y), compute_sha256(X, Y[::-1]), compute_sha256(X.astype(np.float32), Y),
               compute_sha256(X.reshape(2, 6)[:2], Y[:2]), compute_sha256(X, Y, Dataset(X, Y, ("a", "b")))]  # fmt: skip
    assert len({base, *changed}) == 6


@pytest.mark.parametrize(
    ("features", "labels", "options", "message"),
    [
        (X.astype(np.int32), Y, {}, "X is int32; accepted are uint8, float16, float32, float64"),
        (X[0], Y, {}, r"X must have shape \(n, D\)"),
        (X[:0], Y[:0], {}, "at least one row"),
        (X, Y[:2], {}, r"y must have shape \(3,\)"),
        (X, Y.astype(float), {}, "labels must be integers"),
        (X, np.array([0, 2, 0]), {}, "row 1 has label 2; accepted are 0 to 1"),
        (X, np.array([0, -1, 0]), {}, "row 1 has label -1; accepted are 0 to 1"),
        (X, np.ones((3, 3), int), {}, r"several labels per row must have shape \(3, 2\) to go with X, not \(3, 3\)"),
        (X, np.full((3, 2), 2), {}, "several labels per row must be 0 or 1"),
        (X, Y, {"image_shape": (1, 3, 3)}, "needs 9 features a row, but X has 4"),
    ],
)
def test_what_does_not_fit_together_is_refused(features, labels, options, message):
    with pytest.raises(BadData, match=message):
        Dataset(features, labels, ("a", "b"), **options)


def test_the_hash_is_computed_when_it_is_given_for_and_belongs_to_the_content():
    dataset = Dataset(X, Y, ("a", "b"))
    assert "sha256" not in vars(dataset)
    assert replace(dataset, y=Y[::-1]).sha256 == compute_sha256(X, Y[::-1]) != dataset.sha256
    assert Dataset(X, Y, ("a", "b"), known_sha256="given").sha256 == "given"


def test_a_row_may_have_several_labels_or_none():
    several = Dataset(X, np.array([[0, 1], [1, 1], [0, 0]], np.uint8), ("a", "b"))
    assert (several.is_multi_label, several.n_classes) == (True, 2)
    assert not Dataset(X, Y, ("a", "b")).is_multi_label


def test_two_classes_of_one_name_are_refused():
    with pytest.raises(BadData, match="class_names hold 'a' more than once; accepted are names that differ"):
        Dataset(np.zeros((3, 2), np.uint8), np.arange(3), ("a", "b", "a"))
