"""All checks by code; codes that users name are validated here, and findings muted."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from monolayer.checks import (
    class_weights,
    dataset,
    installation,
    learning_rate,
    plausibility,
    predictions,
    splits,
    sweep,
)
from monolayer.errors import BadInput
from monolayer.findings import Check, Finding

CHECKS: dict[str, Check] = {
    check.code: check
    for check in (
        learning_rate.TOO_HIGH,
        splits.DUPLICATES,
        plausibility.ABOVE_TRAINING,
        sweep.GRID_EDGE,
        learning_rate.VANISHED_RATE,
        learning_rate.DESCENDING,
        sweep.NOISE,
        splits.OPENINGS,
        splits.FITTING_ROWS,
        splits.CLASSES,
        predictions.CALIBRATION,
        predictions.MAJORITY,
        class_weights.CLASS_WEIGHTS,
        dataset.CONSTANT,
        dataset.REPEATED,
        dataset.NOT_FINITE,
        dataset.UNREADABLE,
        dataset.GROUPS,
        installation.NOT_COMPILED,
    )
}


def validate_codes(codes: Iterable[str]) -> None:
    """Raise BadInput unless each code is that of a check."""
    for code in codes:
        if code not in CHECKS:
            raise BadInput(f"{code!r} is not a finding's code; accepted are {', '.join(CHECKS)}.")


def mute(findings: Iterable[Finding], codes: Sequence[str]) -> tuple[Finding, ...]:
    """The findings, with the outcome ``muted`` for those with one of the codes; their evidence stays.

    Raises:
        BadInput: if a code is not that of a check.
    """
    validate_codes(codes)
    return tuple(replace(f, outcome="muted") if f.code in codes else f for f in findings)
