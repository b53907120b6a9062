"""The model card of a run, as Markdown with the YAML front matter of Hugging Face."""

import json
import re
from pathlib import Path
from typing import Any

from monolayer.evaluate.metrics import ROW_NAMES, format_accuracy
from monolayer.network import FILE
from monolayer.recipe.losses import get_loss
from monolayer.reports.card_facts import NOT_STATED, collect_card_facts
from monolayer.reports.document import Block, BulletList, Document, Listing, Paragraph, Section, Table
from monolayer.reports.markdown import render_markdown
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
    return f"{render_front_matter(facts)}\n\n{render_markdown(_make_document(facts), {})}"


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


def _make_document(facts: dict[str, Any]) -> Document:
    name, n_classes = facts["data"]["name"], len(facts["classes"])
    return Document(
        title=f"One-layer network on {name}",
        lead=f"A one-layer classifier, scores = W z + b, with {n_classes} classes, trained with {_name_loss(facts)} "
        f"on {facts['evaluation']['train']['n']:,} rows of {name}. {_describe_measured(facts)}",
        sections=(
            Section("How to use it", _make_use(facts)),
            Section("Intended use and limits", (BulletList(tuple(_list_limits(facts))),)),
            Section("Evaluation", _make_evaluation(facts)),
            Section("Findings", _make_findings(facts)),
            Section("Training", _make_training(facts)),
            Section("Licence", (Paragraph(f"Licence of this network: {facts['licence']}."),)),
            Section("Versions", (Paragraph(facts["versions"]),)),
        ),
    )


def _name_loss(facts: dict[str, Any]) -> str:
    return get_loss(facts["loss"]).title


def _describe_measured(facts: dict[str, Any]) -> str:
    rows = facts["measured_on"]
    if rows is None:
        return "It was evaluated on its training rows only."
    metrics = facts["evaluation"][rows]
    sealed = "" if rows == "test" else " The test rows are sealed."
    return f"Accuracy on {_format_accuracy(metrics, rows)}.{sealed}"


def _format_accuracy(metrics: dict[str, Any], rows: str) -> str:
    return f"{metrics['n']:,} {ROW_NAMES[rows]} rows: {format_accuracy(metrics['accuracy'], metrics['n'])} %"


def _make_use(facts: dict[str, Any]) -> tuple[Block, ...]:
    n_features, loss = facts["input"]["n_features"], get_loss(facts["loss"])
    one, many = loss.output
    lines = (
        "import monolayer as ml",
        f'network = ml.OneLayer.load("{FILE}")  # the file next to this card, or its folder',
        f"{many} = network.compute_{many}(X)  # X: (n, {n_features}) -> (n, {len(facts['classes'])})",
    )
    how = loss.readings[0].summary if loss.readings else "its loss defines no probabilities"
    points = [
        _describe_input(facts["input"]),
        f"Output: a {one} for each class ({how}), in this order: {_name_classes(facts['classes'])}.",
    ]
    return (Listing("\n".join(lines)), BulletList(tuple(points)))


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


def _list_limits(facts: dict[str, Any]) -> list[str]:
    """Limits that follow from the facts."""
    name = facts["data"]["name"]
    limits = [
        f"It classifies rows like those of {name} into {len(facts['classes'])} classes; it was not evaluated on other "
        "data.",
        "It assigns one of its classes to every input, including inputs that belong to none of them.",
        "Its scores are linear in the features, so it cannot separate classes that are not linearly separable.",
    ]
    limits += _limit_accuracy(facts)
    if facts["epochs_done"] < facts["recipe"]["epochs"]:
        limits.append(f"Its training stopped after {facts['epochs_done']} of {facts['recipe']['epochs']} epochs.")
    if selection := facts["selection"]:
        limits.append(
            f"It was selected from {selection['n_recipes']:,} recipes by validation accuracy, so its validation "
            "accuracy is optimistic."
        )
    return limits


def _limit_accuracy(facts: dict[str, Any]) -> list[str]:
    rows = facts["measured_on"]
    if rows is None:
        return ["Its accuracy on unseen rows is unknown."]
    metrics, by_class, limits = facts["evaluation"][rows], facts["by_class"], []
    wrong = 100 * (1 - metrics["accuracy"])
    limits.append(f"It misclassifies {wrong:.1f} % of {metrics['n']:,} {ROW_NAMES[rows]} rows.")
    if len(by_class) > 1:
        ends = sorted(by_class, key=lambda row: row["recognised"])
        worst, best = (f"{row['class']} ({_format_share(row)} %)" for row in (ends[0], ends[-1]))
        limits.append(f"Highest recall: {best}; lowest: {worst}.")
    calibration = facts["calibration"]
    if calibration and (chance := calibration["by_chance"]):
        error = calibration["expected_error"]["estimate"]
        beyond = error > chance["interval"][1]
        with_temperature = " before temperature scaling" if facts["temperature"] else ""
        limits.append(
            f"Its probabilities{with_temperature} are {'miscalibrated' if beyond else 'not measurably miscalibrated'}: "
            f"expected calibration error {error:.3f}; a calibrated network has up to {chance['interval'][1]:.3f} on as "
            "many rows (95 % interval)."
        )
    return limits


def _format_share(row: dict[str, Any]) -> str:
    return format_accuracy(row["recognised"], row["n"])


def _make_evaluation(facts: dict[str, Any]) -> tuple[Block, ...]:
    rows = tuple(
        (label, f"{m['n']:,}", _format(m["loss"]), format_accuracy(m["accuracy"], m["n"]))
        if (m := facts["evaluation"][name])
        else (label, *_describe_missing(name))
        for name, label in ROW_NAMES.items()
    )
    table = Table("Loss, and accuracy with 95 % Wilson intervals.", ("rows", "n", "loss", "accuracy %"), rows)
    opened = {0: "The test rows are sealed.", 1: "The test rows were opened once."}
    times = facts["n_test_openings"]
    blocks: list[Block] = [table, Paragraph(opened.get(times, f"The test rows were opened {times} times."))]
    if selection := facts["selection"]:
        blocks.append(Paragraph(" ".join(selection["sentences"])))
    if facts["calibration"]:
        blocks.append(_make_calibration(facts))
    if facts["temperature"]:
        blocks.append(Paragraph(describe_temperature(facts["temperature"])))
    if facts["by_class"]:
        shares = tuple((row["class"], f"{row['n']:,}", _format_share(row)) for row in facts["by_class"])
        caption = f"Recall by class on {ROW_NAMES[facts['measured_on']]} rows."
        blocks.append(Table(caption, ("class", "n", "recall %"), shares))
    return tuple(block for block in blocks if block != Paragraph(""))


def _describe_missing(name: str) -> tuple[str, str, str]:
    return "", "", "sealed" if name == "test" else "no such rows"


def _make_calibration(facts: dict[str, Any]) -> Table:
    """Calibration error and log loss without a temperature and, on opened test rows, with it."""
    rows = ROW_NAMES[facts["measured_on"]]
    named = {"scores": facts["calibration"]}
    if facts["temperature"] and facts["temperature"]["test"]:
        named[f"scores / {facts['temperature']['temperature']:.3f}"] = facts["temperature"]["test"]
    lines = tuple(
        (what, *(_format_interval(measured[name]) for name in ("expected_error", "by_chance", "log_loss")))
        for what, measured in named.items()
    )
    columns = ("probabilities from", "ECE, 15 bins", "ECE if calibrated", "log loss")
    note = "ECE: expected calibration error. ECE if calibrated: what a calibrated network has on as many rows."
    return Table(f"Calibration on {rows} rows, with 95 % bootstrap intervals.", columns, lines, note=note)


def describe_temperature(temperature: dict[str, Any]) -> str:
    """The temperature and its fit, in sentences."""
    text = (
        f"Probabilities are computed from scores / {temperature['temperature']:.4g}; predicted classes do not change."
    )
    fit = temperature["fit"]
    if fit is None:
        return text
    return (
        f"{text} The temperature was fitted on {fit['n']:,} validation rows, where it changes the loss from "
        f"{fit['loss_before']:.4f} to {fit['loss_after']:.4f}. {fit['caveat']}".strip()
    )


def _make_findings(facts: dict[str, Any]) -> tuple[Block, ...]:
    if not facts["findings"]:
        return (Paragraph("The checks on this run reported no issues and no tips."),)
    points = (f"{f['code']} {f['title']} ({f['outcome']}): {f['evidence']} {f['advice']}" for f in facts["findings"])
    return (BulletList(tuple(points)),)


def _make_training(facts: dict[str, Any]) -> tuple[Block, ...]:
    data, splits = facts["data"], facts["splits"]
    split = {name.replace("_", " "): value for name, value in splits.items() if name != "fingerprint"}
    rows = {
        "data": f"{data['name']}, from {data['source']}",
        "SHA-256 of the decoded data": data["sha256"],
        "training rows": f"{facts['evaluation']['train']['n']:,}",
        "split": ", ".join(f"{name} {value}" for name, value in split.items() if value is not None),
        "fingerprint of the split": splits["fingerprint"],
        "epochs done": facts["epochs_done"],
        **facts["recipe"],
    }
    return (Table("Data and recipe.", ("field", "value"), tuple((k, str(v)) for k, v in rows.items()), "plain"),)


def _format(value: float | None) -> str:
    return "diverged" if value is None else f"{value:.4f}"


def _format_interval(measured: dict[str, Any] | None) -> str:
    if measured is None:
        return "–"
    low, high = measured["interval"]
    return f"{measured['estimate']:.3f} [{low:.3f}, {high:.3f}]"
