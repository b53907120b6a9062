"""The page of a dataset: what was understood, how many rows each class has, what looks wrong, and a contact sheet."""

from __future__ import annotations

from pathlib import Path

from monolayer.checks.describe import Description
from monolayer.figures.contact_sheet import ContactSheet
from monolayer.reports.document import Document, FigureRow, Paragraph, Section, Table
from monolayer.reports.findings import make_finding_notices, make_findings_section
from monolayer.reports.html import render_html
from monolayer.reports.pictures import Picture, save_pictures
from monolayer.runs.folder import DESCRIPTION, REPORT, write_json, write_text

CONTACT_SHEET = "contact-sheet"
PART_NAMES = {"train": "training", "val": "validation", "test": "test"}


def save_description(found: Description, folder: Path) -> None:
    """Write what was understood into an empty folder: description.json, the contact sheet in figures/, report.html."""
    write_json(folder / DESCRIPTION, found.to_dict())
    picture = draw_contact_sheet(found)
    if picture:
        save_pictures([picture], folder)
    write_text(folder / REPORT, render_html(_make_document(found, picture)))


def draw_contact_sheet(found: Description) -> Picture | None:
    """Some images of each class; None where the rows are none, or have another number of channels than 1 or 3."""
    dataset = found.dataset
    if dataset.image_shape is None or dataset.image_shape[0] not in (1, 3) or dataset.is_multi_label:
        return None
    chart = ContactSheet.of(dataset)
    n_shown = len(chart.class_names)
    which = "each class" if n_shown == dataset.n_classes else f"each of the first {n_shown} classes"
    caption = f"Training images of {which}, spread evenly over its rows."
    return Picture(CONTACT_SHEET, chart, caption, f"A contact sheet. {caption}")


def list_facts(found: Description) -> list[tuple[str, str]]:
    """What was understood, as (what, in words)."""
    facts, dataset = found.to_dict(), found.dataset
    shape = "no images" if dataset.image_shape is None else _describe_shape(dataset.image_shape)
    values = found.find_values()
    return [
        ("kind", found.kind),
        ("source", dataset.source),
        ("rows", ", ".join(f"{n:,} {PART_NAMES[part]}" for part, n in facts["rows"].items())),
        ("classes", f"{dataset.n_classes:,}"),
        *([] if facts["groups"] is None else [("groups of the training rows", f"{facts['groups']:,}")]),
        ("features", f"{facts['n_features']:,} {facts['dtype']}, {shape}"),
        ("values", "none is finite" if values is None else "{:g} to {:g}".format(*values)),
        ("size", f"{facts['bytes'] / 2**20:,.1f} MiB, {'memory-mapped' if found.is_mapped else 'in memory'}"),
        ("SHA-256", facts["sha256"]),
    ]


def list_counts(found: Description, n_classes: int | None = None) -> tuple[list[str], list[list[str]]]:
    """(columns, a line a class) of how many rows there are, of the first so many classes (all)."""
    counts = found.count_classes()
    lines = [[name, *(f"{counts[part][name]:,}" for part in counts)] for name in found.dataset.class_names[:n_classes]]
    return ["class", *(PART_NAMES[part] for part in counts)], lines


def _describe_shape(shape: tuple[int, int, int]) -> str:
    channels, height, width = shape
    colours = {1: "grey", 3: "red, green and blue"}.get(channels, f"{channels} channels")
    return f"images of {height} x {width} pixels, {colours}"


def _make_document(found: Description, picture: Picture | None) -> Document:
    dataset, findings = found.dataset, [finding.to_dict() for finding in found.findings]
    columns, lines = list_counts(found)
    rows = tuple(map(tuple, lines))
    shown = FigureRow((picture.render(),)) if picture else Paragraph("The rows are no images, so none are shown.")
    unreadable = tuple(found.unreadable.items())
    damaged = [
        Section("Images that cannot be read", (Table("Left out of everything here.", ("where", "why"), unreadable),))
    ]
    return Document(
        title=f"The data in {dataset.name}",
        lead=f"{found.kind[:1].upper()}{found.kind[1:]}: {len(dataset.X):,} training rows of {dataset.n_classes:,} "
        "classes, as they were understood before anything is trained.",
        notices=make_finding_notices(findings),
        summary=(Table("What was understood.", ("what", "value"), tuple(list_facts(found)), "plain"),),
        sections=(
            Section("Images", (shown,)),
            Section("Rows a class", (Table("Rows by class and part.", tuple(columns), rows),)),
            *(damaged if unreadable else []),
            make_findings_section(findings),
        ),
    )
