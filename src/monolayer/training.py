"""Recipes and splits in, runs out: the epoch loop and its history."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.audit.finding import Finding
from monolayer.audit.learning_rate import TOO_HIGH, check_diverged
from monolayer.data.scaler import Scaler, fit_scaler
from monolayer.data.splits import Rows, Splits
from monolayer.engine.bank import Bank, make_bank, make_batch_order, resume_bank
from monolayer.engine.numpy_engine import NumpyEngine, open_numpy_engine
from monolayer.errors import BadInput
from monolayer.evaluate.answers import Answers
from monolayer.evaluate.metrics import Metrics, Tally, make_finite
from monolayer.losses import get_loss
from monolayer.network import BLOCK, OneLayer
from monolayer.progress import SILENCE, Progress
from monolayer.recipe import Recipe

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class EpochRow:
    """One epoch of a run's history; None where that epoch was not evaluated, or there are no validation rows."""

    epoch: int
    learning_rate: float
    train_loss: float | None = None
    train_cost: float | None = None
    train_accuracy: float | None = None
    val_loss: float | None = None
    val_cost: float | None = None
    val_accuracy: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The row as JSON holds it: a diverged loss becomes None."""
        return {name: make_finite(value) for name, value in asdict(self).items()}


HISTORY_COLUMNS = tuple(column.name for column in fields(EpochRow))


@dataclass(frozen=True, eq=False)
class Run:
    """What training gives back.

    Args:
        recipe: what was asked for.
        network: the trained network.
        history: a row an epoch, epoch 1 first.
        evaluation: measures by name of the rows: ``train``, ``val`` where there are validation rows, and ``test`` once
            :func:`evaluate_test` has opened them.
        seconds: training alone, evaluation each epoch included; for a bank, of the whole bank.
        findings: what was noticed.
        val_correct: whether each validation row was right after the last epoch, (n,) bool; None without such rows.
    """

    recipe: Recipe
    network: OneLayer
    history: tuple[EpochRow, ...]
    evaluation: dict[str, Metrics]
    seconds: float
    findings: tuple[Finding, ...] = ()
    val_correct: Array | None = None

    @property
    def has_diverged(self) -> bool:
        """Whether finding ML001 says so."""
        return any(finding.code == TOO_HIGH and finding.outcome == "issue" for finding in self.findings)

    @property
    def is_complete(self) -> bool:
        """Whether every epoch of the recipe was run."""
        return len(self.history) == self.recipe.epochs

    def to_dict(self) -> dict[str, Any]:
        """The run as ``monolayer train --json`` prints it."""
        return {
            "recipe": self.recipe.to_dict(),
            **{name: m.to_dict() if (m := self.evaluation.get(name)) else None for name in ("train", "val", "test")},
            "seconds": self.seconds,
            "epochs_done": len(self.history),
            "findings": [finding.to_dict() for finding in self.findings],
        }


def _never() -> bool:
    return False


@dataclass(frozen=True)
class TrainOptions:
    """How to train, as opposed to what: nothing here changes a weight.

    Args:
        train_every: evaluate the training rows after every so many epochs; 0: only after the last; None: every epoch
            of a single run, only the last of a sweep.
        val_every: the same for the validation rows, with whole numbers only.
        on_epoch: called after each epoch with the newest row of every member's history.
        should_stop: asked after each epoch; True ends the training there, with everything so far kept.
        progress: told how far it is.
        task: what the progress display calls this.
    """

    train_every: int | None = None
    val_every: int = 1
    on_epoch: Callable[[list[EpochRow]], None] | None = None
    should_stop: Callable[[], bool] = _never
    progress: Progress = field(default=SILENCE, repr=False)
    task: str = "training"


def train(splits: Splits, recipe: Recipe | None = None, *, options: TrainOptions | None = None, **changes: Any) -> Run:
    """Train one network; ``changes`` replace fields of the recipe.

    Raises:
        BadInput: if the recipe does not fit the data: a batch larger than the training rows, flips without images.
    """
    recipe = (recipe or Recipe()).replace(**changes)
    return train_bank(splits, [recipe], options)[0]


def train_bank(
    splits: Splits,
    recipes: Sequence[Recipe],
    options: TrainOptions | None = None,
    scaler: Scaler | None = None,
    starts: Sequence[OneLayer] | None = None,
) -> list[Run]:
    """Train the networks of a bank side by side: the runs, in the order of the recipes.

    Args:
        splits: what to train on.
        recipes: one a network; they share what a bank's must.
        options: how to train.
        scaler: of these training rows, where it has been fitted already, as for the banks of a sweep.
        starts: networks to go on from, one a recipe and all of one scaler, which is kept; else the seed's weights.

    Raises:
        BadInput: if the recipes do not fit the data, or do not share what a bank's must.
    """
    options = options or TrainOptions()
    for recipe in recipes:
        check_recipe(recipe, splits)
    if starts is not None:
        bank = resume_bank(recipes, starts)
    else:
        bank = make_bank(recipes, scaler or fit_scaler(splits.train), splits.dataset.n_classes)
    with open_numpy_engine(bank, splits.dataset.image_shape) as engine:
        outcome = _run_epochs(engine, splits, options)
    return [_make_run(bank, member, splits, outcome) for member in range(bank.n_members)]


def compute_ignorance(loss: str, n_classes: int) -> float:
    """The loss of a network that says nothing, all of its scores being 0: log K, or log 2 for sigmoids."""
    return float(get_loss(loss).compute_loss(np.zeros((1, n_classes)), np.zeros(1, np.int64))[0])


def check_recipe(recipe: Recipe, splits: Splits) -> None:
    """Raise BadInput if this recipe cannot be trained on these rows."""
    if recipe.batch_size > len(splits.train):
        raise BadInput(f"batch_size is {recipe.batch_size}; accepted are 1 to {len(splits.train)}, the training rows.")
    if recipe.flip and splits.dataset.image_shape is None:
        raise BadInput(f"flip is {recipe.flip:g}, but the rows of {splits.dataset.name} are no images; accepted is 0.")


def evaluate_test(run: Run, splits: Splits, reason: str = "final evaluation", *, again: bool = False) -> Run:
    """The run with its measures on the test rows, which are opened for it: do this once, with the run you chose.

    Raises:
        BadInput: if the run was trained on other splits, whose training rows may be test rows here; or if the test
            rows have been opened before and this is not said to be one time more.
    """
    if run.network.metadata.get("splits") != splits.fingerprint:
        raise BadInput("The run was trained on other splits; accepted are the splits that it was trained on.")
    return add_test_metrics(run, answer(run.network, splits.open_test(reason, again=again)))


def answer(network: OneLayer, rows: Rows) -> Answers:
    """What the network says of these rows, a block at a time."""
    with np.errstate(all="ignore"):  # a diverged network answers too
        scores = np.concatenate([network.compute_scores(block) for block in rows.iterate_blocks(BLOCK)])
    return Answers(network.loss, scores, rows.y, rows.index)


def answer_all(networks: Sequence[OneLayer], rows: Rows) -> list[Answers]:
    """What :func:`answer` gives for each network, with one pass over the rows for all that share a scaler."""
    groups: dict[bytes, list[int]] = {}
    for i, network in enumerate(networks):
        groups.setdefault(network.mean.tobytes() + network.std.tobytes(), []).append(i)
    answers: dict[int, Answers] = {}
    for members in groups.values():
        first = networks[members[0]]
        stacked = replace(
            first,
            weights=np.concatenate([networks[i].weights for i in members]),
            bias=np.concatenate([networks[i].bias for i in members]),
        )
        scores = answer(stacked, rows).scores.reshape(len(rows), len(members), -1)
        for place, i in enumerate(members):
            said = np.ascontiguousarray(scores[:, place])
            answers[i] = Answers(networks[i].loss, said, rows.y, rows.index)
    return [answers[i] for i in range(len(networks))]


def add_test_metrics(run: Run, answers: Answers) -> Run:
    """The run with its measures on test rows that have been opened already, such as for several declared runs."""
    test = answers.compute_metrics(run.network, run.recipe.l2)
    return replace(run, evaluation={**run.evaluation, "test": test})


@dataclass(frozen=True, eq=False)
class _Evaluation:
    """Measures of some rows by their name, one dictionary a member, and which rows each member has right, (M, n)."""

    metrics: list[dict[str, Metrics]]
    correct: dict[str, Array]


@dataclass(frozen=True, eq=False)
class _Outcome:
    """What the epoch loop gives back: a history a member, the last evaluation, and the seconds it took."""

    histories: list[list[EpochRow]]
    evaluation: _Evaluation
    seconds: float


def _run_epochs(engine: NumpyEngine, splits: Splits, options: TrainOptions) -> _Outcome:
    start = time.perf_counter()
    bank = engine.bank
    batch_order = make_batch_order(bank.recipes[0], bank.n_classes, bank.V.shape[1])
    histories: list[list[EpochRow]] = [[] for _ in bank.recipes]
    epochs = bank.recipes[0].epochs
    options.progress.advance(options.task, 0, epochs, "epochs")
    for epoch in range(1, epochs + 1):
        rates = np.array([recipe.compute_rate(epoch) for recipe in bank.recipes])
        engine.run_epoch(splits.train, *batch_order.draw_epoch(len(splits.train)), rates)
        stop = epoch == epochs or options.should_stop()
        chosen = _choose_rows(splits, options, epoch, stop)
        evaluation = _evaluate(engine, chosen)
        for history, rate, measures in zip(histories, rates, evaluation.metrics, strict=True):
            history.append(_make_row(epoch, float(rate), measures))
        if options.on_epoch:
            options.on_epoch([history[-1] for history in histories])
        options.progress.advance(options.task, epoch, epochs, "epochs")
        # Asked once more, since the wish may have come while the rows were evaluated: if all are, this is the end.
        if stop or (len(chosen) == 1 + (splits.val is not None) and options.should_stop()):
            break
    return _Outcome(histories, evaluation, time.perf_counter() - start)


def _choose_rows(splits: Splits, options: TrainOptions, epoch: int, is_last: bool) -> dict[str, Rows]:
    def is_due(every: int) -> bool:
        return is_last or (every > 0 and epoch % every == 0)

    chosen = {"train": splits.train} if is_due(1 if options.train_every is None else options.train_every) else {}
    if splits.val is not None and is_due(options.val_every):
        chosen["val"] = splits.val
    return chosen


def _evaluate(engine: NumpyEngine, chosen: dict[str, Rows]) -> _Evaluation:
    bank = engine.bank
    if not chosen:
        return _Evaluation([{} for _ in bank.recipes], {})
    l2, squared_norms = np.array([recipe.l2 for recipe in bank.recipes]), bank.compute_squared_norms()
    tallies = {name: _tally(engine, rows) for name, rows in chosen.items()}
    measured = {name: tally.compute_metrics(l2, squared_norms) for name, tally in tallies.items()}
    metrics = [{name: column[m] for name, column in measured.items()} for m in range(bank.n_members)]
    return _Evaluation(metrics, {name: tally.correct for name, tally in tallies.items()})


def _tally(engine: NumpyEngine, rows: Rows) -> Tally:
    tally = Tally(engine.bank.n_members)
    groups = engine.bank.group_by_loss()
    for scores, y in engine.iterate_scores(rows):
        tally.add(groups, scores, y)
    return tally


def _make_row(epoch: int, rate: float, measures: dict[str, Metrics]) -> EpochRow:
    columns = {
        f"{name}_{column}": value
        for name, metrics in measures.items()
        for column, value in asdict(metrics).items()
        if column != "n"
    }
    return EpochRow(epoch, rate, **columns)


def _make_run(bank: Bank, member: int, splits: Splits, outcome: _Outcome) -> Run:
    recipe, dataset = bank.recipes[member], splits.dataset
    network = OneLayer(
        weights=bank.compute_weights(member),
        bias=bank.bias[member :: bank.n_members].copy(),
        mean=bank.scaler.mean,
        std=bank.scaler.std,
        loss=recipe.loss,
        class_names=dataset.class_names,
        image_shape=dataset.image_shape,
        metadata={
            "recipe": recipe.to_json(),
            "dataset": dataset.name,
            "dataset_sha256": dataset.sha256,
            "pixel_max": str(dataset.pixel_max),
            "splits": splits.fingerprint,
        },
    )
    history = outcome.histories[member]
    losses = [row.train_loss for row in history if row.train_loss is not None]
    ignorant = compute_ignorance(recipe.loss, dataset.n_classes)
    return Run(
        recipe=recipe,
        network=network,
        history=tuple(history),
        evaluation=outcome.evaluation.metrics[member],
        seconds=outcome.seconds,
        findings=tuple(check_diverged(recipe, losses, ignorant)),
        val_correct=outcome.evaluation.correct["val"][member] if splits.val is not None else None,
    )
