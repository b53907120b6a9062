"""The page of an audit: duplicates between and within the splits of a dataset."""

from pathlib import Path

from monolayer.duplicates.search import Duplicate
from monolayer.figures import DuplicatePairs
from monolayer.reports.blocks import FigureBlock, Notice
from monolayer.reports.figures import save_figures
from monolayer.reports.findings import make_finding_notices
from monolayer.reports.html import render_html
from monolayer.reports.page import Page, fill_page
from monolayer.runs.audit import Audit
from monolayer.runs.folder import DUPLICATES, REPORT, write_table, write_text

MAX_DRAWN = 24
COLUMNS = ("splits", "first", "second", "similarity", "mirrored", "first_label", "second_label")


def save_audit(audit: Audit, folder: Path) -> None:
    """Write duplicates.csv, figures/ and report.html."""
    lines = [
        dict(zip(COLUMNS, (splits, p.first, p.second, p.similarity, p.mirrored, *p.labels), strict=True))
        for splits, pairs in (
            ("train test", audit.across),
            ("train val", audit.across_val),
            ("train train", audit.inside),
        )
        for p in pairs
    ]
    write_table(folder / DUPLICATES, COLUMNS, lines)
    figures = _draw_pairs(audit)
    save_figures(figures, folder)
    write_text(folder / REPORT, render_html(_make_page(audit, figures)))


def _draw_pairs(audit: Audit) -> list[FigureBlock]:
    dataset = audit.dataset
    if dataset is None or dataset.image_shape is None or dataset.image_shape[0] not in (1, 3):
        return []
    figures = []
    for name, pairs, second in (
        ("train-test", audit.across, dataset.test),
        ("train-val", audit.across_val, dataset.val),
        ("train-train", audit.inside, None),
    ):
        of = f"{len(pairs):,} pairs ({name.replace('-', ' and ')} rows)"
        for kind, (shown, how) in choose_pairs(list(pairs)).items():
            caption = f"{len(shown)} of {of}: {how}."
            splits = tuple(name.split("-"))
            chart = DuplicatePairs.of(shown, dataset, second, splits=(splits[0], splits[1]))
            figures.append(FigureBlock(f"{name}-{kind}", chart, caption, f"A contact sheet of image pairs. {caption}"))
    return figures


def choose_pairs(pairs: list[Duplicate]) -> dict[str, tuple[list[Duplicate], str]]:
    """The pairs to draw, with a description, by kind; kinds without pairs are left out.

    The least similar pairs are the most likely to be false.
    """
    conflicting = [pair for pair in pairs if pair.labels[0] != pair.labels[1]]
    n_drawn = min(MAX_DRAWN, len(pairs))
    spread = [pairs[i * (len(pairs) - 1) // max(n_drawn - 1, 1)] for i in range(n_drawn)]
    kinds = {
        "labels-differ": (conflicting[:MAX_DRAWN], "the most similar pairs with different labels"),
        "spread": (spread, "evenly spaced from the most to the least similar"),
        "least-similar": (pairs[-MAX_DRAWN:] if len(pairs) > MAX_DRAWN else [], "the least similar pairs"),
    }
    return {kind: (shown, how) for kind, (shown, how) in kinds.items() if shown}


def _make_page(audit: Audit, figures: list[FigureBlock]) -> Page:
    dataset = audit.dataset
    assert dataset is not None  # noqa: S101  (claims alone have no page)
    notices = make_finding_notices([finding.to_dict() for finding in audit.findings])
    if audit.run:
        notices.append(Notice(audit.describe_run(), title="Accuracy without the leaked rows"))
    n_test, n_val = (len(part.X) if part else 0 for part in (dataset.test, dataset.val))
    searched = f"{n_test:,} test rows" if not n_val else f"{n_test:,} test and {n_val:,} validation rows"
    return fill_page(
        "reports/templates/duplicates.md.j2", dataset=dataset, searched=searched, notices=notices, figures=figures
    )
