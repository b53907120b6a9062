"""The folder of the bonus assignment: report.html, report.md, results.json, figures and networks."""

from itertools import chain
from pathlib import Path
from typing import Any

from monolayer.evaluate.metrics import ROW_NAMES, Metrics, format_accuracy
from monolayer.figures import ProbabilityHistogram
from monolayer.figures.sweep_table import SweepTable
from monolayer.recipe.losses import get_loss
from monolayer.recipe.recipe import Recipe
from monolayer.reports.blocks import Block, FigureBlock, FigureRow, Listing, Notice, Table
from monolayer.reports.figures import draw_curves, draw_probabilities, draw_templates, save_figures
from monolayer.reports.html import render_html
from monolayer.reports.markdown import render_markdown
from monolayer.reports.page import Page, fill_page
from monolayer.reports.sweep import describe_selection, make_sweep_table
from monolayer.reports.sweep_figures import draw_heat_map
from monolayer.runs.folder import MARKDOWN, NETWORKS, REPORT, RESULTS, write_json, write_text
from monolayer.runs.provenance import collect_provenance
from monolayer.studies.bonus import reported
from monolayer.studies.bonus.report_checks import describe_checks, draw_calibration, draw_leaked
from monolayer.studies.bonus.report_claims import describe_claims, make_repeats_table
from monolayer.studies.bonus.study import GRID_AXES, WINNER, Experiment, StudyResult
from monolayer.studies.ladder.report import describe_steps, draw_ladder, load_ladder_of
from monolayer.training.history import format_epoch
from monolayer.training.run import Run

REPORTED_DATASET = "cifar10"
DISPLAY_NAMES = {"cifar10": "CIFAR-10"}
TOP = 10
PARTS = ("train", "val", "test")
LOSSES_COMPARED = ("cross_entropy", "multiple_bce")


def is_comparable_with_report(result: StudyResult) -> bool:
    """Whether the reported figures are of the same data and the same number of epochs."""
    return result.dataset.name == REPORTED_DATASET and result.experiments[0].recipe.epochs == max(reported.STEP_DECAY)


def draw_study(result: StudyResult) -> dict[str, list[FigureBlock]]:
    """Draw the figures of the study, by key of the experiment or of the section."""
    pictures = {e.key: _draw_experiment(result, e) for e in result.experiments}
    heat_map = draw_heat_map(SweepTable(result.grid.to_dict()["runs"], tuple(GRID_AXES)), "grid")
    leaked = draw_leaked(result)
    return {
        **pictures,
        "grid": [heat_map] if heat_map else [],
        "leaked": [leaked] if leaked else [],
        "calibration": draw_calibration(result),
    }


def make_study_page(
    result: StudyResult,
    pictures: dict[str, list[FigureBlock]],
    provenance: dict[str, str],
    ladder: dict[str, Any] | None = None,
) -> Page:
    """Make the page, in the order of the original report; a ladder of the same dataset is a section of it."""
    by_key = {experiment.key: experiment for experiment in result.experiments}
    is_comparable, sweep = is_comparable_with_report(result), result.grid.to_dict()
    # The histograms of the two losses are side by side, below their other figures.
    histograms = {key: [p for p in pictures[key] if p.name.endswith("probability")] for key in LOSSES_COMPARED}
    run = result.runs["step_decay"]
    log = "\n".join(format_epoch(row, run.recipe.epochs) for row in run.history)
    return fill_page(
        "studies/bonus/report.md.j2",
        **describe_claims(result, is_comparable),
        **describe_checks(result),
        name=_name(result),
        dataset=result.dataset,
        is_comparable=is_comparable,
        fallback=_make_fallback_notice(result) if result.fallback else None,
        epochs=result.experiments[0].recipe.epochs,
        n_train=len(result.splits.train),
        n_val=len(result.splits.val or ()),
        n_test=result.splits.n_test,
        n_seeds=len(result.repeats["all_data"]),
        by_key=by_key,
        results=_make_results_tables(result),
        experiments={
            key: _make_experiment_blocks(
                result, by_key[key], [p for p in pictures[key] if p not in histograms.get(key, [])], is_comparable
            )
            for key in by_key
        },
        histograms=FigureRow([*chain.from_iterable(histograms.values())]) if any(histograms.values()) else None,
        grid=make_sweep_table(sweep["runs"], GRID_AXES, TOP),
        selection=" ".join(describe_selection(sweep, GRID_AXES)),
        reported_grid=_make_reported_grid(),
        step_decay=_make_step_decay_table(run) if is_comparable else None,
        listing_apart=_compare_with_listing(run) if is_comparable else None,
        log=Listing(log, "Training and validation after every epoch."),
        ladder=describe_steps(ladder, pictures["ladder"]) if ladder else None,
        pictures=pictures,
        openings="; ".join(map(str, result.splits.openings)),
        provenance=_make_provenance_table(result, provenance),
    )


def make_study_table(result: StudyResult) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The table of accuracies for the page and the terminal: columns and rows, in per cent with intervals."""
    titles = {e.key: e.title for e in result.experiments} | {WINNER: "Best of the grid, by validation"}
    rows = [
        (
            title,
            *(_format(result.runs[key].evaluation[name]) for name in reversed(PARTS)),
            describe_recipe(result.runs[key]),
        )
        for key, title in titles.items()
    ]
    return ("experiment", "test %", "validation %", "training %", "recipe"), rows


def _name(result: StudyResult) -> str:
    if result.fallback:
        return f"{result.dataset.name} (NOT CIFAR-10)"
    return DISPLAY_NAMES.get(result.dataset.name, result.dataset.name)


def _format(metrics: Metrics) -> str:
    return format_accuracy(metrics.accuracy, metrics.n)


def describe_recipe(run: Run) -> str:
    """The recipe in a few words, such as ``CE, rate 0.001, l2 0, batch 100``."""
    recipe = run.recipe
    loss = get_loss(recipe.loss).abbreviation
    extras = [f"flip {recipe.flip:g}"] if recipe.flip else []
    extras += [recipe.schedule] if recipe.schedule != Recipe().schedule else []
    return ", ".join(
        [loss, f"rate {recipe.learning_rate:g}", f"l2 {recipe.l2:g}", f"batch {recipe.batch_size}", *extras]
    )


def _make_fallback_notice(result: StudyResult) -> Notice:
    return Notice(
        f"No source of CIFAR-10 could be reached, so the same study was run on **{result.dataset.name}**, which is "
        "part of scikit-learn. Nothing on this page is a result on CIFAR-10. "
        + "; ".join(line.strip() for line in result.fallback.splitlines()),
        "bad",
        "THIS IS NOT CIFAR-10",
    )


def _make_results_tables(result: StudyResult) -> list[Table]:
    columns, rows = make_study_table(result)
    table = Table(
        "Accuracy in per cent after the last epoch, with its 95 % interval (Wilson).",
        columns,
        rows,
        note=f"Seed {result.experiments[0].recipe.seed}. The intervals show the uncertainty from the finite number of "
        "images.",
    )
    return [table, make_repeats_table(result)] if len(result.repeats["all_data"]) > 1 else [table]


def _draw_experiment(result: StudyResult, experiment: Experiment) -> list[FigureBlock]:
    run, key = result.runs[experiment.key], experiment.key.replace("_", "-")
    test = result.scored[experiment.key].test
    # The histograms of the two losses are side by side, so they have the same height.
    n_max = compute_common_height(result) if experiment.key in LOSSES_COMPARED else None
    pictures = [
        draw_curves(run.history, "loss", key, experiment.title),
        draw_curves(run.history, "cost", key, experiment.title),
        draw_templates(run.network, key, experiment.title),
        draw_probabilities(test.probability_of_label, test.correct, key, experiment.title, n_max),
    ]
    return [picture for picture in pictures if picture is not None]


def compute_common_height(result: StudyResult) -> float:
    """The common height of the histograms of the two losses: 5 % above the highest bin."""
    frames = [
        ProbabilityHistogram(test.probability_of_label, test.correct).frame()
        for test in (result.scored[key].test for key in LOSSES_COMPARED)
    ]
    return 1.05 * float(max(max(frame[name]) for frame in frames for name in ("n_correct", "n_incorrect")))


def _make_run_table(result: StudyResult, experiment: Experiment) -> Table:
    run = result.runs[experiment.key]
    rows = tuple(
        (ROW_NAMES[name], m.n, f"{m.loss:.4f}", f"{m.cost:.4f}", _format(m))
        for name in PARTS
        if (m := run.evaluation[name])
    )
    columns = ("rows", "n", "loss", "cost", "accuracy %, 95 % interval")
    return Table(f"{experiment.title} ({describe_recipe(run)}) after {len(run.history)} epochs.", columns, rows)


def _make_experiment_blocks(
    result: StudyResult, experiment: Experiment, figures: list[FigureBlock], is_comparable: bool
) -> list[Block]:
    """The tables of an experiment, loss beside cost, then the other figures below each other."""
    blocks: list[Block] = [_make_run_table(result, experiment)]
    if experiment.key in reported.ACCURACIES and is_comparable:
        blocks.append(_make_reported_table(experiment))
    return [*blocks, FigureRow(figures[:2]), *figures[2:]]


def _make_reported_table(experiment: Experiment) -> Table:
    row = reported.ACCURACIES[experiment.key]
    return Table(
        f"Accuracy in per cent, Listing {row.listing} of {reported.SOURCE}.",
        ("training", "validation", "test"),
        ((f"{row.train:.2f}", f"{row.val:.2f}", f"{row.test:.2f}"),),
        "printed",
    )


def decode_grid_row(number: int) -> dict[str, Any]:
    """The recipe of a row number in the original grid: l2 varies slowest, then the rate, then the batch size."""
    l2s, rates, sizes = (GRID_AXES[axis] for axis in ("l2", "learning_rate", "batch_size"))
    i_l2, rest = divmod(number, len(rates) * len(sizes))
    i_rate, i_size = divmod(rest, len(sizes))
    return {"l2": l2s[i_l2], "learning_rate": rates[i_rate], "batch_size": sizes[i_size]}


def _make_reported_grid() -> Table:
    rows = tuple(
        (row.rank, row.headed_lambda, row.headed_eta, row.batch_size, f"{row.accuracy:.1f}",
         f"{(recipe := decode_grid_row(row.headed_lambda))['l2']:g}", f"{recipe['learning_rate']:g}")
        for row in reported.GRID
    )  # fmt: skip
    columns = ("rank", "column Lambda", "column Eta", "batch size", "validation %", "actual l2", "actual rate")
    return Table(f"Listing 3 of {reported.SOURCE}, with its original headings.", columns, rows, "printed")


def _make_step_decay_table(run: Run) -> Table:
    rows = tuple(
        (epoch, f"{loss:.4f}", f"{row.train_loss:.4f}", f"{row.val_loss:.4f}", f"{accuracy:.2f}",
         f"{100 * (row.train_accuracy or 0):.2f}", f"{100 * (row.val_accuracy or 0):.2f}")
        for epoch, (loss, accuracy) in reported.STEP_DECAY.items()
        for row in [run.history[epoch - 1]]
    )  # fmt: skip
    columns = (
        "epoch",
        "loss",
        "training loss",
        "validation loss",
        "accuracy %",
        "training %",
        "validation %",
    )
    return Table(
        "Step decay: Listing 4 of the original, and the measured values.", columns, rows,
        printed_columns=("loss", "accuracy %"),
    )  # fmt: skip


def _compare_with_listing(run: Run) -> dict[str, float]:
    """The largest distance in points between Listing 4 and the measured accuracies of each split."""
    lines = [(run.history[epoch - 1], accuracy) for epoch, (_, accuracy) in reported.STEP_DECAY.items()]
    return {
        name: max(abs(100 * (getattr(row, f"{name}_accuracy") or 0) - accuracy) for row, accuracy in lines)
        for name in ("train", "val")
    }


def _make_provenance_table(result: StudyResult, provenance: dict[str, str]) -> Table:
    dataset, recipes = result.dataset, [run.recipe for run in result.runs.values()]
    facts = {
        **provenance,
        "data": f"{dataset.name}, from {dataset.source}",
        "SHA-256 of the decoded data": dataset.sha256,
        "seeds": ", ".join(map(str, sorted({recipe.seed for recipe in recipes}))),
        "training": f"{result.seconds:.1f} s, evaluation included",
    }
    return Table.of_fields("Sources and versions for the same results.", facts)


def save_study(result: StudyResult, folder: Path, ladder: Path | None = None) -> dict[str, Any]:
    """Write everything into ``folder`` and return the content of results.json.

    Args:
        result: of the study.
        folder: an empty folder.
        ladder: the folder of a ladder of the same dataset, which becomes a section of the page.

    Raises:
        BadData: if that folder has no ladder.
        BadInput: if the ladder is of another dataset.
    """
    pictures, provenance = draw_study(result), collect_provenance()
    loaded = load_ladder_of(result.dataset, ladder) if ladder else None
    pictures["ladder"] = draw_ladder(loaded, ladder) if ladder and loaded else []
    page = make_study_page(result, pictures, provenance, loaded)
    paths = save_figures(chain.from_iterable(pictures.values()), folder)
    write_text(folder / REPORT, render_html(page))
    write_text(folder / MARKDOWN, render_markdown(page, paths))
    results = {
        **result.to_dict(),
        "ladder": loaded and loaded["steps"],
        "printed": _collect_reported(),
        "provenance": provenance,
    }
    write_json(folder / RESULTS, results)
    networks = folder / NETWORKS
    networks.mkdir()
    for key, run in result.runs.items():
        run.network.save(networks / f"{key}.safetensors")
    return results


def _collect_reported() -> dict[str, Any]:
    """The figures of the report, under a key of their own so that they are not mistaken for measurements."""
    return {
        "source": reported.SOURCE,
        "accuracies_percent": {
            key: {part: getattr(row, part) for part in PARTS} for key, row in reported.ACCURACIES.items()
        },
        "grid": [vars(row) for row in reported.GRID],
        "step_decay": {str(epoch): {"loss": loss, "accuracy_percent": accuracy}
                       for epoch, (loss, accuracy) in reported.STEP_DECAY.items()},
    }  # fmt: skip
