import numpy as np
import pytest

from monolayer.errors import BadInput
from monolayer.evaluate.significance import Bootstrap
from monolayer.studies.bonus.two_way import compute_mean_interval, compute_two_way_interval


def test_with_one_seed_it_is_the_interval_of_the_rows():
    values = np.random.default_rng(0).normal(3, 2, (1, 400))
    interval = compute_mean_interval(values)
    error = values.std() / 20
    assert interval.estimate == pytest.approx(values.mean())
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_rows_that_say_the_same_leave_the_seeds_alone_and_the_other_way_round():
    seeds = np.random.default_rng(1).normal(0, 1, (40, 1))
    by_seeds = compute_mean_interval(np.repeat(seeds, 3, axis=1))
    assert by_seeds.high - by_seeds.low == pytest.approx(2 * 1.96 * seeds.std() / 40**0.5, rel=0.15)
    constant = compute_mean_interval(np.full((3, 50), 0.25))
    assert (constant.low, constant.high) == pytest.approx((0.25, 0.25))


@pytest.mark.parametrize(("of_seeds", "of_rows", "rest"), [(0.0, 1.0, 0.3), (0.07, 1.0, 1.0), (0.0, 0.0, 1.0)])
def test_it_holds_the_truth_as_often_as_it_says_or_more(of_seeds, of_rows, rest):
    rng, held = np.random.default_rng(2), 0
    for trial in range(150):
        values = (
            of_seeds * rng.normal(size=(5, 1)) + of_rows * rng.normal(size=(1, 200)) + rest * rng.normal(size=(5, 200))
        )
        interval = compute_mean_interval(values, Bootstrap(200, seed=trial))
        held += interval.low <= 0 <= interval.high
    assert held / 150 > 0.9


def test_the_statistic_gets_shares_and_the_seed_repeats_the_interval():
    sums = []

    def measure(u, v):
        sums.append((u.sum(), v.sum()))
        return float(u[0] - v[0])

    first = compute_two_way_interval(measure, (3, 7), Bootstrap(20, seed=1))
    np.testing.assert_allclose(sums, 1)
    assert first == compute_two_way_interval(measure, (3, 7), Bootstrap(20, seed=1))
    assert first != compute_two_way_interval(measure, (3, 7), Bootstrap(20, seed=2))


def test_nothing_has_no_interval():
    with pytest.raises(BadInput, match="one of each or more"):
        compute_two_way_interval(lambda *_: 0.0, (0, 5))
    with pytest.raises(BadInput, match=r"shape \(S, n\)"):
        compute_mean_interval(np.zeros(5))
