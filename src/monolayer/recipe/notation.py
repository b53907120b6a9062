"""How losses and schedules are written in a recipe: ``name`` or ``name:parameter:...``, parameters being numbers."""

import math


def parse_numbers(words: list[str]) -> tuple[float, ...]:
    """The words as numbers; one that is not a finite number becomes nan, which no check of a parameter accepts."""
    try:
        numbers = tuple(float(word) for word in words)
    except ValueError:
        return (math.nan,) * len(words)
    return tuple(number if math.isfinite(number) else math.nan for number in numbers)


def format_written(name: str, parameters: tuple[float, ...]) -> str:
    """The one way in which a name and its parameters are written; whole numbers have no decimal point."""
    return ":".join([name, *(str(int(value)) if value == int(value) else repr(value) for value in parameters)])
