"""The protocol card of a probe, and what is said of one: sentences and tables from what protocol.json holds."""

from __future__ import annotations

from typing import Any

from monolayer.evaluate.metrics import format_accuracy
from monolayer.figures.fields import format_setting
from monolayer.recipe.grid import format_value
from monolayer.reports.document import Document, Paragraph, Section, Table
from monolayer.reports.sweep import SIGN

Facts = dict[str, Any]


def describe_probe(facts: Facts) -> list[str]:
    """Who won and what it scores on the test rows, in a sentence; then who cannot be told from it."""
    sets, n = facts["features"], facts["protocol"]["n_candidates"]
    first, test = sets[0], facts["winner"]["test"]
    setting = format_setting((name, first["recipe"][name]) for name in first["grid"])
    of = f" among {len(sets)} feature sets" if len(sets) > 1 else ""
    also = " and its few shots" if facts["few_shot"] else ""
    sentences = [
        f"**{first['name']}** wins{of} with {setting}, chosen among {n:,} recipes by accuracy on {first['val']['n']:,} "
        f"validation rows. On {test['n']:,} test rows, opened once for it{also}: **{_format(test)} %**."
    ]
    others = sets[1:]
    close = [one["name"] for one in others if one["is_indistinguishable"]]
    if others:
        told = f"{', '.join(close)} cannot be told from it" if close else "Each other one is told from it"
        sentences.append(f"{told} on the validation rows ({_name_test(sets)}).")
    lost = [one["name"] for one in others if one["has_diverged"]]
    if lost:
        sentences.append(f"Every recipe diverged on {', '.join(lost)}.")
    return sentences


def _name_test(sets: list[Facts]) -> str:
    return "exact McNemar test" + (", corrected for all pairs" if len(sets) > 2 else "")


def describe_few_shot(facts: Facts) -> str:
    """What the few-shot accuracies are."""
    asked = facts["protocol"]["few_shot"]
    n = asked["repeats"]
    spread = f"mean and standard deviation over {n} draws" if n > 1 else "one draw, so without a spread"
    return (
        f"Test accuracy of {facts['winner']['features']} with a few training rows a class: {spread}. The recipe of "
        "each number of shots is chosen on validation rows."
    )


def make_sets_table(facts: Facts) -> Table:
    """The feature sets, best first, each with its best recipe."""
    fields = list(facts["features"][0]["grid"])
    rows = tuple(
        (
            one["name"],
            f"{one['n_features']:,}",
            one["dtype"],
            *(format_value(one["recipe"][name]) for name in fields),
            "diverged" if one["has_diverged"] else _format(one["val"]),
            SIGN if one["is_indistinguishable"] else "",
            "" if one["has_diverged"] else f"{100 * one['train']['accuracy']:.2f}",
        )
        for one in facts["features"]
    )
    columns = ("features", "D", "dtype", *(name.replace("_", " ") for name in fields))
    measured = ("validation accuracy %, 95 % interval", SIGN, "training accuracy %")
    note = f"{SIGN} marks feature sets that cannot be told from the first: {_name_test(facts['features'])}."
    return Table("Feature sets, each with its best recipe.", (*columns, *measured), rows, note=note)


def make_few_shot_table(facts: Facts) -> Table:
    """What a few rows a class give, with the recipe of each number of shots."""
    fields = list(facts["few_shot"][0]["grid"])
    rows = tuple(
        (
            f"{few['shots']:,}",
            f"{few['n_rows']:,}",
            _format_spread(few["test"]),
            _format_spread(few["val"]),
            str(few["test"]["n"]),
            *(format_value(few["recipe"][name]) + " (edge)" * (name in few.get("at_edge", ())) for name in fields),
            str(few["recipe"]["epochs"]),
        )
        for few in facts["few_shot"]
    )
    chosen = (*(name.replace("_", " ") for name in fields), "epochs")
    columns = (
        "rows a class",
        "rows",
        "test accuracy %, mean ± sd",
        "validation accuracy %, mean ± sd",
        "draws",
        *chosen,
    )
    return Table(describe_few_shot(facts), columns, rows)


def make_protocol(facts: Facts) -> Document:
    """The protocol card: what another needs to get the same numbers."""
    return Document(
        title="Protocol of a probe",
        lead=" ".join(describe_probe(facts)),
        sections=(
            Section("Accuracy", (make_sets_table(facts), *([make_few_shot_table(facts)] if facts["few_shot"] else []))),
            *make_protocol_sections(facts),
        ),
    )


def make_protocol_sections(facts: Facts) -> list[Section]:
    """Data, split and preparation; candidates and selection; the draws; versions and command."""
    few = [Section("Few-shot draws", (_make_rules_table(facts), _make_draws_table(facts)))] if facts["few_shot"] else []
    provenance = Table("What it was made with.", ("what", "value"), tuple(facts["provenance"].items()), "plain")
    same = "The same command on the same data gives the same numbers, on processors of the same kind to the last digit."
    return [
        Section("Data and split", (_make_data_table(facts), _make_split_table(facts), _make_fingerprints_table(facts))),
        Section("Candidates and selection", (_make_grid_table(facts), _make_selection_table(facts))),
        *few,
        Section("Provenance", (Paragraph(same), provenance)),
    ]


def _make_data_table(facts: Facts) -> Table:
    rows = tuple(
        (one["name"], f"{one['n_features']:,}", one["dtype"], f"`{one['sha256']}`") for one in facts["features"]
    )
    return Table("The feature sets.", ("features", "D", "dtype", "SHA-256 of features and labels"), rows, "plain")


def _make_fingerprints_table(facts: Facts) -> Table:
    rows = tuple((one["name"], f"`{one['fingerprint']}`") for one in facts["features"])
    caption = "Fingerprints of each feature set and of which of its rows are for what."
    return Table(caption, ("features", "fingerprint (SHA-256)"), rows, "plain")


def _make_split_table(facts: Facts) -> Table:
    protocol = facts["protocol"]
    data, split = protocol["data"], protocol["split"]
    asked = {name.replace("_", " "): value for name, value in split.items() if name != "how" and value is not None}
    rows = {
        "classes": f"{data['n_classes']:,}",
        "rows": ", ".join(f"{n:,} {part}" for part, n in data["rows"].items()),
        "split": split["how"],
        "asked for": ", ".join(f"{name} {value}" for name, value in asked.items()),
        "rows divided by their length": "no" if data["normalize"] == "none" else "yes, before anything else",
        "standardised": protocol["preprocessing"],
    }
    return _list("Rows, the same for every feature set.", rows)


def _make_grid_table(facts: Facts) -> Table:
    """Every value that was tried, a line a feature set and a number of shots."""
    fields = list(facts["features"][0]["grid"])
    lines = [(one["name"], one["n_recipes"], one["grid"]) for one in facts["features"]]
    winner = facts["winner"]["features"]
    lines += [(f"{winner}, {few['shots']} a class", few["n_recipes"], few["grid"]) for few in facts["few_shot"]]
    rows = tuple(
        (name, str(n), *(", ".join(str(value) for value in grid[field]) for field in fields)) for name, n, grid in lines
    )
    columns = ("features", "recipes", *(name.replace("_", " ") for name in fields))
    return Table("What was tried: every combination of these.", columns, rows, "plain", note=_describe_rates(facts))


def _describe_rates(facts: Facts) -> str:
    multiples = facts["protocol"]["rates_as_multiples_of_stable"]
    if not multiples:
        return ""
    return (
        f"Learning rates are {', '.join(f'{m:g}' for m in multiples)} times the stable rate 1 / L of the rows trained "
        "on (the largest l2; of several draws the lowest rate), to three digits."
    )


def _make_selection_table(facts: Facts) -> Table:
    protocol, winner = facts["protocol"], facts["winner"]
    rows = {
        "candidates": f"{protocol['n_candidates']:,}",
        "chosen by": protocol["selection"],
        "told apart by": protocol["comparison"],
        "winner": winner["features"],
        **{f"its {name}": value for name, value in winner["recipe"].items()},
    }
    return _list("How the winner was chosen, and its recipe.", rows)


def _make_rules_table(facts: Facts) -> Table:
    asked = facts["protocol"]["few_shot"]
    rows = {
        "seed": asked["seed"],
        "rows drawn": asked["draw"],
        "trained": asked["training"],
        "recipe chosen by": asked["selection"],
    }
    return _list("How rows were drawn, and how recipes were adapted to them.", rows)


def _make_draws_table(facts: Facts) -> Table:
    rows = tuple(
        (
            f"{few['shots']:,}",
            str(repeat["repeat"]),
            *(f"{100 * repeat[part]['accuracy']:.2f}" for part in ("val", "test")),
            f"`{repeat['rows_sha256']}`",
        )
        for few in facts["few_shot"]
        for repeat in few["repeats"]
    )
    columns = ("rows a class", "repeat", "validation accuracy %", "test accuracy %", "SHA-256 of the rows' places")
    return Table("Every draw.", columns, rows)


def _list(caption: str, rows: dict[str, Any]) -> Table:
    return Table(caption, ("what", "value"), tuple((name, str(value)) for name, value in rows.items()), "plain")


def _format(metrics: Facts) -> str:
    return format_accuracy(metrics["accuracy"], metrics["n"])


def _format_spread(spread: Facts) -> str:
    sd = "" if spread["sd"] is None else f" ± {100 * spread['sd']:.2f}"
    return f"{100 * spread['mean']:.2f}{sd}"
