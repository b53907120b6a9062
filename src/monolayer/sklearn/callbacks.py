"""Scikit-learn's callbacks, where the installed version has them (1.9 and newer)."""

from collections.abc import Callable
from typing import Any, TypeVar

try:
    from sklearn.callback import CallbackSupportMixin
    from sklearn.callback import with_callbacks as _manage
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """An empty base class for versions of scikit-learn without callbacks."""

    _manage = None

__all__ = ["CallbackSupportMixin", "FitTasks", "with_callbacks"]


Method = TypeVar("Method", bound=Callable[..., Any])


def with_callbacks(method: Method) -> Method:
    """A fit method that ends its callbacks also when it raises."""
    return method if _manage is None else _manage(method)


class FitTasks:
    """The tasks of one fit as callbacks see them: the fit, and its subtasks one after another.

    Args:
        estimator: the estimator; its ``fit`` is decorated with ``with_callbacks``.
        n_tasks: the number of subtasks.
        X: features, as passed to ``fit``.
        y: labels, as passed to ``fit``.
        sample_weight: as passed to ``fit``.

    Attributes:
        has_callbacks: whether the estimator has callbacks.
    """

    def __init__(self, estimator: Any, n_tasks: int, X: Any, y: Any, sample_weight: Any) -> None:
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self._estimator, self._data, self._context = estimator, {"X": X, "y": y, "metadata": metadata}, None
        self.has_callbacks = bool(getattr(estimator, "_skl_callbacks", None))
        if hasattr(estimator, "_init_callback_context"):  # also without callbacks: it may be a part of another's fit
            self._context = estimator._init_callback_context(max_subtasks=n_tasks)
            self._context.call_on_fit_task_begin(estimator=estimator, **self._data)

    def run(self, name: str, task: Callable[[], None], describe: Callable[[], dict[str, Any]] | None = None) -> bool:
        """Run one subtask; True if a callback requests a stop.

        Args:
            name: of the task.
            task: the work.
            describe: returns the fitted attributes that predicting needs; None if the estimator cannot predict yet.
        """
        if not self.has_callbacks or self._context is None:
            task()
            return False
        part = self._context.subcontext(task_name=name)
        part.call_on_fit_task_begin(estimator=self._estimator, **self._data)
        task()
        ending = {**self._data, "reconstruction_attributes": describe}
        return bool(part.call_on_fit_task_end(estimator=self._estimator, **ending))

    def end(self) -> None:
        """End the task of the whole fit."""
        if self._context is not None:
            self._context.call_on_fit_task_end(estimator=self._estimator, **self._data)
