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

MODULES = (class_weights, dataset, installation, learning_rate, plausibility, predictions, splits, sweep)
DECLARED = [value for module in MODULES for value in vars(module).values() if isinstance(value, Check)]
CHECKS: dict[str, Check] = {check.code: check for check in sorted(DECLARED, key=lambda check: check.code)}


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
