import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from monolayer.checks.plausibility import Accuracy, check_claims, compute_log10_p
from monolayer.errors import BadInput
from monolayer.evaluate.significance import (
    Bootstrap,
    choose_one_standard_error,
    compute_difference_interval,
    compute_mcnemar,
    compute_sign_p,
    estimate_optimism,
    find_indistinguishable,
    summarise_seeds,
)

outcomes = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


def make_pair(both, only_a, only_b, neither):
    a = np.repeat([True, True, False, False], [both, only_a, only_b, neither])
    b = np.repeat([True, False, True, False], [both, only_a, only_b, neither])
    return a, b


# McNemar


def test_mcnemar_meets_a_published_example():
    # Fay 2010, R package exact2x2, mcnemar.exact(matrix(c(21, 9, 2, 12), 2, 2)): p-value = 0.06543.
    test = compute_mcnemar(*make_pair(21, 2, 9, 12))
    assert (test.n_only_a, test.n_only_b, test.n) == (2, 9, 44)
    assert test.p_value == pytest.approx(2 * (1 + 11 + 55) / 2**11, rel=1e-12)
    assert round(test.p_value, 5) == 0.06543
    assert test.difference == pytest.approx(-7 / 44)


@pytest.mark.parametrize("counts", [(0, 1), (1, 0), (3, 3), (0, 30), (86, 150), (500, 430), (2, 900)])
def test_exact_p_is_the_binomial_tests(counts):
    expected = stats.binomtest(counts[0], sum(counts), 0.5).pvalue
    assert compute_mcnemar(*make_pair(5, *counts, 5)).p_value == pytest.approx(expected, rel=1e-9)


def test_models_that_never_differ_have_p_one():
    same = np.array([True, False, True])
    assert compute_mcnemar(same, same).p_value == 1.0


@given(outcomes)
@settings(max_examples=60)
def test_mcnemar_is_symmetric_and_its_difference_is_of_accuracies(rows):
    a, b = np.array(rows).T
    there, back = compute_mcnemar(a, b), compute_mcnemar(b, a)
    assert there.p_value == back.p_value
    assert there.difference == -back.difference == pytest.approx(a.mean() - b.mean())
    assert 0 < there.p_value <= 1
    flipped = compute_mcnemar(~a, ~b)
    assert flipped.p_value == there.p_value


def test_exact_p_is_wrong_at_most_as_often_as_it_says():
    rng = np.random.default_rng(0)
    discordant = rng.binomial(1000, 0.04, 20_000)
    first = rng.binomial(discordant, 0.5)
    p = compute_sign_p(first, discordant - first)
    for alpha in (0.01, 0.05, 0.2):
        assert np.mean(p <= alpha) <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / len(p))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.array([1, 0]), np.array([True, False])),
        (np.array([True, False]), np.array([1.0, 0.0])),
        (np.array([True]), np.array([True, False])),
        (np.array([], dtype=bool), np.array([], dtype=bool)),
        (np.array([[True]]), np.array([[True]])),
        ([True], [True]),
    ],
)
def test_mcnemar_refuses_what_is_not_two_columns_of_bool(a, b):
    with pytest.raises(BadInput, match="correct_"):
        compute_mcnemar(a, b)


# The interval of a difference


def test_interval_agrees_with_scipys_bootstrap():
    a, b = make_pair(150, 60, 12, 180)
    difference = a.astype(float) - b
    expected = stats.bootstrap(
        (difference,), np.mean, n_resamples=4000, method="percentile", vectorized=True, rng=np.random.default_rng(1)
    ).confidence_interval
    interval = compute_difference_interval(a, b)
    assert interval.estimate == pytest.approx(difference.mean())
    assert (interval.low, interval.high) == pytest.approx(tuple(expected), abs=0.005)


def test_interval_covers_as_often_as_it_says():
    rng, n, p = np.random.default_rng(2), 600, [0.06, 0.84, 0.10]
    covered = 0
    for index in range(400):
        down, _, up = rng.multinomial(n, p)
        a, b = make_pair(n - down - up, up, down, 0)
        interval = compute_difference_interval(a, b, Bootstrap(600, seed=index))
        covered += interval.low <= 0.04 <= interval.high
    assert 0.92 <= covered / 400 <= 0.98


def test_interval_is_the_same_for_the_same_seed_only():
    pair = make_pair(10, 31, 17, 42)
    assert compute_difference_interval(*pair) == compute_difference_interval(*pair)
    assert compute_difference_interval(*pair, Bootstrap(50)) != compute_difference_interval(*pair, Bootstrap(50, 1))


@given(outcomes)
@settings(max_examples=60)
def test_interval_holds_the_estimate(rows):
    a, b = np.array(rows).T
    interval = compute_difference_interval(a, b, Bootstrap(500))
    assert -1 <= interval.low <= interval.estimate <= interval.high <= 1


def test_models_that_never_differ_are_not_claimed_to_be_equal():
    same = np.ones(300, bool)
    interval = compute_difference_interval(same, same)
    exact = stats.binomtest(0, 300).proportion_ci(0.95, method="exact").high
    assert (interval.low, interval.high) == pytest.approx((-exact, exact), rel=1e-9)


def test_interval_refuses_unknown_settings():
    with pytest.raises(BadInput, match="n_resamples"):
        Bootstrap(1)
    with pytest.raises(BadInput, match="confidence"):
        Bootstrap(confidence=95)


# Seeds


def test_seeds_are_summarised_as_scipy_does():
    values = [0.411, 0.405, 0.419, 0.408, 0.413]
    summary = summarise_seeds(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (summary.low, summary.high) == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert (summary.mean, summary.sd) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    assert summary.n == 5


def test_interval_over_seeds_covers_as_often_as_it_says():
    rng = np.random.default_rng(3)
    summaries = [summarise_seeds(rng.normal(0.4, 0.01, 4)) for _ in range(1000)]
    assert 0.93 <= np.mean([s.low <= 0.4 <= s.high for s in summaries]) <= 0.97


@pytest.mark.parametrize("values", [[0.4], [], [0.4, np.nan], [[0.4, 0.5]], ["a", "b"]])
def test_seeds_refuse_what_has_no_spread(values):
    with pytest.raises(BadInput):
        summarise_seeds(values)


# Which runs are not significantly different from the best


def make_grid(rng, shift):
    """Forty runs on 1,000 rows which share most of their errors; the last is ``shift`` below the others."""
    base = rng.random(1000) < 0.42
    correct = np.where(rng.random((40, 1000)) < 0.9, base, rng.random((40, 1000)) < 0.42)
    correct[-1] &= rng.random(1000) >= shift
    return correct


def test_a_clearly_worse_run_is_told_from_the_best():
    found = find_indistinguishable(make_grid(np.random.default_rng(4), 0.3))
    assert found.mask[found.best]
    assert found.adjusted[found.best] == found.p_values[found.best] == 1
    assert not found.mask[-1]
    assert found.mask.sum() > 30


def test_each_run_is_compared_with_the_best_by_mcnemar():
    correct = make_grid(np.random.default_rng(5), 0.1)[-6:]
    found = find_indistinguishable(correct)
    assert found.best == correct.mean(axis=1).argmax()
    assert found.p_values == pytest.approx([compute_mcnemar(correct[found.best], row).p_value for row in correct])
    others = np.arange(6) != found.best
    assert found.adjusted[others] == pytest.approx(np.minimum(15 * found.p_values[others], 1))


def test_equal_runs_are_seldom_told_from_a_best_that_was_picked():
    rng, mistakes, without_picking = np.random.default_rng(6), 0, 0
    for _ in range(1000):
        found = find_indistinguishable(rng.random((36, 1000)) < 0.41)
        mistakes += not found.mask.all()
        without_picking += (35 * found.p_values).min() <= 0.05
    assert mistakes <= 50
    assert 250 < without_picking < 350  # what the docstring says


def test_a_single_run_is_its_own_best():
    assert find_indistinguishable(np.array([[True, False]])).mask.tolist() == [True]


@pytest.mark.parametrize("correct", [np.zeros((2, 3)), np.zeros(3, bool), np.zeros((0, 3), bool)])
def test_indistinguishable_and_optimism_refuse_other_shapes(correct):
    for function in (find_indistinguishable, estimate_optimism):
        with pytest.raises(BadInput, match="correct"):
            function(correct)


# One standard error


def test_the_simplest_run_within_one_standard_error_is_chosen():
    # One standard error of 0.42 on 1,000 rows is 0.0156: 0.405 is within, 0.404 is not.
    assert choose_one_standard_error([0.42, 0.41, 0.405, 0.404], 1000, [3, 2, 1, 0]) == 2
    assert choose_one_standard_error([0.42, 0.41, 0.405, 0.404], 10_000_000, [3, 2, 1, 0]) == 0


def test_of_equally_simple_runs_the_more_accurate_is_chosen():
    assert choose_one_standard_error([0.41, 0.415, 0.42, 0.415], 1000, [0, 0, 1, 0]) == 1


@pytest.mark.parametrize(
    ("accuracies", "n", "complexity"),
    [([], 10, []), ([0.4], 10, [1, 2]), ([40.0], 10, [1]), ([0.4], 0, [1]), ([np.nan], 10, [1])],
)
def test_one_standard_error_refuses_what_does_not_fit(accuracies, n, complexity):
    with pytest.raises(BadInput):
        choose_one_standard_error(accuracies, n, complexity)


# Optimism


def test_optimism_is_what_picking_adds():
    """Twenty equal runs of accuracy 0.4: the best looks better than it is; the corrected one is right on average."""
    rng = np.random.default_rng(7)
    found = [estimate_optimism(rng.random((20, 400)) < 0.4, Bootstrap(60, seed=index)) for index in range(80)]
    assert np.mean([one.apparent for one in found]) > 0.43
    corrected = [one.corrected for one in found]
    assert np.mean(corrected) == pytest.approx(0.4, abs=4 * np.std(corrected) / math.sqrt(80))
    # The expected maximum of 20 normal numbers is 1.867 standard deviations (Harter 1961).
    expected = 1.867 * math.sqrt(0.4 * 0.6 / 400)
    assert np.mean([one.optimism for one in found]) == pytest.approx(expected, rel=0.15)


def test_nothing_is_added_where_the_best_is_beyond_doubt():
    rng = np.random.default_rng(8)
    correct = np.stack([rng.random(2000) < 0.9, rng.random(2000) < 0.3])
    found = estimate_optimism(correct, Bootstrap(200))
    assert found.best == 0
    assert found.optimism == pytest.approx(0, abs=0.002)
    assert found.interval.low < found.corrected < found.interval.high
    assert found.sd == pytest.approx(math.sqrt(0.9 * 0.1 / 2000 * (1 - 0.368) / 0.368), rel=0.25)


def test_optimism_needs_rows_to_resample():
    with pytest.raises(BadInput, match="20 rows"):
        estimate_optimism(np.ones((3, 19), bool))


# Claims


def compute_exact_log10(hits, n, percent_hundredths):
    """log10 of the binomial tail in whole numbers, which neither round nor underflow."""
    p, q = percent_hundredths, 10_000 - percent_hundredths
    return math.log10(sum(math.comb(n, k) * p**k * q ** (n - k) for k in range(hits, n + 1))) - 4 * n


def test_the_claim_of_79_percent_meets_whole_numbers():
    log10_p = compute_log10_p(0.4518, Accuracy(0.79, 1000))
    assert log10_p == pytest.approx(compute_exact_log10(790, 1000, 4518), rel=1e-9)
    assert log10_p < -100


def test_a_claim_below_the_smallest_float_still_has_a_number():
    assert compute_log10_p(0.5, Accuracy(1.0, 10_000)) == pytest.approx(10_000 * math.log10(0.5), rel=1e-12)


@pytest.mark.parametrize("evaluation", [Accuracy(0.47, 1000), Accuracy(0.4, 1000), Accuracy(0.45, 1)])
def test_claims_agree_with_scipy_where_it_does_not_underflow(evaluation):
    expected = stats.binom.sf(evaluation.hits - 1, evaluation.n, 0.45)
    assert 10 ** compute_log10_p(0.45, evaluation) == pytest.approx(expected, rel=1e-9)


@given(st.floats(0, 1), st.integers(1, 300), st.data())
@settings(max_examples=60)
def test_the_higher_the_claim_the_smaller_its_probability(rate, n, data):
    low = data.draw(st.integers(0, n))
    high = data.draw(st.integers(low, n))
    below, above = compute_log10_p(rate, Accuracy(low / n, n)), compute_log10_p(rate, Accuracy(high / n, n))
    assert above <= below + 1e-12
    assert below <= 0


def test_training_accuracies_at_the_ends():
    assert compute_log10_p(0.0, Accuracy(0.0, 10)) == 0
    assert compute_log10_p(0.0, Accuracy(0.5, 10)) == -math.inf
    assert compute_log10_p(1.0, Accuracy(1.0, 10)) == 0


@pytest.mark.parametrize(("accuracy", "n"), [(41.2, 100), (-0.1, 100), (math.nan, 100), (0.4, 0)])
def test_an_accuracy_is_a_fraction_of_some_images(accuracy, n):
    with pytest.raises(BadInput):
        Accuracy(accuracy, n)
    with pytest.raises(BadInput, match="fraction"):
        check_claims(41.2, {"Test": Accuracy(0.4, 100)})
