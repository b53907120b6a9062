"""What users hand over: what is taken as it is, and the sentence that refuses the rest."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.sparse import csr_array
from sklearn.exceptions import DataConversionWarning

from monolayer.errors import BadInput
from monolayer.sklearn import OneLayerClassifier
from monolayer.sklearn.validation import compute_class_weights, encode_targets, validate_features, validate_rows
from tests.sklearn.made import make_rows, make_several_labels


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "uint8"])
@pytest.mark.parametrize("mapped", [False, True])
def test_features_are_read_where_they_lie(dtype, mapped, tmp_path):
    X, y = make_rows(50)
    X = np.abs(X).astype(dtype)
    if mapped:
        np.save(tmp_path / "X.npy", X)
        X = np.load(tmp_path / "X.npy", mmap_mode="r")
    classifier = OneLayerClassifier()
    read, labels = validate_rows(classifier, X, y, reset=True)
    assert np.shares_memory(read, X)
    assert read.dtype == dtype
    assert np.shares_memory(validate_features(classifier, X), X)
    assert np.shares_memory(labels, y)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("int64", "float64"), ("uint32", "float64"), ("int8", "float32"), ("bool", "float32"), ("uint16", "float32")],
)
def test_other_numbers_become_float32_where_that_is_exact_or_float64(dtype, expected):
    X, y = make_rows(50)
    read, _ = validate_rows(OneLayerClassifier(), (X > 5).astype(dtype), y, reset=True)
    assert read.dtype == expected
    np.testing.assert_array_equal(read, X > 5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("row", [0, 4095, 4096, 4999])
def test_a_value_that_is_not_finite_is_found_wherever_it_is(value, dtype, row):
    X, y = make_rows(5000, 2, dtype=dtype)
    X[row, 1] = value
    with pytest.raises(ValueError, match=r"Input X contains (NaN|infinity)"):
        validate_rows(OneLayerClassifier(), X, y, reset=True)


LABELS = st.one_of(
    arrays.arrays(np.int64, 20, elements=st.integers(-3, 3)),
    arrays.arrays("<U3", 20, elements=st.text("abc", max_size=3)),
    arrays.arrays(bool, 20),
)


@given(labels=LABELS, present=arrays.arrays(bool, 20), loss=st.sampled_from(["cross_entropy", "multiple_bce"]))
def test_labels_are_places_among_their_classes(labels, present, loss):
    present[:2] = True
    if len(np.unique(labels[present])) < 2:
        with pytest.raises(BadInput, match="accepted are labels of 2 classes or more"):
            encode_targets(labels, loss, present=present)
        return
    targets = encode_targets(labels, loss, present=present)
    np.testing.assert_array_equal(targets.classes, np.unique(labels[present]))
    np.testing.assert_array_equal(targets.classes[targets.y.ravel()][present], labels[present])
    has_one_score = loss == "multiple_bce" and len(targets.classes) == 2
    assert targets.y.shape == ((20, 1) if has_one_score else (20,))
    assert targets.n_scores == (1 if has_one_score else len(targets.classes))
    assert ((targets.y >= 0) & (targets.y < len(targets.classes))).all()


@given(
    weights=arrays.arrays(np.float64, 30, elements=st.floats(0.25, 4)),
    labels=arrays.arrays(np.int64, 30, elements=st.integers(0, 3)),
)
def test_balanced_gives_every_class_the_same_weight(weights, labels):
    labels[:2] = 0, 1
    targets = encode_targets(labels, "cross_entropy")
    weighted = weights * compute_class_weights("balanced", targets, weights)[targets.y]
    sums = np.bincount(targets.y, weights=weighted)
    np.testing.assert_allclose(sums, weights.sum() / len(targets.classes), rtol=1e-9)


@pytest.mark.parametrize("make", [csr_array, lambda Y: Y.astype(bool), lambda Y: Y.astype(float)])
def test_several_labels_come_in_several_forms(make):
    X, Y = make_several_labels()
    params = {"loss": "multiple_bce", "epochs": 3, "learning_rate": 0.1}
    found, expected = (OneLayerClassifier(**params).fit(X, one) for one in (make(Y), Y))
    np.testing.assert_array_equal(found.coef_, expected.coef_)


X, Y = make_rows(60)
SEVERAL = np.eye(3, dtype=int)[Y]
SIGMOIDS = {"loss": "multiple_bce"}


@pytest.mark.parametrize(
    ("changes", "params", "error", "message"),
    [
        ({"y": Y * 0}, {}, BadInput, r"y holds 1 class only \(0\); accepted are labels of 2 classes or more"),
        ({"sample_weight": Y == 1}, {}, BadInput, r"y holds 1 class only \(1\) where sample_weight is above 0; acc"),
        ({"X": [[1, 2], [1]], "y": [0, 1]}, {}, ValueError, "inhomogeneous"),
        ({"X": X[:, 0]}, {}, ValueError, "Expected 2D array, got 1D array instead"),
        ({"X": X[:, :0]}, {}, ValueError, r"Found array with 0 feature\(s\)"),
        ({"y": Y + 0.5}, {}, ValueError, "Unknown label type: continuous"),
        ({"y": np.stack([Y, Y], axis=1)}, {}, ValueError, r"y should be a 1d array, got an array of shape \(60, 2\)"),
        ({"y": None}, {}, ValueError, "requires y to be passed"),
        ({"y": 2 * SEVERAL - 1}, SIGMOIDS, BadInput, "y has 3 columns with values other than 0 and 1; accepted are"),
        ({"y": SEVERAL}, {**SIGMOIDS, "class_weight": "balanced"}, BadInput, "class_weight is not accepted if rows"),
        ({"sample_weight": -np.ones(60)}, {}, ValueError, "Negative values in data passed to `sample_weight`"),
        ({"sample_weight": np.ones(59)}, {}, ValueError, "sample_weight.shape == "),
        ({"X_val": X[:, :2], "y_val": Y}, {}, ValueError, "X has 2 features, but OneLayerClassifier is expecting 6"),
        ({"X_val": X, "y_val": Y.astype(str)}, {}, BadInput, "y_val holds '0', which is not among the classes"),
        ({"y": Y.astype(str), "X_val": X, "y_val": Y}, {}, BadInput, r"y_val holds 0, .* they are \['0', '1', '2'\]"),
        ({"X_val": X, "y_val": SEVERAL}, SIGMOIDS, BadInput, r"y_val has shape \(60, 3\), which does not fit y"),
        ({"y": SEVERAL, "X_val": X, "y_val": SEVERAL[:, :2]}, SIGMOIDS, BadInput, r"y_val has shape \(60, 2\)"),
        ({}, {"class_weight": [1, 2, 3]}, BadInput, r"class_weight is \[1, 2, 3\]; accepted are"),
        ({}, {"class_weight": {0: -1}}, BadInput, r"class_weight is \{0: -1\}; accepted are .* numbers of 0 or above"),
        ({}, {"class_weight": {0: np.inf}}, BadInput, "finite numbers of 0 or above"),
        ({}, {"class_weight": {0: "a"}}, BadInput, "finite numbers of 0 or above"),
        ({}, {"class_weight": {"a": 1}}, BadInput, r"class_weight names 'a', .* the classes; they are \[0, 1, 2\]"),
        ({}, {"class_weight": {0: 0, 1: 0, 2: 0}}, BadInput, "leaves no row a weight above 0"),
        ({}, {"learning_rate": 0}, BadInput, "learning_rate is 0.0; accepted is a number above 0"),
        ({}, {"learning_rate": None}, BadInput, "learning_rate is None"),
        ({}, {"image_shape": (1, 2, 2)}, BadInput, r"image_shape \(1, 2, 2\) needs 4 features a row"),
        ({}, {"train_every": -1}, BadInput, "train_every is -1; accepted is a whole number of 0 or above"),
        ({}, {"train_every": "often"}, BadInput, "train_every is 'often'"),
        ({}, {"loss": "absolute"}, BadInput, "Unknown loss 'absolute'"),
        ({}, {"dtype": "float16"}, BadInput, "dtype is 'float16'; accepted is float32 or float64"),
        ({}, {"random_state": "a"}, ValueError, "cannot be used to seed"),
    ],
)
def test_what_is_wrong_is_named(changes, params, error, message):
    given = {"X": X, "y": Y, **changes}
    with pytest.raises(error, match=message):
        OneLayerClassifier(epochs=1, **params).fit(given.pop("X"), given.pop("y"), **given)


def test_a_column_of_labels_is_taken_with_a_warning():
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        OneLayerClassifier(epochs=1).fit(X, Y[:, None])


def test_class_weights_may_name_a_class_that_a_fold_lacks_and_a_misspelt_one_is_found():
    targets = encode_targets(np.array(["a", "b"]), "cross_entropy")
    weights = compute_class_weights({"a": 2, "b": 3, "c": 4}, targets, np.ones(2))
    assert weights.tolist() == [2, 3]
    with pytest.raises(BadInput, match="class_weight names 'B', which is not among the classes"):
        compute_class_weights({"a": 2, "B": 3}, targets, np.ones(2))
