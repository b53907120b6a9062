"""The page of a dataset: its properties, rows by class, findings and a contact sheet."""

from pathlib import Path

from monolayer.checks.describe import Description
from monolayer.figures.contact_sheet import ContactSheet
from monolayer.reports.document import Document, FigureBlock, FigureRow, Paragraph, Section, Table
from monolayer.reports.figures import save_figures
from monolayer.reports.findings import make_finding_notices, make_findings_section
from monolayer.reports.html import render_html
from monolayer.runs.folder import DESCRIPTION, REPORT, write_json, write_text

CONTACT_SHEET = "contact-sheet"
PART_NAMES = {"train": "training", "val": "validation", "test": "test"}


def save_description(found: Description, folder: Path) -> None:
    """Write description.json, the contact sheet in figures/ and report.html into an empty folder."""
    write_json(folder / DESCRIPTION, found.to_dict())
    figure = draw_contact_sheet(found)
    if figure:
        save_figures([figure], folder)
    write_text(folder / REPORT, render_html(_make_document(found, figure)))


def draw_contact_sheet(found: Description) -> FigureBlock | None:
    """Some images of each class; None if the rows are not single-label images of 1 or 3 channels."""
    dataset = found.dataset
    if dataset.image_shape is None or dataset.image_shape[0] not in (1, 3) or dataset.is_multi_label:
        return None
    chart = ContactSheet.of(dataset)
    n_shown = len(chart.class_names)
    which = "each class" if n_shown == dataset.n_classes else f"each of the first {n_shown} classes"
    caption = f"Training images of {which}, evenly spaced over its rows."
    return FigureBlock(CONTACT_SHEET, chart, caption, f"A contact sheet. {caption}")


def list_facts(found: Description) -> list[tuple[str, str]]:
    """The properties of a dataset, as (name, value)."""
    facts, dataset = found.to_dict(), found.dataset
    shape = "not images" if dataset.image_shape is None else _describe_shape(dataset.image_shape)
    values = found.find_values()
    return [
        ("kind", found.kind),
        ("source", dataset.source),
        ("rows", ", ".join(f"{n:,} {PART_NAMES[part]}" for part, n in facts["rows"].items())),
        ("classes", f"{dataset.n_classes:,}"),
        *([] if facts["groups"] is None else [("groups in the training rows", f"{facts['groups']:,}")]),
        ("features", f"{facts['n_features']:,} {facts['dtype']}, {shape}"),
        ("values", "none finite" if values is None else "{:g} to {:g}".format(*values)),
        ("size", f"{facts['bytes'] / 2**20:,.1f} MiB, {'memory-mapped' if found.is_mapped else 'in memory'}"),
        ("SHA-256", facts["sha256"]),
    ]


def list_counts(found: Description, n_classes: int | None = None) -> tuple[list[str], list[list[str]]]:
    """(column names, table rows): rows by class and split, for the first ``n_classes`` classes (default all)."""
    counts = found.count_classes()
    lines = [[name, *(f"{counts[part][name]:,}" for part in counts)] for name in found.dataset.class_names[:n_classes]]
    return ["class", *(PART_NAMES[part] for part in counts)], lines


def _describe_shape(shape: tuple[int, int, int]) -> str:
    channels, height, width = shape
    colours = {1: "grey", 3: "red, green and blue"}.get(channels, f"{channels} channels")
    return f"images of {height} x {width} pixels, {colours}"


def _make_document(found: Description, figure: FigureBlock | None) -> Document:
    dataset, findings = found.dataset, [finding.to_dict() for finding in found.findings]
    columns, lines = list_counts(found)
    rows = tuple(map(tuple, lines))
    shown = FigureRow((figure,)) if figure else Paragraph("The rows are not images, so none are shown.")
    unreadable = tuple(found.unreadable.items())
    damaged = [
        Section(
            "Images that cannot be read",
            (Table("Unreadable images, excluded from this report.", ("file", "reason"), unreadable),),
        )
    ]
    return Document(
        title=f"Dataset {dataset.name}",
        lead=f"{found.kind[:1].upper()}{found.kind[1:]}: {len(dataset.X):,} training rows of {dataset.n_classes:,} "
        "classes.",
        notices=make_finding_notices(findings),
        summary=(Table("Properties.", ("property", "value"), tuple(list_facts(found)), "plain"),),
        sections=(
            Section("Images", (shown,)),
            Section("Rows by class", (Table("Rows by class and split.", tuple(columns), rows),)),
            *(damaged if unreadable else []),
            make_findings_section(findings),
        ),
    )
