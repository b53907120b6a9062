import pytest

from monolayer.evaluate.significance import Interval
from monolayer.studies.bonus.verdicts import average_seeds, combine, is_above, is_below, is_within, scale

OPEN = "not distinguishable"


@pytest.mark.parametrize(
    ("low", "high", "above", "below", "within"),
    [
        (0.1, 0.3, "supported", "refuted", "supported"),
        (-0.3, -0.1, "refuted", "supported", "supported"),
        (-0.1, 0.1, OPEN, OPEN, "supported"),
        (0.0, 0.2, OPEN, OPEN, "supported"),
        (0.5, 2.0, "supported", "refuted", OPEN),
        (1.5, 2.0, "supported", "refuted", "refuted"),
        (-2.0, -1.5, "refuted", "supported", "refuted"),
        (-2.0, 2.0, OPEN, OPEN, OPEN),
    ],
)
def test_an_interval_decides_only_where_it_lies_wholly_on_one_side(low, high, above, below, within):
    interval = Interval((low + high) / 2, low, high, 0.95)
    assert (is_above(interval), is_below(interval), is_within(interval, 1.0)) == (above, below, within)


def test_a_claim_of_several_parts_falls_by_one_and_stands_by_all():
    assert combine(["supported", "supported"]) == "supported"
    assert combine(["supported", OPEN]) == OPEN
    assert combine(["supported", OPEN, "refuted"]) == "refuted"


def test_units_and_seeds():
    scaled = scale(Interval(0.2, 0.1, 0.4, 0.95), 100)
    assert (scaled.estimate, scaled.low, scaled.high, scaled.confidence) == pytest.approx((20, 10, 40, 0.95))
    # Student's t with 4 degrees of freedom: 2.776 standard errors of 1 / sqrt(2)
    interval = average_seeds([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (interval.low, interval.high) == pytest.approx((3 - 2.776 * 0.5**0.5, 3 + 2.776 * 0.5**0.5), abs=1e-3)
