"""Scikit-learn's callbacks, where the installed version has them (1.9 and newer)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

try:
    from sklearn.callback import CallbackSupportMixin
    from sklearn.callback import with_callbacks as _manage
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands where scikit-learn has none: nothing to call back."""

    _manage = None

__all__ = ["CallbackSupportMixin", "FitTasks", "with_callbacks"]


Method = TypeVar("Method", bound=Callable[..., Any])


def with_callbacks(method: Method) -> Method:
    """The method, after which callbacks are torn down whichever way it ends."""
    return method if _manage is None else _manage(method)


class FitTasks:
    """The tasks of one fit as callbacks see them: the fit, and in it one after another.

    Args:
        estimator: whose fit it is; its ``fit`` is decorated ``with_callbacks``.
        n_tasks: how many tasks there will be.
        X: features, as they were given to it.
        y: labels, likewise.
        sample_weight: likewise, or None.

    Attributes:
        is_watched: whether there are any callbacks.
    """

    def __init__(self, estimator: Any, n_tasks: int, X: Any, y: Any, sample_weight: Any) -> None:
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self._estimator, self._data, self._context = estimator, {"X": X, "y": y, "metadata": metadata}, None
        self.is_watched = bool(getattr(estimator, "_skl_callbacks", None))
        if hasattr(estimator, "_init_callback_context"):  # also where nobody watches: it may be a part of another's fit
            self._context = estimator._init_callback_context(max_subtasks=n_tasks)
            self._context.call_on_fit_task_begin(estimator=estimator, **self._data)

    def run(self, name: str, task: Callable[[], None], describe: Callable[[], dict[str, Any]] | None = None) -> bool:
        """Do one task; True if a callback asks to stop.

        Args:
            name: what the task is.
            task: does it.
            describe: gives the fitted attributes that predicting needs, where the task has come to; None where nothing
                predicts yet.
        """
        if not self.is_watched or self._context is None:
            task()
            return False
        part = self._context.subcontext(task_name=name)
        part.call_on_fit_task_begin(estimator=self._estimator, **self._data)
        task()
        ending = {**self._data, "reconstruction_attributes": describe}
        return bool(part.call_on_fit_task_end(estimator=self._estimator, **ending))

    def end(self) -> None:
        """The fit is done."""
        if self._context is not None:
            self._context.call_on_fit_task_end(estimator=self._estimator, **self._data)
