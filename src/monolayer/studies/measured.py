"""What the study measured of a run: the run, and its answers to the test rows."""

from __future__ import annotations

from dataclasses import dataclass

from monolayer.evaluate.answers import Answers
from monolayer.training import Run


@dataclass(frozen=True, eq=False)
class Scored:
    """A run, evaluated on training, validation and test rows, with what it said of each test row.

    Args:
        run: ``run.evaluation`` has ``train``, ``val`` and ``test``.
        test: the answers to the test rows, the same rows in the same order for every run of the study.
    """

    run: Run
    test: Answers
