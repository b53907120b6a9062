"""One progress for work of several kinds, each stage weighed by how long it takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from monolayer.progress import Progress


class Stages:
    """A ``Progress`` that turns what each stage tells into one share of the whole, which never goes back.

    Args:
        progress: told ``task`` with a percentage.
        task: what the whole is called.
        seconds: how long each stage takes, about; only their ratios matter.
    """

    def __init__(self, progress: Progress, task: str, seconds: Sequence[float]) -> None:
        self._progress, self._task, self._seconds = progress, task, list(seconds)
        self._stage, self._told = -1, 0.0
        self._n_tasks, self._begun, self._task_now = 1, 0, ""

    def begin(self, n_tasks: int = 1) -> Stages:
        """Go on to the next stage, which tells its progress as this many tasks, one after the other."""
        self._stage += 1
        self._n_tasks, self._begun, self._task_now = n_tasks, 0, ""
        self._tell(0.0)
        return self

    def say(self, text: str) -> None:
        """Pass a line on."""
        self._progress.say(text)

    def advance(self, task: str, done: float, total: float | None, unit: str = "", detail: str = "") -> None:
        """Take in how far the stage is."""
        if done == 0 or task != self._task_now:  # a task begins by telling that nothing is done
            self._begun += 1
            self._task_now = task
        share = (self._begun - 1 + done / (total or 1)) / self._n_tasks
        self._tell(min(share, 1.0))

    def end(self) -> None:
        """Everything is done."""
        self._stage = len(self._seconds) - 1
        self._tell(1.0)

    def _tell(self, share: float) -> None:
        done = sum(self._seconds[: self._stage]) + self._seconds[self._stage] * share
        self._told = max(self._told, round(100 * done / sum(self._seconds), 1))
        self._progress.advance(self._task, self._told, 100, "%")


def estimate_banks(banks: Sequence[Sequence[object]], epochs: Sequence[int]) -> Iterator[float]:
    """Weights of banks: measured on CIFAR-10, an epoch of M members takes about 2 + M thirds of a single run's."""
    return ((2.0 + len(bank)) * n for bank, n in zip(banks, epochs, strict=True))
