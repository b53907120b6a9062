"""What ``monolayer sweep --optuna`` asks for beyond other sweeps."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from monolayer.cli import options as opt
from monolayer.cli.console import print_line
from monolayer.cli.grid import parse_axes
from monolayer.errors import BadInput

if TYPE_CHECKING:
    from monolayer.axes import Axis
    from monolayer.data.splits import Splits
    from monolayer.recipe import Recipe
    from monolayer.sweeping import Sweep, SweepOptions
    from monolayer.unfinished import Unfinished


@dataclass(frozen=True)
class SearchRequest:
    """A search, all that going on with it needs.

    Args:
        base: the fields that are not searched.
        axes: values or a range of each that is.
        n_trials: how many trials.
        n_at_once: trials of a batch.
        journal: the file that was named for them, if any.
    """

    base: Recipe
    axes: dict[str, Axis]
    n_trials: int
    n_at_once: int
    journal: str | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it: of a range, its kind and ends by name."""
        axes = {name: list(axis) if isinstance(axis, tuple) else asdict(axis) for name, axis in self.axes.items()}
        return {**vars(self), "base": self.base.to_dict(), "axes": axes}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> SearchRequest:
        """What :meth:`to_dict` gave."""
        from monolayer.axes import Range
        from monolayer.recipe import Recipe

        axes: dict[str, Axis] = {
            name: tuple(axis) if isinstance(axis, list) else Range(**axis) for name, axis in content["axes"].items()
        }
        return cls(**{**content, "base": Recipe.from_dict(content["base"]), "axes": axes})

    def run(self, splits: Splits, options: SweepOptions, work: Unfinished | None) -> Sweep:
        """Search; where no file was named for the trials, they are kept beside the checkpoints."""
        from monolayer.searching import SearchOptions, search

        journal = Path(self.journal) if self.journal else self._place(work)
        return search(splits, self.base, self.axes, SearchOptions(self.n_trials, self.n_at_once, journal, options))

    def save_journal(self, work: Unfinished, folder: Path) -> None:
        """Put the trials that were kept beside the checkpoints, which go, among the results."""
        from monolayer.folder import JOURNAL

        kept = self._place(work)
        if self.journal is None and kept is not None:
            shutil.copyfile(kept, folder / JOURNAL)

    def show(self, sweep: Sweep) -> None:
        """Why there are fewer recipes than trials, if there are."""
        if sweep.is_complete and len(sweep.runs) < self.n_trials:
            print_line(f"{self.n_trials} trials; those that were proposed again are one: {len(sweep.runs)} recipes.")

    def _place(self, work: Unfinished | None) -> Path | None:
        from monolayer.folder import JOURNAL
        from monolayer.unfinished import UNFINISHED

        return work.path / UNFINISHED / JOURNAL if work else None


def read_search(context: typer.Context) -> SearchRequest | None:
    """The search that a command's options ask for, if they do.

    Raises:
        BadInput: if options exclude each other, an axis is none, or Optuna is not installed.
    """
    given = context.params
    if given["optuna"] is None:
        for name in ("at_once", "journal"):
            if given[name] is not None:
                raise BadInput(f"--{name.replace('_', '-')} is for a search; give --optuna N with it.")
        return None
    for option, n in (("--optuna", given["optuna"]), ("--at-once", given["at_once"])):
        if n is not None and n < 1:
            raise BadInput(f"{option} is {n}; accepted is a whole number of 1 or above.")
    for name, why in (("random", "draws recipes that"), ("dry_run", "prints what")):
        if given[name]:
            raise BadInput(f"--{name.replace('_', '-')} {why} --optuna chooses only while it trains; give one of them.")
    from monolayer.axes import check_axes
    from monolayer.journal import check_optuna
    from monolayer.searching import N_AT_ONCE

    check_optuna()
    axes = parse_axes(given["grid"])
    check_axes(axes)
    journal = str(given["journal"].resolve()) if given["journal"] else None
    return SearchRequest(opt.read_recipe(context), axes, given["optuna"], given["at_once"] or N_AT_ONCE, journal)
