"""The model card beside every network: what it is, what it was trained on, and what may be expected of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monolayer.evaluate.metrics import ROW_NAMES, format_accuracy
from monolayer.network import FILE
from monolayer.recipe.losses import get_loss
from monolayer.reports.card_facts import NOT_STATED, collect_card_facts
from monolayer.reports.document import Block, BulletList, Document, Listing, Paragraph, Section, Table
from monolayer.reports.front_matter import render_front_matter
from monolayer.reports.markdown import render_markdown
from monolayer.runs.folder import CARD, CARD_FACTS, write_json, write_text

MANY = 20  # classes: more are counted, not named


def write_card(folder: Path) -> None:
    """Write model-card.md, and the same facts as model-card.json, from what a run's folder holds.

    Raises:
        BadData: if the folder is no run's folder.
    """
    facts = collect_card_facts(folder)
    write_json(folder / CARD_FACTS, facts)
    write_text(folder / CARD, render_card(facts))


def render_card(facts: dict[str, Any]) -> str:
    """The card as Markdown with a YAML head, from :func:`monolayer.reports.card_facts.collect_card_facts`."""
    return f"{render_front_matter(facts, NOT_STATED)}\n\n{render_markdown(_make_document(facts), {})}"


def _make_document(facts: dict[str, Any]) -> Document:
    name, n_classes = facts["data"]["name"], len(facts["classes"])
    return Document(
        title=f"One-layer network on {name}",
        lead=f"A classifier of one layer, scores = W z + b, with {n_classes} classes, trained by {_name_loss(facts)} "
        f"on {facts['evaluation']['train']['n']:,} rows of {name}. {_describe_measured(facts)}",
        sections=(
            Section("How to use it", _make_use(facts)),
            Section("Intended use and limits", (BulletList(tuple(_list_limits(facts))),)),
            Section("Evaluation", _make_evaluation(facts)),
            Section("Findings", _make_findings(facts)),
            Section("Training", _make_training(facts)),
            Section("Licence", (Paragraph(f"Of this network: {facts['licence']}."),)),
            Section("Versions", (Paragraph(facts["versions"]),)),
        ),
    )


def _name_loss(facts: dict[str, Any]) -> str:
    return get_loss(facts["loss"]).title


def _describe_measured(facts: dict[str, Any]) -> str:
    rows = facts["measured_on"]
    if rows is None:
        return "Nothing was measured but its training rows."
    metrics = facts["evaluation"][rows]
    sealed = "" if rows == "test" else " The test rows are sealed."
    return f"Accuracy on {_say_accuracy(metrics, rows)}.{sealed}"


def _say_accuracy(metrics: dict[str, Any], rows: str) -> str:
    return f"{metrics['n']:,} {ROW_NAMES[rows]} rows: {format_accuracy(metrics['accuracy'], metrics['n'])} %"


def _make_use(facts: dict[str, Any]) -> tuple[Block, ...]:
    n_features, loss = facts["input"]["n_features"], get_loss(facts["loss"])
    one, many = loss.output
    lines = (
        "import monolayer as ml",
        f'network = ml.OneLayer.load("{FILE}")  # the file beside this card, or their folder',
        f"{many} = network.compute_{many}(X)  # X: (n, {n_features}) -> (n, {len(facts['classes'])})",
    )
    how = loss.readings[0].summary if loss.readings else "its loss defines no probabilities"
    points = [
        _describe_input(facts["input"]),
        f"Output: a {one} of each class ({how}), in this order: {_name_classes(facts['classes'])}.",
    ]
    return (Listing("\n".join(lines)), BulletList(tuple(points)))


def _describe_input(given: dict[str, Any]) -> str:
    dtype = f"{given['dtype']}, " if given["dtype"] else ""
    text = f"Input: rows of {given['n_features']:,} features, {dtype}as they were in training; the network scales them."
    if given["image_shape"] is None:
        return text
    channels, height, width = given["image_shape"]
    order = "red, then green, then blue" if channels == 3 else f"{channels} channel{'s'[: channels != 1]}"
    highest = f", 0 to {given['pixel_max']:g}" if given["pixel_max"] is not None else ""
    looks = f" It looks at features of the image, by {given['transformer']}." if "transformer" in given else ""
    return f"{text} A row is an image of {height} x {width} pixels ({order}; row by row{highest}).{looks}"


def _name_classes(classes: list[str]) -> str:
    more = f", and {len(classes) - MANY:,} more" if len(classes) > MANY else ""
    return ", ".join(classes[:MANY]) + more


def _list_limits(facts: dict[str, Any]) -> list[str]:
    """What follows from the facts, and nothing else."""
    name = facts["data"]["name"]
    limits = [
        f"For telling apart the {len(facts['classes'])} classes of rows like those of {name}; nothing was measured on "
        "other data.",
        "It gives one of its classes to every input, also to one that belongs to none of them.",
        "A score is a weighted sum of the features: what no such sum can tell apart, this network cannot.",
    ]
    limits += _limit_accuracy(facts)
    if facts["epochs_done"] < facts["recipe"]["epochs"]:
        limits.append(f"Its training stopped after {facts['epochs_done']} of {facts['recipe']['epochs']} epochs.")
    if selection := facts["selection"]:
        limits.append(
            f"It was chosen among {selection['n_recipes']:,} recipes by its accuracy on the validation rows, which are "
            "therefore no fair judge of it."
        )
    return limits


def _limit_accuracy(facts: dict[str, Any]) -> list[str]:
    rows = facts["measured_on"]
    if rows is None:
        return ["How well it does on rows that it has not met is not known."]
    metrics, by_class, limits = facts["evaluation"][rows], facts["by_class"], []
    wrong = 100 * (1 - metrics["accuracy"])
    limits.append(f"Of {metrics['n']:,} {ROW_NAMES[rows]} rows {wrong:.1f} % are given a wrong class.")
    if len(by_class) > 1:
        ends = sorted(by_class, key=lambda row: row["recognised"])
        worst, best = (f"{row['class']} ({_say_share(row)} %)" for row in (ends[0], ends[-1]))
        limits.append(f"Of the rows of a class, it recognises most of {best}, fewest of {worst}.")
    calibration = facts["calibration"]
    if calibration and (chance := calibration["by_chance"]):
        error = calibration["expected_error"]["estimate"]
        beyond = error > chance["interval"][1]
        with_temperature = " before its temperature" if facts["temperature"] else ""
        limits.append(
            f"Its probabilities{with_temperature} are {'off' if beyond else 'not measurably off'}: expected "
            f"calibration error {error:.3f}, where chance gives a calibrated network up to {chance['interval'][1]:.3f}."
        )
    return limits


def _say_share(row: dict[str, Any]) -> str:
    return format_accuracy(row["recognised"], row["n"])


def _make_evaluation(facts: dict[str, Any]) -> tuple[Block, ...]:
    rows = tuple(
        (label, f"{m['n']:,}", _format(m["loss"]), format_accuracy(m["accuracy"], m["n"]))
        if (m := facts["evaluation"][name])
        else (label, *_say_missing(name))
        for name, label in ROW_NAMES.items()
    )
    table = Table("Intervals are Wilson's, of 95 %.", ("rows", "n", "loss", "accuracy %"), rows)
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
        shares = tuple((row["class"], f"{row['n']:,}", _say_share(row)) for row in facts["by_class"])
        caption = f"How many of each class's {ROW_NAMES[facts['measured_on']]} rows are recognised."
        blocks.append(Table(caption, ("class", "n", "recognised %"), shares))
    return tuple(block for block in blocks if block != Paragraph(""))


def _say_missing(name: str) -> tuple[str, str, str]:
    return "", "", "sealed" if name == "test" else "no such rows"


def _make_calibration(facts: dict[str, Any]) -> Table:
    """The error and log loss of the scores as they are, and, on test rows, with the temperature."""
    rows = ROW_NAMES[facts["measured_on"]]
    named = {"the scores as they are": facts["calibration"]}
    if facts["temperature"] and facts["temperature"]["test"]:
        named[f"divided by {facts['temperature']['temperature']:.3f}"] = facts["temperature"]["test"]
    lines = tuple(
        (what, *(_format_interval(measured[name]) for name in ("expected_error", "by_chance", "log_loss")))
        for what, measured in named.items()
    )
    columns = ("probabilities of", "expected error, 15 bins", "by chance alone", "log loss")
    return Table(f"Calibration on {rows} rows, with 95 % bootstrap intervals.", columns, lines)


def describe_temperature(temperature: dict[str, Any]) -> str:
    """What the temperature is and what it was fitted on."""
    text = f"Probabilities are read from scores / {temperature['temperature']:.4g}; no prediction depends on it."
    fit = temperature["fit"]
    if fit is None:
        return text
    return (
        f"{text} It was fitted on {fit['n']:,} validation rows, where it takes the loss from "
        f"{fit['loss_before']:.4f} to {fit['loss_after']:.4f}. {fit['caveat']}".strip()
    )


def _make_findings(facts: dict[str, Any]) -> tuple[Block, ...]:
    if not facts["findings"]:
        return (Paragraph("The checks on this run found no issue and no tip."),)
    points = (f"{f['code']} {f['title']} ({f['outcome']}): {f['evidence']} {f['advice']}" for f in facts["findings"])
    return (BulletList(tuple(points)),)


def _make_training(facts: dict[str, Any]) -> tuple[Block, ...]:
    data, splits = facts["data"], facts["splits"]
    division = {name.replace("_", " "): value for name, value in splits.items() if name != "fingerprint"}
    rows = {
        "data": f"{data['name']}, from {data['source']}",
        "SHA-256 of the decoded data": data["sha256"],
        "rows for training": f"{facts['evaluation']['train']['n']:,}",
        "division asked for": ", ".join(f"{name} {value}" for name, value in division.items() if value is not None),
        "fingerprint of the division": splits["fingerprint"],
        "epochs done": facts["epochs_done"],
        **facts["recipe"],
    }
    return (Table("Data and recipe.", ("what", "value"), tuple((k, str(v)) for k, v in rows.items()), "plain"),)


def _format(value: float | None) -> str:
    return "diverged" if value is None else f"{value:.4f}"


def _format_interval(measured: dict[str, Any] | None) -> str:
    if measured is None:
        return "–"
    low, high = measured["interval"]
    return f"{measured['estimate']:.3f} [{low:.3f}, {high:.3f}]"
