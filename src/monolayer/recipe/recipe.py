"""Recipe: everything that defines one training run."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from monolayer.errors import BadInput
from monolayer.recipe.losses import LOSSES, get_loss
from monolayer.recipe.schedules import SCHEDULES, parse_schedule
from monolayer.recipe.shuffle import parse_shuffle

DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Recipe:
    """Everything that defines one training run; two recipes are the same run when every field is equal.

    Args:
        loss: loss to minimise, such as ``cross_entropy``; see ``monolayer.recipe.losses.LOSSES``.
        learning_rate: step size of mini-batch gradient descent, before the schedule.
        l2: weight of the sum of squared weights in the cost.
        batch_size: examples in a mini-batch; the last one of an epoch may be smaller.
        epochs: passes over the training rows.
        schedule: learning rate by epoch, such as ``constant``, ``step:EVERY:FACTOR`` or ``cosine``.
        flip: probability that an image is mirrored left-right each time it is drawn.
        init_std: standard deviation of the normal distribution of the initial weights.
        seed: seed of the initial weights and of the order of the batches.
        dtype: type of the weights and of the arithmetic: ``float32`` or ``float64``.
        shuffle: order of the rows: ``full``, or ``block:ROWS:BLOCKS`` for features larger than memory.

    Raises:
        BadInput: if the value of a field is not accepted; the message names the field and what is accepted.
    """

    # The help texts are those of the command line; "choices" lists what a text field accepts.
    loss: str = field(
        default="cross_entropy",
        metadata={
            "help": "Loss to minimise",
            "choices": lambda: [loss.usage or loss.name for loss in LOSSES.values()],
            "hyphens": True,
        },
    )
    learning_rate: float = field(default=0.001, metadata={"help": "Step size of mini-batch gradient descent"})
    l2: float = field(default=0.0, metadata={"help": "Weight of the sum of squared weights in the cost"})
    batch_size: int = field(default=100, metadata={"help": "Examples in a mini-batch"})
    epochs: int = field(default=40, metadata={"help": "Passes over the training rows"})
    schedule: str = field(
        default="constant",
        metadata={"help": "Learning rate by epoch", "choices": lambda: [kind.usage for kind in SCHEDULES.values()]},
    )
    flip: float = field(
        default=0.0, metadata={"help": "Probability that an image is mirrored left-right each time it is drawn"}
    )
    init_std: float = field(
        default=0.01, metadata={"help": "Standard deviation of the normal distribution of the initial weights"}
    )
    seed: int = field(default=42, metadata={"help": "Seed of the initial weights and of the order of the batches"})
    dtype: str = field(
        default="float32", metadata={"help": "Type of the weights and of the arithmetic", "choices": lambda: [*DTYPES]}
    )
    shuffle: str = field(
        default="full",
        metadata={"help": "Order of the rows: full, or block:ROWS:BLOCKS for features larger than memory"},
    )

    def __post_init__(self) -> None:
        for name in ("loss", "schedule", "dtype", "shuffle"):
            _check(isinstance(getattr(self, name), str), name, getattr(self, name), "a text")
        # Losses, schedules and shuffles have one spelling: "step:10:.1" and "step:10:0.1" are the same run.
        object.__setattr__(self, "loss", str(get_loss(self.loss)))
        for name in ("learning_rate", "l2", "flip", "init_std"):
            object.__setattr__(self, name, _as_float(name, getattr(self, name)))
        for name in ("batch_size", "epochs", "seed"):
            object.__setattr__(self, name, _as_int(name, getattr(self, name)))
        _check(self.learning_rate > 0, "learning_rate", self.learning_rate, "a number above 0")
        _check(self.l2 >= 0, "l2", self.l2, "a number of 0 or above")
        _check(self.batch_size >= 1, "batch_size", self.batch_size, "a whole number of 1 or above")
        _check(self.epochs >= 1, "epochs", self.epochs, "a whole number of 1 or above")
        _check(0 <= self.flip <= 1, "flip", self.flip, "a probability from 0 to 1")
        _check(self.init_std >= 0, "init_std", self.init_std, "a number of 0 or above")
        _check(self.seed >= 0, "seed", self.seed, "a whole number of 0 or above")
        _check(self.dtype in DTYPES, "dtype", self.dtype, " or ".join(DTYPES))
        object.__setattr__(self, "schedule", str(parse_schedule(self.schedule)))
        object.__setattr__(self, "shuffle", str(parse_shuffle(self.shuffle)))

    def compute_rate(self, epoch: int) -> float:
        """Learning rate in epoch ``epoch`` (1 is the first)."""
        return parse_schedule(self.schedule).compute_rate(self.learning_rate, epoch, self.epochs)

    def replace(self, **changes: Any) -> Recipe:
        """A copy with some fields changed, validated like any other recipe.

        Raises:
            BadInput: if a name is not a field or a value is not accepted.
        """
        _check_names(changes)
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, as JSON holds them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Recipe:
        """The recipe with these fields; the others have their defaults.

        Raises:
            BadInput: if a name is not a field or a value is not accepted.
        """
        _check_names(content)
        return cls(**content)

    def to_json(self) -> str:
        """The recipe as one JSON object; floats keep every digit."""
        return json.dumps(self.to_dict(), indent=2)

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """The recipe written by :meth:`to_json`.

        Raises:
            BadInput: if the text is not a JSON object, or a field is not accepted.
        """
        try:
            content = json.loads(text)
        except json.JSONDecodeError as error:
            raise BadInput(f"A recipe must be a JSON object: {error}.") from None
        if not isinstance(content, dict):
            raise BadInput("A recipe must be a JSON object.")
        return cls.from_dict(content)


FIELDS = tuple(entry.name for entry in fields(Recipe))


def _check(holds: bool, name: str, value: object, accepted: str) -> None:
    if not holds:
        raise BadInput(f"{name} is {value!r}; accepted is {accepted}.")


def _check_names(names: dict[str, Any]) -> None:
    for name in names:
        if name not in FIELDS:
            raise BadInput(f"A recipe has no field {name!r}; it has {', '.join(FIELDS)}.")


def _as_float(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    _check(math.isfinite(number) and not isinstance(value, bool), name, value, "a finite number")
    return number


def _as_int(name: str, value: Any) -> int:
    number = _as_float(name, value)
    _check(number == int(number), name, value, "a whole number")
    return int(value) if isinstance(value, int) else int(number)


# What a probe starts from; the measurements behind it are in tuning/probe_grid.py.
PROBE = Recipe(init_std=0.0, schedule="cosine")
