"""FusedSearchCV beside GridSearchCV over SGDClassifier: 24 candidates on 5 folds of a made embedding.

Both pass over the data the same number of times, on all cores. GridSearchCV's 120 fits would take long at full size,
so its time is that of a few of them on a sample of the rows, run at once on all cores, multiplied: SGDClassifier takes
a step a row, so its time is in proportion to the rows. Accuracy is compared where all 120 fits of both can be had: on
a part of the rows. Prints a Markdown table; exits with 1 when the promise is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from benchmarks.embeddings import make_embedding
from benchmarks.machine import describe_machine
from monolayer.sklearn import FusedSearchCV, OneLayerClassifier
from monolayer.threads import count_cores

Array = npt.NDArray[Any]
# The allowed fraction of GridSearchCV's time.
PROMISE = 0.1
FOLDS = 5
# SGDClassifier's alpha weighs sum(W**2) / 2, l2 weighs sum(W**2): the same six penalties. Rates are on each one's own
# scale: one row at a time, or a mean over a batch.
PENALTIES = [0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2]
THEIRS = {"alpha": [2 * l2 for l2 in PENALTIES], "eta0": [1e-3, 3e-3, 1e-2, 3e-2]}
OURS = {"l2": PENALTIES, "learning_rate": [0.03, 0.1, 0.3, 1.0]}


def main() -> None:
    options = _read_options()
    X, y = make_embedding(options.rows, options.features, options.classes)
    part = slice(0, options.part)
    ours_s = [_time(lambda: search_ours(X, y, options.epochs)) for _ in range(options.rounds)]
    n_fits = count_cores() * options.per_core
    sample = slice(0, options.sample)
    fits_s = [_time(lambda: fit_theirs(X[sample], y[sample], options.epochs, n_fits)) for _ in range(options.rounds)]
    n_all = FOLDS * len(PENALTIES) * len(THEIRS["eta0"]) * options.rows / len(X[sample])
    ours, theirs = float(np.median(ours_s)), float(np.median(fits_s)) * n_all / n_fits
    best = search_ours(X[part], y[part], options.epochs), search_theirs(X[part], y[part], options.epochs)
    print(render(options, (ours, theirs, n_fits), [search.cv_results_ for search in best]))
    is_kept = ours <= PROMISE * theirs and best[0].best_score_ >= best[1].best_score_
    sys.exit(0 if is_kept else 1)


def search_ours(X: Array, y: Array, epochs: int) -> FusedSearchCV:
    estimator = OneLayerClassifier(epochs=epochs, batch_size=256)
    return FusedSearchCV(estimator, OURS, cv=FOLDS, refit=False).fit(X, y)


def search_theirs(X: Array, y: Array, epochs: int) -> GridSearchCV:
    return GridSearchCV(_make_theirs(epochs), THEIRS, cv=FOLDS, refit=False, n_jobs=count_cores()).fit(X, y)


def fit_theirs(X: Array, y: Array, epochs: int, n_fits: int) -> None:
    """So many of GridSearchCV's fits, all cores at work: candidates from the middle, on the first fold."""
    cv = list(StratifiedKFold(FOLDS).split(X[:, :1], y))[:1]
    grid = {"alpha": [2e-5], "eta0": list(np.geomspace(3e-3, 1e-2, n_fits))}
    GridSearchCV(_make_theirs(epochs), grid, cv=cv, refit=False, n_jobs=count_cores()).fit(X, y)


def _make_theirs(epochs: int) -> SGDClassifier:
    # The features have means near 0 and deviations below 1 and need no scaler; ours has its own all the same.
    return SGDClassifier(loss="log_loss", learning_rate="constant", max_iter=epochs, tol=None, random_state=0)


def _time(task: Any) -> float:
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def render(options: argparse.Namespace, times: tuple[float, float, int], results: list[Any]) -> str:
    ours, theirs, n_fits = times
    scores = [_describe_best(found) for found in results]
    return "\n".join(
        [
            f"{options.rows:,} rows of {options.features} float32 features, {options.classes} classes, "
            f"{options.epochs} epochs, {len(PENALTIES) * 4} candidates x {FOLDS} folds.",
            f"{', '.join(describe_machine())}.",
            "",
            "| | seconds | times GridSearchCV | best mean accuracy on "
            f"{options.part:,} of the rows, +- standard error over folds |",
            "|---|---:|---:|---:|",
            f"| FusedSearchCV over OneLayerClassifier | {ours:.0f} | {ours / theirs:.3f} | {scores[0]} |",
            f"| GridSearchCV over SGDClassifier ({n_fits} of 120 fits measured, on {options.sample:,} rows, and "
            f"multiplied) | {theirs:.0f} | 1 | {scores[1]} |",
        ]
    )


def _describe_best(results: dict[str, Any]) -> str:
    best = int(results["mean_test_score"].argmax())
    return f"{results['mean_test_score'][best]:.4f} +- {results['std_test_score'][best] / np.sqrt(FOLDS):.4f}"


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shape = (("rows", 200_000), ("features", 1024), ("classes", 100), ("epochs", 5))
    for name, default in (*shape, ("part", 20_000), ("sample", 50_000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--per-core", type=int, default=1, help="fits of GridSearchCV that are measured, for each core")
    return parser.parse_args()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
