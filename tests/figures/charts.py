"""One small chart of each kind, with names that would break a careless renderer."""

import numpy as np

from monolayer.duplicates.search import Duplicate
from monolayer.evaluate.calibration import compute_reliability
from monolayer.figures import (
    AccuracyCost,
    Candidate,
    CandidateCurves,
    ContactSheet,
    Curve,
    Curves,
    DuplicatePairs,
    Evidence,
    FewShotCurve,
    Filters,
    HeatMap,
    ParallelCoordinates,
    ProbabilityHistogram,
    ReliabilityDiagram,
    Response,
    Scatter,
    Templates,
)


def make_charts():
    rng = np.random.default_rng(0)
    epoch = np.arange(1, 6)
    names = ("<b>cat</b>", "a & b", "$x_1$")
    grid = np.array([(rate, l2, batch) for rate in (0.1, 0.01) for l2 in (0.0, 1.0) for batch in (50, 100)])
    accuracy = np.linspace(0.2, 0.5, len(grid))
    accuracy[3] = np.nan
    settings = dict(zip(("learning_rate", "l2", "batch_size"), grid.T.tolist(), strict=True))
    settings["loss"] = ["<b> & $x$", "other"] * 4
    marked = accuracy > 0.4
    candidates = (
        Candidate(epoch, epoch / 6, [np.nan, 0.2, np.nan, np.nan, 0.9], 5, name="<a> & $b$"),
        Candidate(epoch[:3], epoch[:3] / 9, None, 5),
        Candidate(epoch, [0.1, 0.2, np.nan, np.nan, np.nan], None, 5, has_diverged=True),
    )
    confidence = rng.random(200)
    pairs = tuple(Duplicate(i, i + 1, 0.9, bool(i), (i, 2 * i)) for i in range(2))
    images = rng.integers(0, 256, (2, 2, 48))
    return {
        "reliability": ReliabilityDiagram(compute_reliability(confidence, rng.random(200) < confidence)),
        "pairs": DuplicatePairs(*images, pairs, names, (3, 4, 4)),
        "contact_sheet": ContactSheet(
            rng.integers(0, 256, (5, 48)), np.array([0, 0, 1, 2, 2]), np.arange(5), names, (3, 4, 4)
        ),
        "candidates": CandidateCurves(candidates, percent=True),
        "accuracy_cost": AccuracyCost(
            ("<a>", "$b$", "<a>", "$b$"),
            ("x & y", "x & y", "z", "z"),
            [1, 60, 1, 60],
            [0.4, 0.7, 0.45, 0.7],
            [0.3, 0.6, 0.4, 0.65],
            [0.5, 0.8, 0.5, 0.75],
            (("published: <b>", 0.75),),
        ),
        "evidence": Evidence(rng.standard_normal((3, 5, 4)), names),
        "filters": Filters(rng.standard_normal((20, 27)), (3, 3, 3)),
        "grey_filters": Filters(rng.standard_normal((3, 12)), (1, 3, 4)),
        "few_shot": FewShotCurve([1, 5, 100], rng.random((3, 4)), 0.9, (0.88, 0.92), 5000),
        "one_draw": FewShotCurve([2], [[0.5]]),
        "parallel": ParallelCoordinates(settings, accuracy, marked),
        "response": Response("loss", settings["loss"], accuracy, accuracy - 0.1, accuracy + 0.1, accuracy),
        "scatter": Scatter(settings, accuracy, "learning_rate", "l2", marked, "near the best"),
        "curves": Curves((Curve(epoch, 1 / epoch, 1.1 / epoch),)),
        "overlaid": Curves(
            (Curve(epoch, 1 / epoch, None, "<a>"), Curve(epoch, 2 / epoch, 1 / epoch, "$b$")), marks=(2,)
        ),
        "templates": Templates(rng.standard_normal((3, 48)), names, (3, 4, 4)),
        "grey": Templates(rng.standard_normal((3, 16)), names, (1, 4, 4)),
        "histogram": ProbabilityHistogram(rng.random(50), rng.random(50) < 0.4, title="all"),
        "heat_map": HeatMap(settings, accuracy, "learning_rate", "l2", ("batch_size",), marked, "near the best"),
    }
