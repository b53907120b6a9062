from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from monolayer.errors import BadInput
from monolayer.figures import ContactSheet, render_svg
from monolayer.figures.contact_sheet import LINE_LENGTH, MAX_PIXELS
from tests.made import make_dataset


def draw(chart):
    figure = Figure(figsize=chart.size)
    chart.draw(figure)
    return figure.axes[0]


def test_images_of_each_class_are_spread_over_its_rows():
    dataset = make_dataset(60, 48, image_shape=(3, 4, 4))
    table = ContactSheet.of(dataset, n_images=3).frame()
    assert table["label"] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    for k in range(3):
        rows = np.flatnonzero(dataset.y == k).tolist()
        shown = [row for row, label in zip(table["row"], table["label"], strict=True) if label == k]
        assert (shown[0], shown[-1]) == (rows[0], rows[-1])


@pytest.mark.parametrize(("shape", "box"), [((1, 2, 8), (1.0, 0.25)), ((3, 8, 4), (0.5, 1.0)), ((3, 4, 4), (1.0, 1.0))])
def test_images_keep_their_proportions(shape, box):
    dataset = make_dataset(20, int(np.prod(shape)), image_shape=shape)
    left, right, low, high = draw(ContactSheet.of(dataset)).images[0].get_extent()
    assert (right - left, high - low) == pytest.approx(box)


def test_images_of_an_unknown_unit_are_shown_from_dark_to_bright():
    dataset = make_dataset(20, 12, image_shape=(3, 2, 2))
    X = np.linspace(-3, 5, 240, dtype=np.float32).reshape(20, 12)
    shown = ContactSheet.of(replace(dataset, X=X, pixel_max=None, test=None), n_images=20).images
    assert (shown.min(), shown.max()) == (0, 1)


def test_photographs_are_drawn_in_no_more_pixels_than_show():
    shape = (3, 300, 200)
    X = np.zeros((4, *shape), np.uint8)
    X[:, 0] = 200
    dataset = replace(make_dataset(4, 12, 2), X=X.reshape(4, -1), image_shape=shape, test=None)
    drawn = draw(ContactSheet.of(dataset)).images[0].get_array()
    assert max(drawn.shape) <= MAX_PIXELS
    np.testing.assert_allclose(drawn[5, 5], [200 / 255, 0, 0], atol=0.01)


def test_long_names_fold_and_no_name_is_a_formula():
    dataset = replace(
        make_dataset(30, 48, image_shape=(3, 4, 4)), class_names=("<b> & $x$", "word " * 30, "y"), test=None
    )
    chart = ContactSheet.of(dataset)
    svg = render_svg(chart, "sheet")
    assert "&lt;b&gt; &amp; $x$" in svg
    lines = [line for text in draw(chart).texts for line in text.get_text().split("\n")]
    assert max(map(len, lines)) <= LINE_LENGTH
    assert any(line.endswith("…") for line in lines)


def test_a_class_without_training_rows_has_a_line_without_images():
    dataset = replace(make_dataset(30, 48, image_shape=(3, 4, 4)), class_names=("a", "b", "c", "none"), test=None)
    assert len(draw(ContactSheet.of(dataset)).texts) == 4


def test_rows_that_are_no_images_are_refused():
    with pytest.raises(BadInput, match="are not images, so there is no contact sheet"):
        ContactSheet.of(make_dataset(20, 12))
