import pytest

from monolayer.figures.cells import choose_text_colour, compute_layout, find_outlines

NUMBERS = tuple(map(str, range(3)))


@pytest.mark.parametrize(
    ("background", "text"), [("#000000", "#ffffff"), ("#ffffff", "#101010"), ("#440154", "#ffffff")]
)
def test_numbers_are_readable_on_their_cell(background, text):
    assert choose_text_colour(background) == text


def test_rims_go_around_a_region_and_not_between_its_cells():
    rims = {frozenset(rim) for rim in find_outlines({(0, 0), (1, 0), (5, 5)})}
    assert len(rims) == 6 + 4
    assert frozenset({(0.5, -0.5), (0.5, 0.5)}) not in rims
    assert {frozenset({(1.5, -0.5), (1.5, 0.5)}), frozenset({(-0.5, -0.5), (0.5, -0.5)})} <= rims


def test_panels_stand_side_by_side_only_where_their_text_keeps_its_size():
    assert compute_layout(NUMBERS, NUMBERS, 3).grid == (1, 3)
    assert compute_layout(("0.001",) * 4, NUMBERS, 3).grid == (2, 2)
    assert compute_layout(("0.001",) * 10, NUMBERS, 4).grid == (4, 1)


def test_few_cells_are_wide_and_many_have_no_numbers_and_fewer_labels():
    assert compute_layout(("1", "2"), NUMBERS, 1).cell[0] == 0.9
    many = tuple(f"{10.0**-k:g}" for k in range(25))
    layout = compute_layout(many, many, 1)
    assert layout.is_dense
    columns, rows = (many[::step] for step in layout.steps)
    assert 2 <= len(columns) < len(rows) <= 25
    assert layout.width < 6.5
    assert layout.panel[1] < 4


def test_words_that_do_not_fit_under_their_cells_stand_upright():
    assert not compute_layout(("cross_\nentropy", "multiple_\nbce"), NUMBERS, 1).is_rotated
    turned = compute_layout(("exponential:0.95", "constant") * 5, NUMBERS, 1)
    assert turned.is_rotated
    assert turned.below > 1
