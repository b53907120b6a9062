"""The page of a dataset: its properties, rows by class, findings and a contact sheet."""

from pathlib import Path

from monolayer.checks.describe import Description
from monolayer.figures.contact_sheet import ContactSheet
from monolayer.reports.blocks import FigureBlock, Table
from monolayer.reports.figures import save_figures
from monolayer.reports.findings import make_finding_notices, make_findings_table
from monolayer.reports.html import render_html
from monolayer.reports.page import Page, fill_page
from monolayer.runs.folder import DESCRIPTION, REPORT, write_json, write_text

CONTACT_SHEET = "contact-sheet"
PART_NAMES = {"train": "training", "val": "validation", "test": "test"}


def save_description(found: Description, folder: Path) -> None:
    """Write description.json, the contact sheet in figures/ and report.html into an empty folder."""
    write_json(folder / DESCRIPTION, found.to_dict())
    figure = draw_contact_sheet(found)
    if figure:
        save_figures([figure], folder)
    write_text(folder / REPORT, render_html(_make_page(found, figure)))


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


def _make_page(found: Description, contact_sheet: FigureBlock | None) -> Page:
    findings, unreadable = [finding.to_dict() for finding in found.findings], list(found.unreadable.items())
    caption = "Unreadable images, excluded from this report."
    return fill_page(
        "reports/templates/dataset.md.j2",
        dataset=found.dataset,
        kind=f"{found.kind[:1].upper()}{found.kind[1:]}",
        notices=make_finding_notices(findings),
        properties=Table("Properties.", ("property", "value"), list_facts(found), "plain"),
        contact_sheet=contact_sheet,
        counts=Table("Rows by class and split.", *list_counts(found)),
        unreadable=Table(caption, ("file", "reason"), unreadable) if unreadable else None,
        findings=make_findings_table(findings),
    )
