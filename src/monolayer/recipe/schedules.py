"""Learning-rate schedules: a factor on the base rate for each epoch, written as ``name:parameter:...``.

To add a schedule, write its factor function and add a :class:`ScheduleKind` to ``SCHEDULES``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from monolayer.errors import BadInput
from monolayer.recipe.notation import format_written, parse_numbers


@dataclass(frozen=True)
class ScheduleKind:
    """A kind of schedule.

    Args:
        usage: how it is written.
        checks: one for each parameter, whether a value is accepted.
        factor: ``factor(epoch, epochs, *parameters)``, what the base rate is multiplied by.
        defaults: the parameters where none are written; empty if it must have its parameters.
        counts_epochs: whether the factor depends on the number of the epoch, so that in a training of more epochs it
            falls further; otherwise it depends on the share of the epochs that is done.
    """

    usage: str
    checks: tuple[Callable[[float], bool], ...]
    factor: Callable[..., float]
    defaults: tuple[float, ...] = ()
    counts_epochs: bool = False


@dataclass(frozen=True)
class Schedule:
    """A schedule with its parameters; ``str`` gives the text that a recipe has."""

    name: str
    parameters: tuple[float, ...] = ()

    def __str__(self) -> str:
        return format_written(self.name, self.parameters)

    @property
    def counts_epochs(self) -> bool:
        """Whether the rate depends on the number of the epoch, and not on the share of the training that is done."""
        return SCHEDULES[self.name].counts_epochs

    def compute_rate(self, learning_rate: float, epoch: int, epochs: int) -> float:
        """Learning rate in epoch ``epoch`` (1 is the first) of ``epochs``."""
        return learning_rate * SCHEDULES[self.name].factor(epoch, epochs, *self.parameters)


def _constant(epoch: int, epochs: int) -> float:
    return 1.0


def _step(epoch: int, epochs: int, every: float, factor: float) -> float:
    return float(factor ** ((epoch - 1) // int(every)))


def _exponential(epoch: int, epochs: int, factor: float) -> float:
    return float(factor ** (epoch - 1))


def _cosine(epoch: int, epochs: int, floor: float) -> float:
    # Loshchilov and Hutter, "SGDR" (arXiv 1608.03983), one period without restarts, an epoch at a time.
    return floor + (1 - floor) * (1 + math.cos(math.pi * (epoch - 1) / epochs)) / 2


def _is_count(value: float) -> bool:
    return value >= 1 and value.is_integer()


def _is_factor(value: float) -> bool:
    return 0 < value <= 1


def _is_share(value: float) -> bool:
    return 0 <= value <= 1


SCHEDULES: dict[str, ScheduleKind] = {
    "constant": ScheduleKind("constant", (), _constant),
    "step": ScheduleKind("step:EVERY:FACTOR (such as step:10:0.1)", (_is_count, _is_factor), _step, counts_epochs=True),
    "exponential": ScheduleKind(
        "exponential:FACTOR (such as exponential:0.95)", (_is_factor,), _exponential, counts_epochs=True
    ),
    "cosine": ScheduleKind("cosine or cosine:FLOOR (such as cosine:0.01)", (_is_share,), _cosine, defaults=(0.0,)),
}


def parse_schedule(text: str) -> Schedule:
    """The schedule written as ``text``, such as ``constant``, ``step:10:0.1`` or ``cosine``.

    Raises:
        BadInput: if the name is unknown or its parameters are not accepted.
    """
    name, *words = text.strip().split(":")
    kind = SCHEDULES.get(name)
    if kind is None:
        accepted = ", ".join(known.usage for known in SCHEDULES.values())
        raise BadInput(f"Unknown schedule {text!r}; accepted are {accepted}.")
    parameters = parse_numbers(words) if words else kind.defaults
    fits = len(parameters) == len(kind.checks)
    if not fits or not all(check(p) for check, p in zip(kind.checks, parameters, strict=True)):
        raise BadInput(f"Schedule {text!r} is not {kind.usage}.")
    return Schedule(name, parameters)
