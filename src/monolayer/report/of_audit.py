"""The page of an audit: duplicates between and within the files of a dataset, as a table and as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from monolayer.audit.finding import Finding
from monolayer.audit.leakage import Duplicate
from monolayer.data.dataset import Dataset
from monolayer.figures.pairs import collect_pairs
from monolayer.folder import DUPLICATES, REPORT, write_table, write_text
from monolayer.report.document import Block, Document, FigureRow, Paragraph, Section
from monolayer.report.findings import make_finding_notices
from monolayer.report.html import render_html
from monolayer.report.pictures import Picture, save_pictures

# The least similar pairs are the ones to look at: where any is wrong, it is among them.
MAX_DRAWN = 40
COLUMNS = ("splits", "first", "second", "similarity", "mirrored", "first_label", "second_label")


def save_audit(
    dataset: Dataset,
    across: list[Duplicate],
    inside: list[Duplicate],
    findings: Sequence[Finding],
    folder: Path,
) -> None:
    """Write duplicates.csv, figures/ and report.html.

    Args:
        dataset: what was searched.
        across: pairs of a training row and a test row, the most similar first.
        inside: pairs within the training file.
        findings: what was concluded.
        folder: where to write.
    """
    lines = [
        dict(zip(COLUMNS, (splits, p.first, p.second, p.similarity, p.mirrored, *p.labels), strict=True))
        for splits, pairs in (("train test", across), ("train train", inside))
        for p in pairs
    ]
    write_table(folder / DUPLICATES, COLUMNS, lines)
    pictures = _draw_pairs(dataset, across, inside)
    save_pictures(pictures, folder)
    write_text(folder / REPORT, render_html(_make_document(dataset, findings, pictures)))


def _draw_pairs(dataset: Dataset, across: list[Duplicate], inside: list[Duplicate]) -> list[Picture]:
    if dataset.image_shape is None or dataset.image_shape[0] not in (1, 3):
        return []
    pictures = []
    for name, pairs, second in (("train-test", across, dataset.test), ("train-train", inside, None)):
        if pairs:
            shown = pairs[-MAX_DRAWN:]
            caption = f"The {len(shown)} least similar of {len(pairs):,} pairs ({name.replace('-', ' and ')} rows)."
            chart = collect_pairs(shown, dataset, second)
            pictures.append(Picture(f"duplicates-{name}", chart, caption, f"A contact sheet of image pairs. {caption}"))
    return pictures


def _make_document(dataset: Dataset, findings: Sequence[Finding], pictures: list[Picture]) -> Document:
    notices = make_finding_notices([finding.to_dict() for finding in findings])
    blocks: list[Block] = [FigureRow((picture.render(),)) for picture in pictures]
    blocks = blocks or [Paragraph("There are no pairs to draw.")]
    n_test = len(dataset.test.X) if dataset.test else 0
    return Document(
        title=f"Audit of {dataset.name}",
        lead=f"{len(dataset.X):,} rows of the training file and {n_test:,} test rows were searched for rows that show "
        "the same thing: equal byte for byte, or the same photograph mirrored, recoloured, shifted or stretched.",
        notices=notices,
        sections=(Section("Pairs", tuple(blocks)),),
    )
