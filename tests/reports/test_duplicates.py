from monolayer.duplicates.search import Duplicate
from monolayer.reports.duplicates import MAX_DRAWN, choose_pairs


def make_pairs(n, differ=()):
    return [Duplicate(i, i, 1 - i / 1000, False, (0, int(i in differ))) for i in range(n)]


def test_pairs_are_drawn_from_all_over_the_ranking_and_from_its_end():
    pairs = make_pairs(100, differ={50})
    kinds = {kind: shown for kind, (shown, _) in choose_pairs(pairs).items()}
    assert kinds["spread"][0] is pairs[0]
    assert kinds["spread"][-1] is pairs[-1]
    assert len({pair.first for pair in kinds["spread"]}) == MAX_DRAWN
    assert kinds["least-similar"] == pairs[-MAX_DRAWN:]
    assert kinds["labels-differ"] == [pairs[50]]


def test_few_pairs_are_drawn_once_and_none_not_at_all():
    pairs = make_pairs(3)
    assert choose_pairs(pairs) == {"spread": (pairs, "evenly spaced from the most to the least similar")}
    assert len(choose_pairs(make_pairs(1))["spread"][0]) == 1
    assert choose_pairs([]) == {}
