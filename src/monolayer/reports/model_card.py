"""The model card of a run, as Markdown with the YAML front matter of Hugging Face."""

import json
import re
from pathlib import Path
from typing import Any

from monolayer.evaluate.metrics import ROW_NAMES, format_accuracy
from monolayer.network import FILE
from monolayer.recipe.losses import get_loss
from monolayer.reports.blocks import Table
from monolayer.reports.card_facts import NOT_STATED, collect_card_facts
from monolayer.reports.markdown import render_markdown
from monolayer.reports.page import Page, fill_page
from monolayer.runs.folder import CARD, CARD_FACTS, write_json, write_text

MAX_NAMED_CLASSES = 20  # of more classes the rest is counted
# Identifiers that Hugging Face accepts; any other licence is "other" with a name.
LICENCES = frozenset(
    {"apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "gpl-2.0", "gpl-3.0", "lgpl-2.1", "lgpl-3.0", "agpl-3.0",
     "mpl-2.0", "isc", "unlicense", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0"}
)  # fmt: skip
# Characters that JSON accepts but YAML does not: control characters, line separators, the byte order mark.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


def write_card(folder: Path) -> None:
    """Write model-card.md and model-card.json from the contents of a run's folder.

    Raises:
        BadData: if the folder is not a run's folder.
    """
    facts = collect_card_facts(folder)
    write_json(folder / CARD_FACTS, facts)
    write_text(folder / CARD, render_card(facts))


def render_card(facts: dict[str, Any]) -> str:
    """The card as Markdown, from :func:`monolayer.reports.card_facts.collect_card_facts`."""
    return f"{render_front_matter(facts)}\n\n{render_markdown(_make_page(facts))}"


def render_front_matter(facts: dict[str, Any]) -> str:
    """The facts that Hugging Face indexes, as YAML between lines of three hyphens.

    Every value is written as JSON, which is valid YAML, so that a name cannot be parsed as anything but text.
    """
    fields: dict[str, Any] = {
        **_name_licence(facts["licence"]),
        "library_name": "monolayer",
        "pipeline_tag": facts["task"],
        "tags": [facts["task"], "linear-classifier", get_loss(facts["loss"]).name.replace("_", "-")],
        "metrics": ["accuracy"],
    }
    if results := _list_results(facts):
        fields["model-index"] = [{"name": f"one-layer network on {facts['data']['name']}", "results": results}]
    lines = (f"{name}: {_to_json(value)}" for name, value in fields.items())
    return "\n".join(["---", *lines, "---"])


def _name_licence(licence: str) -> dict[str, str]:
    if licence == NOT_STATED:
        return {"license": "unknown"}
    known = licence.strip().lower()
    return {"license": known} if known in LICENCES else {"license": "other", "license_name": licence}


def _list_results(facts: dict[str, Any]) -> list[dict[str, Any]]:
    rows = facts["measured_on"]
    if rows is None:
        return []
    data = facts["data"]["name"]
    metrics = facts["evaluation"][rows]
    return [
        {
            "task": {"type": facts["task"]},
            "dataset": {"name": data, "type": data, "split": ROW_NAMES[rows]},
            # As a decimal: YAML 1.1 reads 1e-05 as text.
            "metrics": [{"type": "accuracy", "value": round(metrics["accuracy"], 4)}],
        }
    ]


def _to_json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _make_page(facts: dict[str, Any]) -> Page:
    measured_on, n_classes = facts["measured_on"], len(facts["classes"])
    more = f", and {n_classes - MAX_NAMED_CLASSES:,} more" if n_classes > MAX_NAMED_CLASSES else ""
    return fill_page(
        "reports/templates/model_card.md.j2",
        **{**facts, "loss": get_loss(facts["loss"])},
        rows=ROW_NAMES.get(measured_on),
        metrics=facts["evaluation"][measured_on] if measured_on else None,
        network_file=FILE,
        described_input=_describe_input(facts["input"]),
        named_classes=", ".join(facts["classes"][:MAX_NAMED_CLASSES]) + more,
        evaluation_table=_make_evaluation_table(facts),
        calibration_table=_make_calibration_table(facts) if facts["calibration"] else None,
        recall_table=_make_recall_table(facts) if facts["by_class"] else None,
        training=_make_training_table(facts),
    )


def _describe_input(given: dict[str, Any]) -> str:
    dtype = f"{given['dtype']}, " if given["dtype"] else ""
    text = f"Input: rows of {given['n_features']:,} features, {dtype}unscaled; the network standardises them."
    if given["image_shape"] is None:
        return text
    channels, height, width = given["image_shape"]
    order = "red, then green, then blue" if channels == 3 else f"{channels} channel{'s'[: channels != 1]}"
    highest = f", 0 to {given['pixel_max']:g}" if given["pixel_max"] is not None else ""
    features = f" The network computes features of the image: {given['transformer']}." if "transformer" in given else ""
    return f"{text} A row is an image of {height} x {width} pixels ({order}; row by row{highest}).{features}"


def _name_classes(classes: list[str]) -> str:
    more = f", and {len(classes) - MAX_NAMED_CLASSES:,} more" if len(classes) > MAX_NAMED_CLASSES else ""
    return ", ".join(classes[:MAX_NAMED_CLASSES]) + more


def _make_evaluation_table(facts: dict[str, Any]) -> Table:
    rows = [
        (label, f"{m['n']:,}", _format(m["loss"]), format_accuracy(m["accuracy"], m["n"]))
        if (m := facts["evaluation"][name])
        else (label, "", "", "sealed" if name == "test" else "no such rows")
        for name, label in ROW_NAMES.items()
    ]
    return Table("Loss, and accuracy with 95 % Wilson intervals.", ("rows", "n", "loss", "accuracy %"), rows)


def _make_recall_table(facts: dict[str, Any]) -> Table:
    rows = [(row["class"], f"{row['n']:,}", format_accuracy(row["recognised"], row["n"])) for row in facts["by_class"]]
    return Table(f"Recall by class on {ROW_NAMES[facts['measured_on']]} rows.", ("class", "n", "recall %"), rows)


def _make_calibration_table(facts: dict[str, Any]) -> Table:
    """Calibration error and log loss without a temperature and, on opened test rows, with it."""
    rows = ROW_NAMES[facts["measured_on"]]
    named = {"scores": facts["calibration"]}
    if facts["temperature"] and facts["temperature"]["test"]:
        named[f"scores / {facts['temperature']['temperature']:.3f}"] = facts["temperature"]["test"]
    lines = [
        (what, *(_format_interval(measured[name]) for name in ("expected_error", "by_chance", "log_loss")))
        for what, measured in named.items()
    ]
    columns = ("probabilities from", "ECE, 15 bins", "ECE if calibrated", "log loss")
    note = "ECE: expected calibration error. ECE if calibrated: what a calibrated network has on as many rows."
    return Table(f"Calibration on {rows} rows, with 95 % bootstrap intervals.", columns, lines, note=note)


def _make_training_table(facts: dict[str, Any]) -> Table:
    data, splits = facts["data"], facts["splits"]
    split = {name.replace("_", " "): value for name, value in splits.items() if name != "fingerprint"}
    fields = {
        "data": f"{data['name']}, from {data['source']}",
        "SHA-256 of the decoded data": data["sha256"],
        "training rows": f"{facts['evaluation']['train']['n']:,}",
        "split": ", ".join(f"{name} {value}" for name, value in split.items() if value is not None),
        "fingerprint of the split": splits["fingerprint"],
        "epochs done": facts["epochs_done"],
        **facts["recipe"],
    }
    return Table.of_fields("Data and recipe.", fields)


def _format(value: float | None) -> str:
    return "diverged" if value is None else f"{value:.4f}"


def _format_interval(measured: dict[str, Any] | None) -> str:
    if measured is None:
        return "–"
    low, high = measured["interval"]
    return f"{measured['estimate']:.3f} [{low:.3f}, {high:.3f}]"
