"""What can be said about data of one's own, beside where it is."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from monolayer.errors import BadInput


@dataclass(frozen=True)
class DataOptions:
    """How to read a source.

    Args:
        label: the column, array or tensor that holds the labels; else the usual names are looked for.
        features: the array, tensor or column of features, such as a layer's name; else the usual names, and in a table
            every other column.
        split_by: the column or array that says which part a row belongs to: train, val (validation, valid) or test.
        group_by: the column or array whose equal values stay together when rows are divided.
        resize: (height, width) that images are brought to; None: all must have one size.
        channels: 1 to read image files as grey, 3 as red, green and blue; None: grey where every one is.
        normalize: ``l2`` to divide each row by its length; ``none``.
    """

    label: str | None = None
    features: str | None = None
    split_by: str | None = None
    group_by: str | None = None
    resize: tuple[int, int] | None = None
    channels: int | None = None
    normalize: str = "none"

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
        """As JSON holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> DataOptions:
        """What :meth:`to_dict` gave."""
        resize = content.get("resize")
        return cls(**{**content, "resize": tuple(resize) if resize else None})


def parse_size(text: str) -> tuple[int, int]:
    """(height, width) written as ``HEIGHTxWIDTH``, such as ``32x32``.

    Raises:
        BadInput: if it is not written so.
    """
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text.strip())
    if not found:
        raise BadInput(f"--resize is {text!r}; accepted is HEIGHTxWIDTH, such as 32x32.")
    return int(found[1]), int(found[2])
