import numpy as np
import pytest

from monolayer.duplicates.constants import DEFAULT_SIMILARITY, LEAST_SIMILARITY, TAIL_START
from monolayer.duplicates.threshold import compute_threshold, fit_tail


def draw_non_duplicates(n, rate, seed=0):
    return np.random.default_rng(seed).exponential(1 / rate, n) + TAIL_START - 0.1


def learn(similarity):
    return compute_threshold(similarity, np.arange(len(similarity)), 25.0)


def test_a_family_of_copies_counts_once():
    others = draw_non_duplicates(4_000, 18.0)
    copies = np.full(200, 0.8)
    similarity = np.concatenate([others, copies])
    as_family = compute_threshold(similarity, np.minimum(np.arange(len(similarity)), 4_000), 25.0)
    assert as_family > learn(similarity)


def test_tail_of_an_exponential_is_its_own_rate():
    values = draw_non_duplicates(40_000, 18.0)
    between = values[(values >= TAIL_START) & (values < LEAST_SIMILARITY)]
    rate, count = fit_tail(between, TAIL_START, LEAST_SIMILARITY)
    assert rate == pytest.approx(18.0, rel=0.05)
    assert count == pytest.approx((values >= TAIL_START).sum(), rel=0.03)


def test_threshold_keeps_the_share_of_false_pairs_small():
    others = draw_non_duplicates(4_000, 18.0)
    duplicates = np.random.default_rng(1).uniform(0.6, 0.95, 200)
    threshold = learn(np.concatenate([others, duplicates]))
    assert LEAST_SIMILARITY <= threshold < 0.7
    assert (others >= threshold).sum() <= 0.1 * (duplicates >= threshold).sum()


def test_without_duplicates_the_whole_search_may_expect_one_pair():
    others = draw_non_duplicates(30_000, 40.0)
    threshold = learn(others)
    assert threshold == pytest.approx(TAIL_START - 0.1 + np.log(30_000 * 25) / 40, abs=0.03)


def test_a_tail_that_does_not_fall_lets_nothing_pass():
    flat = np.random.default_rng(0).uniform(0.0, 1.0, 5_000)
    assert learn(flat) > 1


def test_too_few_values_give_the_default():
    assert learn(np.array([0.4, 0.45, 0.9])) == DEFAULT_SIMILARITY
