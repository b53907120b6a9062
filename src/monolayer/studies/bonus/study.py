"""Run the bonus assignment: its recipes with several seeds, its grid, its procedures, and a verdict on each claim."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from monolayer.checks.certificate import Certificate, certify_all
from monolayer.checks.diagnose import diagnose_run, diagnose_sweep
from monolayer.checks.registry import CHECKS
from monolayer.checks.splits import DUPLICATES, check_leaked
from monolayer.data.dataset import Dataset, Rows, Splits, choose_val_size
from monolayer.data.scaler import Scaler, fit_scaler
from monolayer.duplicates.leaked import Leaked, find_leaked
from monolayer.evaluate.calibration_summary import Calibration, Rescaled, measure_readings, rescale
from monolayer.evaluate.metrics import Metrics
from monolayer.evaluate.predictions import predict_all_rows, predict_rows
from monolayer.findings import Finding
from monolayer.progress import SILENCE, Progress
from monolayer.recipe.grid import make_grid
from monolayer.recipe.recipe import Recipe
from monolayer.studies.bonus.claims import judge_all
from monolayer.studies.bonus.leaky_procedures import WHY_OPENED, remove_mean, rerun_continued, rerun_untrained
from monolayer.studies.bonus.verdicts import ClaimData, Scored, Verdict
from monolayer.training.run import Run, add_test_metrics
from monolayer.training.train import train_bank
from monolayer.tuning.plan import group_recipes
from monolayer.tuning.sweep import Sweep, train_recipes


class Stages:
    """A ``Progress`` that combines the progress of several stages into one percentage, which never decreases.

    Args:
        progress: receives ``task`` with a percentage.
        task: the name of the whole.
        seconds: the approximate duration of each stage; only their ratios matter.
    """

    def __init__(self, progress: Progress, task: str, seconds: Sequence[float]) -> None:
        self._progress, self._task, self._seconds = progress, task, list(seconds)
        self._stage, self._percentage = -1, 0.0
        self._n_tasks, self._begun, self._task_now = 1, 0, ""

    def begin(self, n_tasks: int = 1) -> Stages:
        """Start the next stage, which reports its progress as this many tasks, one after the other."""
        self._stage += 1
        self._n_tasks, self._begun, self._task_now = n_tasks, 0, ""
        self._report(0.0)
        return self

    def info(self, text: str) -> None:
        """Pass a line on."""
        self._progress.info(text)

    def advance(self, task: str, done: float, total: float | None, unit: str = "", detail: str = "") -> None:
        """Update the progress of the stage."""
        if done == 0 or task != self._task_now:  # a task begins with a report that nothing is done
            self._begun += 1
            self._task_now = task
        share = (self._begun - 1 + done / (total or 1)) / self._n_tasks
        self._report(min(share, 1.0))

    def end(self) -> None:
        """Report that everything is done."""
        self._stage = len(self._seconds) - 1
        self._report(1.0)

    def _report(self, share: float) -> None:
        done = sum(self._seconds[: self._stage]) + self._seconds[self._stage] * share
        self._percentage = max(self._percentage, round(100 * done / sum(self._seconds), 1))
        self._progress.advance(self._task, self._percentage, 100, "%")


def estimate_banks(banks: Sequence[Sequence[object]], epochs: Sequence[int]) -> Iterator[float]:
    """Weights of banks: on CIFAR-10 an epoch of M members takes about (2 + M) / 3 of the time of a single run."""
    return ((2.0 + len(bank)) * n for bank, n in zip(banks, epochs, strict=True))


GRID_AXES: dict[str, tuple[Any, ...]] = {
    "l2": (0.0, 0.001, 0.1, 1.0),
    "learning_rate": (0.001, 0.005, 0.01),
    "batch_size": (50, 100, 200),
}
WINNER = "grid_winner"
# Findings on what all runs share are listed once, under these names; the others of a sweep are on the grid.
SHARED = {"rows": "all rows", "installation": "this installation"}
WITHOUT_MEAN = "bce_without_mean"
# The first part of the assignment trains on one file of five; of a smaller dataset a quarter of the rows is used.
PART_ROWS, PART_SHARE = 10_000, 4
# Settings whose trained weights the original report trained further on the evaluation images.
CONTINUED = ("all_data", "flips", "cross_entropy")
# Weights of the stages after the banks, in the unit of a bank's weight (an epoch of CIFAR-10, some 0.1 s a member).
CERTIFY_WEIGHT, PUBLISHED_WEIGHT, LEAK_WEIGHT = 150.0, 60.0, 270.0
LEAK_TASKS = 6


@dataclass(frozen=True)
class Experiment:
    """One recipe of the study, with its exercise in the assignment and its title."""

    key: str
    exercise: str
    title: str
    recipe: Recipe


@dataclass(frozen=True)
class StudyPlan:
    """The size of the study: epochs of every recipe, the first seed, and the number of consecutive seeds."""

    epochs: int = 40
    seed: int = 42
    n_seeds: int = 5


def declare_experiments(seed: int, epochs: int) -> tuple[Experiment, ...]:
    """The five recipes of the report, in its order; the grid is separate."""
    base = Recipe(learning_rate=0.001, batch_size=100, epochs=epochs, seed=seed)
    weak = base.replace(l2=0.001)
    return (
        Experiment("all_data", "2.1 a", "All training data", base),
        Experiment("flips", "2.1 b", "All training data, flips", weak.replace(flip=0.5)),
        Experiment("step_decay", "2.1 d", "Step decay", weak.replace(schedule="step:10:0.1")),
        Experiment("cross_entropy", "2.2", "Cross-entropy", weak),
        Experiment("multiple_bce", "2.2", "Multiple binary cross-entropy",
                   weak.replace(loss="multiple_bce", learning_rate=0.01)),
    )  # fmt: skip


def declare_controls(experiments: Iterable[Experiment], n_classes: int) -> dict[str, Recipe]:
    """Recipes that the claims need besides those of the report, by key; all use all training rows."""
    recipes = {experiment.key: experiment.recipe for experiment in experiments}
    bce = recipes["multiple_bce"]
    return {
        "fast": recipes["all_data"].replace(learning_rate=0.01),
        # The same steps as with cross-entropy: the 1/K makes loss and gradient K times smaller, but not the l2.
        "matched_bce": bce.replace(l2=recipes["cross_entropy"].l2 / n_classes),
        WITHOUT_MEAN: remove_mean(bce, n_classes),
    }


def declare_parts(experiments: Iterable[Experiment], share: float) -> dict[str, Recipe]:
    """Recipes for a part of the training rows, by key: with equal epochs, and with about equal steps."""
    base = next(iter(experiments)).recipe
    return {"part": base, "part_long": base.replace(epochs=max(base.epochs, round(base.epochs / share)))}


@dataclass(frozen=True, eq=False)
class StudyResult:
    """Results of the study.

    Args:
        dataset: the dataset of the study.
        splits: its splits, with the recorded openings of the test rows.
        experiments: the declared experiments.
        repeats: by key of the experiment or control, a run for each seed, evaluated on the test rows.
        winner: the best run of the grid by validation, evaluated on the test rows.
        grid: the sweep.
        published: by key, the metrics that the procedure of the report gives on ``train``, ``val`` and ``test``.
        certificates: by key of the experiment, the distance of its first run to the optimum.
        leaked: test rows with a duplicate among the training rows.
        seconds: time for training, evaluation included.
        fallback: why this is not the intended dataset; empty if it is.
    """

    dataset: Dataset
    splits: Splits
    experiments: tuple[Experiment, ...]
    repeats: dict[str, tuple[Scored, ...]]
    winner: Scored
    grid: Sweep
    published: dict[str, dict[str, Metrics]]
    certificates: dict[str, Certificate]
    leaked: Leaked
    seconds: float
    fallback: str = ""

    @property
    def runs(self) -> dict[str, Run]:
        """The run of each experiment with the first seed, and the best of the grid under WINNER."""
        return {key: scored.run for key, scored in self.scored.items()}

    @property
    def scored(self) -> dict[str, Scored]:
        """The same with their predictions for the test rows."""
        return {e.key: self.repeats[e.key][0] for e in self.experiments} | {WINNER: self.winner}

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """One for each claim of the report."""
        start = math.log(self.dataset.n_classes)  # the cost of chance predictions
        return judge_all(ClaimData(self.repeats, self.grid, self.certificates["step_decay"], start))

    @cached_property
    def calibration(self) -> dict[str, tuple[dict[str, Calibration], dict[str, Rescaled]]]:
        """Calibration of the first run with each loss on the test rows, by reading, and with a temperature.

        The temperature is fitted on the validation rows, which neither trained nor selected the declared recipes.
        """
        measured = {}
        for key in ("cross_entropy", "multiple_bce"):
            scored = self.repeats[key][0]
            readings = measure_readings(scored.test)
            rescaled = {}
            if self.splits.val is not None:
                val = predict_rows(scored.run.network, self.splits.val)
                rescaled = {reading: rescale(val, scored.test, reading) for reading in readings}
            measured[key] = readings, rescaled
        return measured

    @cached_property
    def findings(self) -> tuple[tuple[str, Finding], ...]:
        """The findings on each declared run, on the grid, and on what they share: (what it is on, the finding)."""
        found = []
        for experiment in self.experiments:
            scored = self.repeats[experiment.key][0]
            certificate = self.certificates.get(experiment.key)
            run = diagnose_run(scored.run, self.splits, {"test": scored.test}, certificate=certificate)
            found += [(experiment.title, f) for f in run.findings if CHECKS[f.code].subject not in SHARED]
        on_grid = [f for f in diagnose_sweep(self.grid, self.splits).findings if f.code != DUPLICATES.code]
        shared = [*on_grid, *check_leaked(self.leaked, self.splits.n_test)]
        return (*found, *((SHARED.get(CHECKS[f.code].subject, "the grid"), f) for f in shared))

    def to_dict(self) -> dict[str, Any]:
        """The results as a dictionary that JSON can hold."""
        dataset = self.dataset
        return {
            "dataset": {"name": dataset.name, "source": dataset.source, "sha256": dataset.sha256},
            "rows": {
                "train": len(self.splits.train),
                "val": len(self.splits.val) if self.splits.val else 0,
                "test": self.splits.n_test,
            },
            "test_openings": [asdict(opening) for opening in self.splits.openings],
            "fallback": self.fallback,
            "experiments": {
                key: {**run.to_dict(), "history": [row.to_dict() for row in run.history]}
                for key, run in self.runs.items()
            },
            "repeats": {key: [scored.run.to_dict() for scored in row] for key, row in self.repeats.items()},
            "grid": self.grid.to_dict(),
            "as_published": {
                key: {name: metrics.to_dict() for name, metrics in row.items()} for key, row in self.published.items()
            },
            "certificates": {key: certificate.to_dict() for key, certificate in self.certificates.items()},
            "verdicts": [verdict.to_dict() for verdict in self.verdicts],
            "calibration": {
                key: {
                    "readings": {name: c.to_dict() for name, c in readings.items()},
                    "temperature": {name: r.to_dict() for name, r in rescaled.items()},
                }
                for key, (readings, rescaled) in self.calibration.items()
            },
            "findings": [{"on": on, **finding.to_dict()} for on, finding in self.findings],
            "leaked": {"n_pairs": len(self.leaked.pairs), "n_test_rows": int(self.leaked.mask.sum())},
            "seconds": self.seconds,
        }


def run_study(
    dataset: Dataset, plan: StudyPlan | None = None, *, progress: Progress = SILENCE, fallback: str = ""
) -> StudyResult:
    """Train all recipes, then open the test rows once for all of them, then run the procedures of the report again.

    Recipes that can share their batches form one bank. The procedures of the report need a second, explicit opening of
    the test rows, since they train on them; none of their figures is used as a result.

    Args:
        dataset: cifar10, or another dataset of images.
        plan: epochs and seeds.
        progress: receives the progress of the whole study.
        fallback: why this is not the intended dataset.
    """
    plan = plan or StudyPlan()
    splits = dataset.split(choose_val_size(dataset))
    work = _Work(dataset, splits, plan, progress)
    trained = work.train_repeats()
    grid = train_recipes(splits, work.grid_recipes, GRID_AXES, train_every=0, progress=work.stages.begin())
    # Not with flips: they minimise the cost of mirrored images too, which is another problem.
    convex = {e.key: trained[e.key][0] for e in work.experiments if not e.recipe.flip}
    certificates = certify_all(convex, splits, work.stages.begin)
    test = splits.open_test("final evaluation of the declared recipes with all their seeds, and of the grid's choice")
    repeats = _add_test(trained, test)
    winner = _add_test({WINNER: [grid.best]}, test)[WINNER][0]
    published = work.rerun_published({key: row[0] for key, row in repeats.items()})
    leaked = find_leaked(splits.train, test, progress=work.stages.begin(LEAK_TASKS))
    work.stages.end()
    return StudyResult(
        dataset,
        splits,
        work.experiments,
        repeats,
        winner,
        grid,
        published,
        certificates,
        leaked,
        work.seconds + grid.seconds,
        fallback,
    )


def _add_test(trained: dict[str, list[Run]], test: Rows) -> dict[str, tuple[Scored, ...]]:
    runs = [run for row in trained.values() for run in row]
    predictions = iter(predict_all_rows([run.network for run in runs], test))
    return {
        key: tuple(
            Scored(add_test_metrics(run, answers), answers) for run, answers in zip(row, predictions, strict=False)
        )
        for key, row in trained.items()
    }


class _Work:
    """The stages of the study, one method each, in their order."""

    def __init__(self, dataset: Dataset, splits: Splits, plan: StudyPlan, progress: Progress) -> None:
        self.splits, self.plan = splits, plan
        self.n_classes = dataset.n_classes
        self.experiments = declare_experiments(plan.seed, plan.epochs)
        self.recipes = {e.key: e.recipe for e in self.experiments} | declare_controls(self.experiments, self.n_classes)
        n_part = min(PART_ROWS, len(splits.train) // PART_SHARE)
        self.part = replace(splits, train=Rows(dataset, splits.train.index[:n_part]))
        self.part_recipes = declare_parts(self.experiments, n_part / len(splits.train))
        self.grid_recipes = make_grid(self.experiments[0].recipe, GRID_AXES)
        self.scaler = fit_scaler(splits.train)
        self.seconds = 0.0
        self.stages = Stages(progress, "The study", self._estimate())

    def _estimate(self) -> list[float]:
        """The weight of each stage in the progress."""
        whole, part, grid = (
            group_recipes([*recipes], self.n_classes)
            for recipes in (self.recipes.values(), self.part_recipes.values(), self.grid_recipes)
        )
        epochs = self.plan.epochs
        share = len(self.part.train) / len(self.splits.train)
        repeats = [*estimate_banks(whole, [epochs] * len(whole))]
        parts = [share * weight for weight in estimate_banks(part, [bank[0].epochs for bank in part])]
        return [
            *(repeats + parts) * self.plan.n_seeds,
            sum(estimate_banks(grid, [epochs] * len(grid))),
            *[CERTIFY_WEIGHT] * sum(not e.recipe.flip for e in self.experiments),
            PUBLISHED_WEIGHT,
            LEAK_WEIGHT,
        ]

    def train_repeats(self) -> dict[str, list[Run]]:
        """Every experiment and control with every seed, by key."""
        runs: dict[str, list[Run]] = {key: [] for key in (*self.recipes, *self.part_recipes)}
        part_scaler = fit_scaler(self.part.train)
        for seed in range(self.plan.seed, self.plan.seed + self.plan.n_seeds):
            for splits, recipes, scaler in (
                (self.splits, self.recipes, self.scaler),
                (self.part, self.part_recipes, part_scaler),
            ):
                # The curves of the first seed are drawn; of the others only the last epoch is needed.
                every = 1 if seed == self.plan.seed and splits is self.splits else 0
                for key, run in self._train(splits, recipes, scaler, seed, every).items():
                    runs[key].append(run)
        return runs

    def _train(
        self, splits: Splits, recipes: dict[str, Recipe], scaler: Scaler, seed: int, every: int
    ) -> dict[str, Run]:
        seeded = {key: recipe.replace(seed=seed) for key, recipe in recipes.items()}
        by_recipe: dict[Recipe, Run] = {}
        for bank in group_recipes([*dict.fromkeys(seeded.values())], splits.dataset.n_classes):
            runs = train_bank(splits, bank, scaler=scaler, train_every=every, progress=self.stages.begin())
            self.seconds += runs[0].seconds
            by_recipe |= zip(bank, runs, strict=True)
        return {key: by_recipe[recipe] for key, recipe in seeded.items()}

    def rerun_published(self, scored: dict[str, Scored]) -> dict[str, dict[str, Metrics]]:
        """Metrics of the report's procedures, by key of the setting and by the rows that they train on."""
        without_mean = scored[WITHOUT_MEAN].run
        runs = {key: scored[key].run for key in CONTINUED}
        rows = {"test": self.splits.open_test(WHY_OPENED, again=True)}
        if self.splits.val is not None:
            rows["val"] = self.splits.val
        progress = self.stages.begin(2 * len(rows))
        measured = {key: {"train": run.evaluation["train"]} for key, run in runs.items()}
        measured["multiple_bce"] = {"train": without_mean.evaluation["train"]}
        for name, chosen in rows.items():
            for key, metrics in rerun_continued(runs, chosen, progress).items():
                measured[key][name] = metrics
            measured["multiple_bce"][name] = rerun_untrained(without_mean.recipe, chosen, self.scaler, progress)
        return measured
