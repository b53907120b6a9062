import numpy as np
import pytest
from matplotlib.figure import Figure

from monolayer.errors import BadInput
from monolayer.figures import Curve, Curves, ProbabilityHistogram, Templates
from monolayer.figures.templates import compute_template_images


def count_slowly(probabilities):
    counts = [0] * 20
    for p in probabilities:
        for k in range(20):
            if np.linspace(0, 1, 21)[k] <= p < np.linspace(0, 1, 21)[k + 1] or (k == 19 and p == 1.0):
                counts[k] += 1
    return counts


def test_histogram_counts_equal_a_slow_loop_with_both_edges():
    rng = np.random.default_rng(3)
    p = np.concatenate([rng.random(200), [0.0, 1.0, 0.05, 0.95, 0.15, 0.3, 0.0, 1.0]])
    correct = rng.random(len(p)) < 0.5
    correct[-8:] = [True, True, False, True, False, True, False, False]
    table = ProbabilityHistogram(p, correct).frame()
    assert table["n_correct"] == count_slowly(p[correct])
    assert table["n_incorrect"] == count_slowly(p[~correct])
    assert sum(table["n_correct"]) + sum(table["n_incorrect"]) == len(p)


@pytest.mark.parametrize("wrong", [-0.01, 1.01, np.nan])
def test_histogram_names_the_row_that_is_no_probability(wrong):
    with pytest.raises(BadInput, match="row 1 "):
        ProbabilityHistogram(np.array([0.5, wrong]), np.array([True, False]))


def test_histogram_needs_bool():
    with pytest.raises(BadInput, match="bool"):
        ProbabilityHistogram(np.array([0.5]), np.array([1]))


def test_curves_table_has_a_row_for_each_epoch_of_each_run():
    curves = Curves((Curve([1, 2], [3.0, 2.0], None, "a"), Curve([1], [5.0], [6.0], "b")))
    assert curves.frame() == {
        "run": ["a", "a", "b"],
        "epoch": [1, 2, 1],
        "train": [3.0, 2.0, 5.0],
        "val": [None, None, 6.0],
    }


@pytest.mark.parametrize("columns", [([1, 2], [1.0]), ([1], [1.0], [1.0, 2.0]), ([], []), ([1], ["x"]), ([[1]], [[1]])])
def test_curve_refuses_columns_that_do_not_fit(columns):
    with pytest.raises(BadInput):
        Curve(*columns)


def test_overlaid_curves_need_different_names():
    with pytest.raises(BadInput, match="differ"):
        Curves((Curve([1], [1]), Curve([1], [2])))


def test_pictures_are_scaled_by_their_own_extremes():
    weights = np.random.default_rng(0).standard_normal((3, 12)) * [[1], [100], [0]]
    pictures = compute_template_images(weights, (3, 2, 2))
    for k in range(2):
        low, high = min(weights[k]), max(weights[k])
        for index in range(12):
            channel, row, column = index // 4, index % 4 // 2, index % 2
            assert pictures[k, row, column, channel] == pytest.approx((weights[k, index] - low) / (high - low))
    assert (pictures[2] == 0.5).all()


def test_a_row_that_is_not_finite_has_no_picture():
    weights = np.ones((3, 4))
    weights[0, 1], weights[1, 0] = np.inf, np.nan
    assert np.isnan(compute_template_images(weights, (1, 2, 2))).all(axis=(1, 2, 3)).tolist() == [True, True, False]


def test_templates_table_holds_every_weight():
    weights = np.arange(24.0).reshape(2, 12)
    table = Templates(weights, ("cat", "cat"), (3, 2, 2)).frame()
    assert [len(column) for column in table.values()] == [12] * 5
    for d in range(12):
        place = table["channel"][d] * 4 + table["row"][d] * 2 + table["column"][d]
        assert (table["weight_0_cat"][d], table["weight_1_cat"][d]) == (weights[0, place], weights[1, place])


@pytest.mark.parametrize(("shape", "image"), [((2, 12), (3, 2, 3)), ((3, 12), (3, 2, 2)), ((2, 8), (2, 2, 2))])
def test_templates_refuse_shapes_that_do_not_fit(shape, image):
    with pytest.raises(BadInput):
        Templates(np.zeros(shape), ("a", "b"), image)


def test_training_measured_at_fewer_epochs_is_drawn_as_points_and_stands_in_its_rows():
    curve = Curve(np.arange(1, 9), np.array([0.5, 0.4]), np.linspace(1, 0.3, 8), train_epoch=np.array([4, 8]))
    chart = Curves((curve,))
    assert chart.frame()["train"] == [None, None, None, 0.5, None, None, None, 0.4]
    figure = Figure()
    chart.draw(figure)
    training, validation = figure.axes[0].lines
    assert (training.get_xdata().tolist(), training.get_marker()) == ([4, 8], "o")
    assert (len(validation.get_xdata()), validation.get_marker()) == (8, "")
    with pytest.raises(BadInput, match="train"):
        Curve(np.arange(1, 9), np.array([0.5, 0.4]), train_epoch=np.array([8]))
