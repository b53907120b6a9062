"""The folder of a ladder: results.json, ladder.csv, networks, figures, and the page that is made from them.

The same tables and figures are a section of the page of the bonus assignment.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monolayer.data.cifar10 import EXPECTED
from monolayer.data.dataset import Dataset
from monolayer.errors import BadData, BadInput
from monolayer.evaluate.metrics import format_accuracy, make_finite
from monolayer.figures import AccuracyCost, Evidence, Filters
from monolayer.network import OneLayer
from monolayer.recipe.losses import get_loss
from monolayer.reports.blocks import FigureBlock, Table, slugify
from monolayer.reports.calibration import READING_NAMES
from monolayer.reports.figures import save_figures
from monolayer.reports.html import render_html
from monolayer.reports.markdown import render_markdown
from monolayer.reports.page import Page, fill_page
from monolayer.runs.folder import LADDER, MARKDOWN, NETWORKS, REPORT, RESULTS, write_json, write_table, write_text
from monolayer.runs.provenance import collect_provenance
from monolayer.studies.ladder import published
from monolayer.studies.ladder.study import Ladder, Step

FORMAT = "monolayer-ladder-1"
MARK = " *"  # of a value at the edge of what was tried


def save_ladder(ladder: Ladder, folder: Path, command: Sequence[str] | None = None) -> dict[str, Any]:
    """Write everything into an empty folder, and return the content of results.json."""
    facts = collect_facts(ladder, command)
    (folder / NETWORKS).mkdir()
    for step, described in zip(ladder.steps, facts["steps"], strict=True):
        step.run.network.save(folder / NETWORKS / described["network"])
    write_json(folder / RESULTS, facts)
    rows = [_list_step(step, facts["steps"][i]) for i, step in enumerate(ladder.steps)]
    write_table(folder / LADDER, tuple(rows[0]), rows)
    write_ladder_report(folder)
    return facts


def collect_facts(ladder: Ladder, command: Sequence[str] | None = None) -> dict[str, Any]:
    """The content of results.json, from which the page is made, together with the networks."""
    facts, pictured = ladder.to_dict(), ladder.best_on_patches
    for step in facts["steps"]:  # numbered, since names of features may differ only in characters that slugs drop
        number = ladder.plan.features.index(step["features"]) + 1
        step["network"] = f"{number}-{slugify(step['features'])}-{slugify(step['recipe']['loss'])}.safetensors"
    is_cifar10 = ladder.splits.dataset.sha256 == EXPECTED.sha256
    return {
        "format": FORMAT,
        **facts,
        "pictured": None if pictured is None else ladder.steps.index(pictured),
        "evidence": _list_evidence(ladder),
        "published": [vars(figure) for figure in published.FIGURES] if is_cifar10 else [],
        "provenance": collect_provenance(command),
    }


def is_ladder(folder: Path) -> bool:
    """Whether this is the folder of a ladder."""
    return (folder / LADDER).is_file()


def load_ladder(folder: Path) -> dict[str, Any]:
    """Load results.json from the folder of a ladder.

    Raises:
        BadData: if it is not the folder of a ladder.
    """
    try:
        facts = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        facts = None
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise BadData(f"{folder}: has no ladder; accepted is a folder that `monolayer ladder --out` made.")
    return facts


def load_ladder_of(dataset: Dataset, folder: Path) -> dict[str, Any]:
    """Load results.json from the folder of a ladder of this dataset.

    Raises:
        BadData: if it is not the folder of a ladder.
        BadInput: if the ladder is of other images.
    """
    facts = load_ladder(folder)
    if facts["dataset"]["sha256"] != dataset.sha256:
        raise BadInput(f"{folder} has a ladder of {facts['dataset']['name']}; accepted is one of {dataset.name}.")
    return facts


def write_ladder_report(folder: Path) -> None:
    """Make figures/, report.html and report.md from results.json and the networks of a ladder.

    Raises:
        BadData: if it is not the folder of a ladder.
    """
    facts = load_ladder(folder)
    pictures = draw_ladder(facts, folder)
    page, paths = _make_page(facts, pictures), save_figures(pictures, folder)
    write_text(folder / REPORT, render_html(page))
    write_text(folder / MARKDOWN, render_markdown(page, paths))


def draw_ladder(facts: dict[str, Any], folder: Path) -> list[FigureBlock]:
    """Draw accuracy against cost, and the filters and evidence maps of the best step on patches."""
    pictures: list[FigureBlock | None] = [_draw_cost(facts)]
    if facts["pictured"] is not None:
        step = facts["steps"][facts["pictured"]]
        network = OneLayer.load(folder / NETWORKS / step["network"])
        pictures += [_draw_filters(network, step), _draw_evidence(facts, step)]
    return [picture for picture in pictures if picture is not None]


def _draw_cost(facts: dict[str, Any]) -> FigureBlock:
    steps = facts["steps"]
    accuracy = np.array([step["test"]["accuracy"] for step in steps])
    low, high = np.array([step["test"]["accuracy_interval"] for step in steps]).T
    chart = AccuracyCost(
        tuple(step["features"] for step in steps),
        tuple(get_loss(step["recipe"]["loss"]).title for step in steps),
        np.array([_count_seconds(step) for step in steps]),
        accuracy,
        low,
        high,
        tuple((f"published: {f['what']}, {f['accuracy']} %", float(f["accuracy"]) / 100) for f in facts["published"]),
    )
    levels = " Dotted and dashed: published by others, not measured here." if facts["published"] else ""
    caption = (
        "Test accuracy of each step, with its 95 % Wilson interval, against the seconds for computing its features and "
        f"training the recipes of all losses; losses on the same features are drawn side by side.{levels}"
    )
    return FigureBlock("ladder", chart, caption, f"A line for each loss. {caption}")


def _draw_filters(network: OneLayer, step: dict[str, Any]) -> FigureBlock | None:
    transformer = network.transformer
    if transformer is None or transformer.patch_shape is None or transformer.patch_shape[0] not in (1, 3):
        return None
    chart = Filters.of(network)
    n, drawn = len(transformer.filters_), len(chart.filters)
    which = f"The filters of {_name(step)}, the most used first"
    if drawn < n:
        which = f"{drawn} of the {n:,} filters of {_name(step)}, with the largest weights"
    caption = (
        f"{which}. Whitened patches of the image are compared with them; each is scaled to its minimum and maximum."
    )
    return FigureBlock("filters", chart, caption, f"Rows of small images. {caption}")


def _draw_evidence(facts: dict[str, Any], step: dict[str, Any]) -> FigureBlock:
    chart = Evidence(np.array(facts["evidence"], dtype=np.float64), tuple(facts["dataset"]["class_names"]))
    caption = (
        f"Where {_name(step)} finds each class, on {step['val']['n']:,} validation images: the contribution of each "
        "place to the score of the class in its own images, minus that in the others. A map sums to the difference of "
        "the mean scores; a class without validation images has none."
    )
    return FigureBlock("evidence", chart, caption, f"A map for each class, red where the class is found. {caption}")


def make_steps_table(facts: dict[str, Any]) -> Table:
    """A row for each step: accuracy with and without the leaked rows, seconds, memory."""
    rows = [
        (
            step["features"],
            f"{step['n_features']:,}",
            get_loss(step["recipe"]["loss"]).title,
            _format(step["test"]),
            _format(step["without_leaked"]),
            _format(step["val"]),
            f"{format_seconds(step['feature_s'])} + {format_seconds(step['choice_s'])}",
            "" if step["peak_mib"] is None else f"{step['peak_mib']:,.0f}",
        )
        for step in facts["steps"]
    ]
    n_train, n = (facts["steps"][0][rows]["n"] for rows in ("train", "test"))
    leaked, obstacle = facts["leaked"]["n_test_rows"], facts["leaked"]["obstacle"]
    columns = (
        "features", "dimensions", "loss", "test %", "without leaked", "validation %", "seconds", "MiB",
    )  # fmt: skip
    return Table(
        f"One layer on different features: accuracy on {n:,} test images, opened once after the last choice.",
        columns,
        rows,
        note=f"Trained on {n_train:,} images. 95 % Wilson intervals. Without leaked: without the {leaked:,} test "
        "images that have a duplicate among the training images. Seconds: for computing the features, in both "
        "orientations if there are flips, when they were computed; and for training all recipes of all losses side by "
        "side. MiB: peak memory of the process until then." + (f" {obstacle}" if obstacle else ""),
    )


def _make_choices_table(facts: dict[str, Any]) -> Table:
    """The recipes that were tried, and those that validation chose."""
    rows = [
        (
            step["features"],
            get_loss(recipe["loss"]).title,
            _mark(f"{recipe['learning_rate']:g}", step["rate_at_edge"]),
            _mark(f"{recipe['l2']:g}", step["l2_at_edge"]),
            f"{100 * step['train']['accuracy']:.2f}",
            f"{step['train']['loss']:.4f}",
            f"{step['val']['loss']:.4f}",
            f"{step['test']['loss']:.4f}",
        )
        for step in facts["steps"]
        for recipe in [step["recipe"]]
    ]
    step, plan = facts["steps"][0], facts["plan"]
    rates, l2 = (", ".join(f"{value:g}" for value in plan[name]) for name in ("rates", "l2"))
    return Table(
        f"The recipes, each the best of {step['n_recipes']} by accuracy on {step['val']['n']:,} validation images.",
        ("features", "loss", "rate", "l2", "training %", "training loss", "validation loss", "test loss"),
        rows,
        note=f"Tried: {rates} times the stable learning rate of the features with the loss, and l2 of {l2}; "
        f"{plan['epochs']} epochs, flips {plan['flip']:g}, cosine schedule. *: the largest or smallest value that was "
        "tried; a better one may be beyond it.",
    )


def _make_calibration_table(facts: dict[str, Any]) -> Table:
    """The calibration of each step, for every kind of probability."""
    rows = [
        (
            step["features"],
            f"{get_loss(step['recipe']['loss']).title}, {READING_NAMES[reading]}",
            _format_range(found["expected_error"]),
            "–" if found["chance"] is None else f"[{found['chance']['low']:.3f}, {found['chance']['high']:.3f}]",
            _format_range(found["brier"]),
        )
        for step in facts["steps"]
        for reading, found in step["calibration"].items()
    ]
    return Table(
        f"Calibration on the {facts['steps'][0]['test']['n']:,} test images, with 95 % bootstrap intervals.",
        ("features", "loss, probabilities", "expected error", "by chance", "Brier score"),
        rows,
        note="Expected calibration error of the predicted class, 15 bins of equal width. By chance: that of a "
        "calibrated network on as many images. It is not defined for raw sigmoids, which need not sum to one.",
    )


def describe_ladder(facts: dict[str, Any]) -> str:
    """Compare the first step with the best by validation, in two or three sentences."""
    first, best = facts["steps"][0], facts["steps"][facts["best"]]
    n = first["test"]["n"]
    right = f"**{_format(first['test'])} %** of {n:,} test images"
    leaked = facts["leaked"]["n_test_rows"]
    have = "has" if leaked == 1 else "have"
    without = f"without the {leaked:,} that {have} a duplicate among the training images"
    text = f"One layer of weights on {_name(first)} classifies {right} correctly"
    text += f"{_format_without_leaked(first, without) if leaked else ''}."
    if best is first:
        return f"{text} No other step is better on validation."
    learnt = ", on features that were learnt from the training images without their labels" * best["is_learnt"]
    others = len(facts["like_the_best"])
    steps = f"{others} other steps are" if others > 1 else "1 other step is"
    close = f" On {best['val']['n']:,} validation images {steps} statistically indistinguishable from it."
    return (
        f"{text} The best step by validation, {_name(best)}, reaches **{_format(best['test'])} %**"
        f"{_format_without_leaked(best, 'without those') if leaked else ''}: the same kind of layer, trained in the "
        f"same way{learnt}.{close if others else ''}"
    )


def _format_without_leaked(step: dict[str, Any], words: str) -> str:
    """The accuracy without leaked images in parentheses, with these words; empty if all images are leaked."""
    left = step["without_leaked"]
    return f" ({100 * left['accuracy']:.2f} % {words})" if left else ""


def _make_page(facts: dict[str, Any], pictures: list[FigureBlock]) -> Page:
    openings = "; ".join(f"{opening['when']}: {opening['why']}" for opening in facts["test_openings"])
    dataset = facts["dataset"]
    origin = {
        **facts["provenance"],
        "data": f"{dataset['name']}, from {dataset['source']}",
        "SHA-256 of the decoded data": dataset["sha256"],
        "test rows opened": openings,
        **{f"features of {s['features']}": f"{s['by']}, SHA-256 {s['features_sha256']}" for s in facts["steps"][::-1]},
    }
    return fill_page(
        "studies/ladder/report.md.j2",
        **describe_steps(facts, pictures),
        name=dataset["name"],
        choices=_make_choices_table(facts),
        calibration=_make_calibration_table(facts),
        provenance=Table.of_fields("Sources and versions for the same results.", origin),
    )


def describe_steps(facts: dict[str, Any], pictures: list[FigureBlock]) -> dict[str, Any]:
    """The result, the steps, and accuracy against cost, as values for a template."""
    return {
        "result": describe_ladder(facts),
        "steps": make_steps_table(facts),
        "figures": [*pictures[:1], *_make_published_tables(facts), *pictures[1:]],
    }


def _make_published_tables(facts: dict[str, Any]) -> list[Table]:
    """Accuracies published by others; none if the data are not CIFAR-10."""
    if not facts["published"]:
        return []
    rows = [(figure["what"], figure["accuracy"], figure["source"]) for figure in facts["published"]]
    note = (
        "Linear classifiers on features that were learnt without labels, trained on all 50,000 training images: "
        "support vector machines, and in the last row gradient descent with momentum and a bottleneck."
    )
    return [Table("Published by others.", ("features", "test %", "source"), rows, "printed", note)]


def _list_step(step: Step, facts: dict[str, Any]) -> dict[str, Any]:
    """The row of a step in ladder.csv."""
    measured = {f"{rows}_{k}": v for rows in ("train", "val", "test") for k, v in facts[rows].items()}
    kept = ("features", "n_features", "n_recipes", "feature_s", "choice_s", "peak_mib")
    left = facts["without_leaked"] or {}
    return {
        **{name: facts[name] for name in kept},
        **step.run.recipe.to_dict(),
        **measured,
        "test_accuracy_without_leaked": left.get("accuracy"),
    }


def _list_evidence(ladder: Ladder) -> list[Any] | None:
    """The maps as lists for JSON; None for the values of a class without validation images."""
    maps = ladder.evidence
    return None if maps is None else [[list(map(make_finite, line)) for line in one] for one in maps.tolist()]


def format_seconds(seconds: float) -> str:
    """Format whole seconds, or tenths below ten."""
    return f"{seconds:,.0f}" if seconds >= 10 else f"{seconds:.1f}"


def _count_seconds(step: dict[str, Any]) -> float:
    return float(step["feature_s"] + step["choice_s"])


def _name(step: dict[str, Any]) -> str:
    return f"{step['features']} with {get_loss(step['recipe']['loss']).title}"


def _mark(text: str, is_marked: bool) -> str:
    return text + MARK * is_marked


def _format(measured: dict[str, Any] | None) -> str:
    return format_accuracy(measured["accuracy"], measured["n"]) if measured else "–"


def _format_range(found: dict[str, Any]) -> str:
    return f"{found['estimate']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"
