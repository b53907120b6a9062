"""How to read and to divide a dataset: the options, each field with its help text. Imports nothing heavy."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

from monolayer.data.dataset import Dataset, Splits
from monolayer.errors import BadInput


def parse_size(text: str) -> tuple[int, int]:
    """(height, width) written as ``HEIGHTxWIDTH``, such as ``32x32``.

    Raises:
        BadInput: if it is written otherwise.
    """
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text.strip())
    if not found:
        raise BadInput(f"--resize is {text!r}; accepted is HEIGHTxWIDTH, such as 32x32.")
    return int(found[1]), int(found[2])


def format_size(size: tuple[int, int]) -> str:
    """What :func:`parse_size` reads."""
    return f"{size[0]}x{size[1]}"


@dataclass(frozen=True)
class DataOptions:
    """How to read a file or folder of data.

    Args:
        label: name of the column, array or tensor of labels; None: the usual names are tried.
        features: name of the array, tensor or column of features, such as a layer's; None: the usual names are tried,
            and in a table all other columns are features.
        split_by: name of the column or array that assigns each row to train, val (validation, valid) or test.
        group_by: name of the column or array of groups: rows with equal values are never divided between parts.
        resize: (height, width) to which images are resized; None: all images must have the same size.
        channels: 1 reads image files as grey, 3 as red, green and blue; None: grey if all of them are grey.
        normalize: ``l2`` divides each row by its length; ``none``.
    """

    label: str | None = field(
        default=None,
        metadata={"help": "Column or array of the labels in data of your own.", "show_default": "the usual names"},
    )
    features: str | None = field(
        default=None,
        metadata={
            "help": "Array, tensor or column of the features, such as a layer.",
            "show_default": "the usual names",
        },
    )
    split_by: str | None = field(
        default=None,
        metadata={"help": "Column that holds train, val or test for each row.", "show_default": False},
    )
    group_by: str | None = field(
        default=None,
        metadata={"help": "Column whose equal values stay together when rows are drawn.", "show_default": False},
    )
    resize: tuple[int, int] | None = field(
        default=None,
        metadata={
            "help": "Resize images to HEIGHTxWIDTH, such as 32x32.",
            "show_default": False,
            "parse": parse_size,
            "format": format_size,
        },
    )
    channels: int | None = field(
        default=None,
        metadata={"help": "1 reads images as grey, 3 as colour.", "show_default": "grey if every image is grey"},
    )
    normalize: str = field(
        default="none",
        metadata={"help": "l2 divides each row by its length before anything else, or none."},
    )

    def __post_init__(self) -> None:
        if self.channels not in (None, 1, 3):
            raise BadInput(f"channels is {self.channels!r}; accepted are 1 (grey) and 3 (red, green and blue).")
        sizes: object = self.resize
        is_pair = (
            isinstance(sizes, tuple | list) and len(sizes) == 2 and all(isinstance(n, int) and n > 0 for n in sizes)
        )
        if sizes is not None and not is_pair:
            raise BadInput(f"resize is {sizes!r}; accepted is (height, width), such as (32, 32).")

    def to_dict(self) -> dict[str, Any]:
        """The options by name, as JSON holds them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> DataOptions:
        """The options that :meth:`to_dict` returned."""
        resize = content.get("resize")
        return cls(**{**content, "resize": tuple(resize) if resize else None})


@dataclass(frozen=True)
class SplitOptions:
    """How to divide a dataset into rows for training, validation and test. A size of 1 or more is a number of rows."""

    train_size: int | None = field(
        default=None, metadata={"help": "Train on the first so many rows only.", "show_default": "all left"}
    )
    val_size: float | None = field(
        default=None,
        metadata={
            "help": "Rows held out for validation, or a share below 1: the last ones of the training file.",
            "show_default": "1000, or a sixth of a small dataset",
        },
    )
    test_size: float | None = field(
        default=None,
        metadata={
            "help": "Test rows, or a share below 1.",
            "show_default": "the test file, or a fifth of a dataset without one",
        },
    )
    split_seed: int | None = field(
        default=None,
        metadata={
            "help": "Draw the held-out rows at random, by class, with this seed.",
            "show_default": "file order",
        },
    )

    def __post_init__(self) -> None:
        for name in ("val_size", "test_size"):
            size = getattr(self, name)
            if size is not None and isfinite(size) and size == int(size):
                object.__setattr__(self, name, int(size))

    def split(self, dataset: Dataset) -> Splits:
        """Divide the dataset.

        Raises:
            BadInput: if a size is not accepted, or leaves no training rows.
        """
        from monolayer.data.dataset import choose_val_size

        val_size = choose_val_size(dataset) if self.val_size is None else self.val_size
        return dataset.split(val_size, seed=self.split_seed, train=self.train_size, test=self.test_size)
