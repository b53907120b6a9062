import pytest

from monolayer.checks.sweep import check_edges, check_noise
from monolayer.recipe.grid import is_edge


def recipes(*rates, l2=0.1):
    return [{"learning_rate": rate, "l2": l2} for rate in rates]


AXES = {"learning_rate": (0.001, 0.01, 0.1)}


@pytest.mark.parametrize(
    ("order", "is_close", "outcome"),
    [
        ((0.01, 0.1, 0.001), (True, False, False), "passed"),
        ((0.1, 0.01, 0.001), (True, False, False), "issue"),
        ((0.001, 0.01, 0.1), (True, False, False), "issue"),
        ((0.001, 0.01, 0.1), (True, True, False), "tip"),
        ((0.001, 0.01, 0.1), (None, None, None), "tip"),
    ],
)
def test_the_best_between_others_passes_and_at_the_edge_it_does_not(order, is_close, outcome):
    (finding,) = check_edges(AXES, recipes(*order), is_close)
    assert (finding.code, finding.outcome) == ("ML004", outcome)


def test_no_regularisation_is_an_end_and_no_edge():
    runs = [{"l2": l2} for l2 in (0.0, 0.1, 1.0)]
    assert check_edges({"l2": (0.0, 0.1, 1.0)}, runs, [True, False, False])[0].outcome == "passed"


@pytest.mark.parametrize("axes", [{"loss": ("cross_entropy", "multiple_bce")}, {"seed": (1, 2)}, {"l2": (0.1,)}, {}])
def test_words_seeds_and_single_values_have_no_edge(axes):
    runs = [{"loss": "cross_entropy", "seed": 1, "l2": 0.1}]
    assert [f.outcome for f in check_edges(axes, runs, [True])] == ["not applicable"]


def test_each_axis_has_its_own_finding():
    axes = {"learning_rate": (0.001, 0.01), "l2": (0.0, 0.1)}
    findings = check_edges(axes, [{"learning_rate": 0.01, "l2": 0.0}], [True])
    assert [f.outcome for f in findings] == ["tip", "passed"]


@pytest.mark.parametrize(
    ("n_runs", "n_close", "outcome"),
    [(36, 31, "tip"), (36, 1, "passed"), (1, 1, "not applicable"), (2, None, "skipped")],
)
def test_recipes_that_cannot_be_told_apart_are_counted(n_runs, n_close, outcome):
    finding = check_noise(n_runs, n_close, 1000)
    assert (finding.code, finding.outcome) == ("ML007", outcome)


def test_an_edge_is_an_end_of_what_was_tried_that_has_something_beyond_it():
    assert is_edge("l2", 0.1, (0.0, 0.1))
    assert is_edge("learning_rate", 0.1, (0.5, 0.1, 0.3))
    assert not is_edge("learning_rate", 0.3, (0.5, 0.1, 0.3))
    assert not is_edge("l2", 0.0, (0.0, 0.1))
    assert not is_edge("l2", 0.1, (0.1,))
