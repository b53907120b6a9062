import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from monolayer.errors import BadInput
from monolayer.figures import Scatter
from monolayer.figures.scatter import BEST_POINT, POINT

SETTINGS = {"learning_rate": [1.0, 0.01, 0.1, 0.001], "loss": ["b", "a", "b", "a"], "seed": [1, 2, 3, 4]}
ACCURACY = [0.5, 0.3, np.nan, 0.1]  # best first; the diverged one has no place of its own


def test_points_lie_where_their_values_are_and_the_best_is_large_and_last():
    figure = Figure()
    Scatter(SETTINGS, ACCURACY, "learning_rate", "loss", [True, True, False, False]).draw(figure)
    lost, points = figure.axes[0].collections
    assert lost.get_offsets().tolist() == pytest.approx(np.array([[2 / 3, 1.0]]))
    assert np.asarray(points.get_offsets()) == pytest.approx(np.array([[0, 0], [1 / 3, 0], [1, 1]]))
    assert points.get_sizes().tolist() == [POINT, POINT, BEST_POINT]
    assert points.get_linewidths()[0] < points.get_linewidths()[1]
    assert to_hex(points.get_facecolors()[0]) == "#440154"


def test_table_is_what_was_given():
    frame = Scatter(SETTINGS, ACCURACY, "learning_rate", "loss").frame()
    assert {name: frame[name] for name in SETTINGS} == SETTINGS
    np.testing.assert_equal(frame["val_accuracy"], ACCURACY)
    assert frame["marked"] == [False] * 4


@pytest.mark.parametrize("axes", [("loss", "loss"), ("l2", "loss")])
def test_axes_are_two_fields_that_there_are(axes):
    with pytest.raises(BadInput, match="must be two fields among learning_rate, loss, seed, not"):
        Scatter(SETTINGS, ACCURACY, *axes)
