"""The folder of the bonus assignment: report.html, report.md, results.json, figures and networks."""

from itertools import chain
from pathlib import Path
from typing import Any

from monolayer.evaluate.metrics import ROW_NAMES, Metrics, format_accuracy
from monolayer.figures import ProbabilityHistogram
from monolayer.figures.sweep_table import SweepTable
from monolayer.recipe.losses import get_loss
from monolayer.recipe.recipe import Recipe
from monolayer.reports.blocks import (
    Block,
    Document,
    FigureBlock,
    FigureRow,
    Listing,
    Notice,
    Paragraph,
    Section,
    Table,
)
from monolayer.reports.figures import draw_curves, draw_probabilities, draw_templates, save_figures
from monolayer.reports.html import render_html
from monolayer.reports.markdown import render_markdown
from monolayer.reports.sweep import describe_selection, make_sweep_table
from monolayer.reports.sweep_figures import draw_heat_map
from monolayer.runs.folder import MARKDOWN, NETWORKS, REPORT, RESULTS, write_json, write_text
from monolayer.runs.provenance import collect_provenance
from monolayer.studies.bonus import reported
from monolayer.studies.bonus.report_checks import (
    draw_calibration,
    draw_leaked,
    make_calibration_section,
    make_certificate_section,
    make_leaked_section,
    make_study_findings_section,
)
from monolayer.studies.bonus.report_claims import (
    make_first_screen,
    make_published_section,
    make_repeats_table,
    make_verdict_section,
    write_lead,
)
from monolayer.studies.bonus.study import GRID_AXES, WINNER, Experiment, StudyResult
from monolayer.studies.ladder.report import (
    describe_ladder,
    draw_ladder,
    load_ladder_of,
    make_ladder_blocks,
    make_steps_table,
)
from monolayer.training.history import format_epoch
from monolayer.training.run import Run

REPORTED_DATASET = "cifar10"
DISPLAY_NAMES = {"cifar10": "CIFAR-10"}
TOP = 10
PARTS = ("train", "val", "test")
LOSSES_COMPARED = ("cross_entropy", "multiple_bce")
SCALES_DIFFER = (
    "The two losses have different scales: multiple binary cross-entropy averages over the K classes, so its gradient "
    "is K times smaller than that of the sum. Its learning rate is ten times larger here, and the same l2 is stronger "
    "relative to it. Its probabilities are one sigmoid for each class and need not sum to one."
)


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


def make_study_document(
    result: StudyResult,
    pictures: dict[str, list[FigureBlock]],
    provenance: dict[str, str],
    ladder: dict[str, Any] | None = None,
) -> Document:
    """Make the page, in the order of the original report; a ladder of the same dataset is a section of it."""
    by_key = {experiment.key: experiment for experiment in result.experiments}
    is_comparable = is_comparable_with_report(result)
    return Document(
        title=f"One layer on {_name(result)}: the bonus assignment",
        lead=write_lead(result, is_comparable),
        notices=(_make_fallback_notice(result),) if result.fallback else (),
        summary=make_first_screen(result, is_comparable),
        sections=(
            make_published_section(result, is_comparable),
            make_verdict_section(result),
            _make_results_section(result),
            _make_experiment_section(result, by_key["all_data"], pictures),
            _make_experiment_section(result, by_key["flips"], pictures),
            _make_grid_section(result, pictures["grid"], is_comparable),
            _make_step_decay_section(result, by_key["step_decay"], pictures, is_comparable),
            _make_losses_section(result, by_key, pictures),
            make_calibration_section(result, pictures["calibration"]),
            make_certificate_section(result),
            _make_ladder_section(result, ladder, pictures),
            make_leaked_section(result, next(iter(pictures["leaked"]), None)),
            make_study_findings_section(result),
            _make_method_section(result),
            _make_provenance_section(result, provenance),
        ),
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


def _make_results_section(result: StudyResult) -> Section:
    columns, rows = make_study_table(result)
    table = Table(
        "Accuracy in per cent after the last epoch, with its 95 % interval (Wilson).", columns, tuple(rows),
        note=f"Seed {result.experiments[0].recipe.seed}. The intervals show the uncertainty from the finite number of "
        "images.",
    )  # fmt: skip
    blocks = [make_repeats_table(result)] if len(result.repeats["all_data"]) > 1 else []
    return Section("Results on held-out images", (table, *blocks), "results")


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


def _lay_out(figures: list[FigureBlock]) -> list[Block]:
    """Loss beside cost, then the other figures below each other."""
    return [FigureRow(tuple(figures[:2])), *(FigureRow((figure,)) for figure in figures[2:])]


def _make_run_table(result: StudyResult, experiment: Experiment) -> Table:
    run = result.runs[experiment.key]
    rows = tuple(
        (ROW_NAMES[name], m.n, f"{m.loss:.4f}", f"{m.cost:.4f}", _format(m))
        for name in PARTS
        if (m := run.evaluation[name])
    )
    columns = ("rows", "n", "loss", "cost", "accuracy %, 95 % interval")
    return Table(f"{experiment.title} ({describe_recipe(run)}) after {len(run.history)} epochs.", columns, rows)


def _make_experiment_section(
    result: StudyResult, experiment: Experiment, pictures: dict[str, list[FigureBlock]]
) -> Section:
    blocks: list[Block] = [_make_run_table(result, experiment)]
    if experiment.key in reported.ACCURACIES and is_comparable_with_report(result):
        blocks.append(_make_reported_table(experiment))
    blocks += _lay_out(pictures[experiment.key])
    return Section(f"Exercise {experiment.exercise}: {experiment.title.lower()}", tuple(blocks), experiment.key)


def _make_reported_table(experiment: Experiment) -> Table:
    row = reported.ACCURACIES[experiment.key]
    return Table(
        f"Accuracy in per cent, Listing {row.listing} of {reported.SOURCE}.",
        ("training", "validation", "test"),
        ((f"{row.train:.2f}", f"{row.val:.2f}", f"{row.test:.2f}"),),
        "printed",
    )


def _make_grid_section(result: StudyResult, pictures: list[FigureBlock], is_comparable: bool) -> Section:
    sweep = result.grid.to_dict()
    reported_blocks: list[Block] = [_make_reported_grid(), Paragraph(_explain_reported_grid())] if is_comparable else []
    blocks: list[Block] = [
        make_sweep_table(sweep["runs"], GRID_AXES, TOP),
        Paragraph(" ".join(describe_selection(sweep, GRID_AXES))),
        *reported_blocks,
        *(FigureRow((picture,)) for picture in pictures),
    ]
    return Section("Exercise 2.1 c: the grid", tuple(blocks), "grid")


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


def _explain_reported_grid() -> str:
    return (
        "One column of the reported table is missing. Its column Lambda is the row number of the grid, counted with l2 "
        "slowest and batch size fastest; its column Eta is l2; the learning rate is missing. The last two columns are "
        "derived from the row number."
    )


def _make_step_decay_section(
    result: StudyResult, experiment: Experiment, pictures: dict[str, list[FigureBlock]], is_comparable: bool
) -> Section:
    section = _make_experiment_section(result, experiment, pictures)
    run = result.runs[experiment.key]
    lines = "\n".join(format_epoch(row, run.recipe.epochs) for row in run.history)
    blocks: list[Block] = [Listing(lines, "Training and validation after every epoch.")]
    if is_comparable and run.recipe.epochs == max(reported.STEP_DECAY):
        blocks[:0] = [_make_step_decay_table(run), Paragraph(_explain_step_decay(run))]
    return Section(section.title, (*section.blocks, *blocks), section.slug)


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


def _explain_step_decay(run: Run) -> str:
    lines = [(run.history[epoch - 1], accuracy) for epoch, (_, accuracy) in reported.STEP_DECAY.items()]
    apart = {
        name: max(abs(100 * (getattr(row, f"{name}_accuracy") or 0) - accuracy) for row, accuracy in lines)
        for name in ("train", "val")
    }
    text = (
        f"The report calls the values of its Listing 4 validation accuracies. The measured training accuracies differ "
        f"from them by at most {apart['train']:.2f} points, the measured validation accuracies by up to "
        f"{apart['val']:.2f}"
    )
    return text + (
        ": **the table is mislabelled; it shows training accuracies**." if apart["train"] < apart["val"] else "."
    )


def _make_losses_section(
    result: StudyResult, by_key: dict[str, Experiment], pictures: dict[str, list[FigureBlock]]
) -> Section:
    """Both losses: tables, curves and templates below each other, the two histograms side by side."""
    blocks: list[Block] = []
    histograms: list[FigureBlock] = []
    for key in LOSSES_COMPARED:
        apart = [picture for picture in pictures[key] if picture.name.endswith("probability")]
        rest = [picture for picture in pictures[key] if picture not in apart]
        blocks += _make_experiment_section(result, by_key[key], {key: rest}).blocks
        histograms += apart
    side_by_side = [FigureRow(tuple(histograms))] if histograms else []
    return Section("Exercise 2.2: two losses", (*blocks, *side_by_side, Paragraph(SCALES_DIFFER)), "losses")


def _make_ladder_section(
    result: StudyResult, ladder: dict[str, Any] | None, pictures: dict[str, list[FigureBlock]]
) -> Section:
    """The results of a ladder, if there is one."""
    title, slug = "One layer, better features", "ladder"
    if ladder is None:
        text = (
            f"Not measured for this page. `monolayer ladder {result.dataset.name} --out runs/ladder` trains the same "
            "single layer on features that are learnt from the training images without their labels, and `--ladder "
            "runs/ladder` includes its results here."
        )
        return Section(title, (Paragraph(text),), slug)
    blocks = (Paragraph(describe_ladder(ladder)), make_steps_table(ladder))
    return Section(title, (*blocks, *make_ladder_blocks(ladder, pictures["ladder"])), slug)


def _make_method_section(result: StudyResult) -> Section:
    return Section(
        "Methods",
        (
            Paragraph(
                "One layer, `scores = W x + b`, is trained by mini-batch gradient descent without momentum. Each pixel "
                "is standardised with its mean and standard deviation over the training images. The initial weights "
                "are drawn from a normal distribution, and each epoch has one random order of the images. **Cost** = "
                "mean loss + l2 * sum of squared weights. The schedule `step:10:0.1` divides the learning rate by ten "
                "after every tenth epoch."
            ),
            Paragraph(
                f"The scaler was fitted to the {len(result.splits.train):,} training images only. The best recipe "
                "of the grid was chosen on the validation images. The test images were opened for: "
                f"{'; '.join(map(str, result.splits.openings))}."
            ),
        ),
    )


def _make_provenance_section(result: StudyResult, provenance: dict[str, str]) -> Section:
    dataset, recipes = result.dataset, [run.recipe for run in result.runs.values()]
    facts = {
        **provenance,
        "data": f"{dataset.name}, from {dataset.source}",
        "SHA-256 of the decoded data": dataset.sha256,
        "seeds": ", ".join(map(str, sorted({recipe.seed for recipe in recipes}))),
        "training": f"{result.seconds:.1f} s, evaluation included",
    }
    table = Table("Sources and versions for the same results.", ("what", "value"), tuple(facts.items()), "plain")
    return Section("Provenance", (table,))


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
    document = make_study_document(result, pictures, provenance, loaded)
    paths = save_figures(chain.from_iterable(pictures.values()), folder)
    write_text(folder / REPORT, render_html(document))
    write_text(folder / MARKDOWN, render_markdown(document, paths))
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
