"""The protocol card of a probe, with the sentences and tables that it shares with the probe's page."""

from typing import Any

from monolayer.evaluate.metrics import format_accuracy
from monolayer.figures.scales import format_setting
from monolayer.recipe.grid import format_value
from monolayer.reports.blocks import Table
from monolayer.reports.sweep import SIGN

Facts = dict[str, Any]


def describe_probe(facts: Facts) -> list[str]:
    """The winner and its test accuracy; then the feature sets that are not significantly different from it."""
    sets, n = facts["features"], facts["protocol"]["n_candidates"]
    first, test = sets[0], facts["winner"]["test"]
    setting = format_setting((name, first["recipe"][name]) for name in first["grid"])
    of = f" among {len(sets)} feature sets" if len(sets) > 1 else ""
    also = " and for its few-shot runs" if facts["few_shot"] else ""
    sentences = [
        f"**{first['name']}** with {setting} has the highest validation accuracy{of}, of {n:,} recipes on "
        f"{first['val']['n']:,} validation rows. Its accuracy on {test['n']:,} test rows, opened once for it{also}, is "
        f"**{_format(test)} %**."
    ]
    others = sets[1:]
    close = [one["name"] for one in others if one["is_indistinguishable"]]
    if others:
        compared = (
            f"Not significantly different from it on the validation rows: {', '.join(close)}"
            if close
            else "All others are significantly worse on the validation rows"
        )
        sentences.append(f"{compared} ({_name_test(sets)}).")
    lost = [one["name"] for one in others if one["has_diverged"]]
    if lost:
        sentences.append(f"Every recipe diverged on {', '.join(lost)}.")
    return sentences


def _name_test(sets: list[Facts]) -> str:
    return "exact McNemar test" + (", p-values corrected for all pairs" if len(sets) > 2 else "")


def describe_few_shot(facts: Facts) -> str:
    """The few-shot experiment in two sentences."""
    asked = facts["protocol"]["few_shot"]
    n = asked["repeats"]
    spread = f"mean and standard deviation over {n} draws" if n > 1 else "one draw, so no standard deviation"
    return (
        f"Test accuracy of {facts['winner']['features']} with few training rows per class: {spread}. The recipe for "
        "each number of shots is selected on validation rows."
    )


def _make_sets_table(facts: Facts) -> Table:
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
    note = f"{SIGN}: not significantly different from the first ({_name_test(facts['features'])})."
    return Table("Feature sets, each with its best recipe.", (*columns, *measured), rows, note=note)


def _make_few_shot_table(facts: Facts) -> Table:
    """Few-shot accuracies, with the recipe of each number of shots."""
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
        "rows per class",
        "rows",
        "test accuracy %, mean ± sd",
        "validation accuracy %, mean ± sd",
        "draws",
        *chosen,
    )
    return Table(describe_few_shot(facts), columns, rows)


def describe_protocol(facts: Facts) -> dict[str, Any]:
    """Everything that is needed to reproduce the numbers, as values for protocol.md.j2 and probe.md.j2."""
    has_few_shot = bool(facts["few_shot"])
    return {
        "sentences": describe_probe(facts),
        "sets": _make_sets_table(facts),
        "few_shot": _make_few_shot_table(facts) if has_few_shot else None,
        "data": _make_data_table(facts),
        "split": _make_split_table(facts),
        "fingerprints": _make_fingerprints_table(facts),
        "grid": _make_grid_table(facts),
        "selection": _make_selection_table(facts),
        "rules": _make_rules_table(facts) if has_few_shot else None,
        "draws": _make_draws_table(facts) if has_few_shot else None,
        "provenance": Table.of_fields("Command, versions and machine.", facts["provenance"]),
    }


def _make_data_table(facts: Facts) -> Table:
    rows = tuple(
        (one["name"], f"{one['n_features']:,}", one["dtype"], f"`{one['sha256']}`") for one in facts["features"]
    )
    return Table("The feature sets.", ("features", "D", "dtype", "SHA-256 of features and labels"), rows, "plain")


def _make_fingerprints_table(facts: Facts) -> Table:
    rows = tuple((one["name"], f"`{one['fingerprint']}`") for one in facts["features"])
    caption = "Fingerprint of each feature set and its split."
    return Table(caption, ("features", "fingerprint (SHA-256)"), rows, "plain")


def _make_split_table(facts: Facts) -> Table:
    protocol = facts["protocol"]
    data, split = protocol["data"], protocol["split"]
    asked = {name.replace("_", " "): value for name, value in split.items() if name != "how" and value is not None}
    rows = {
        "classes": f"{data['n_classes']:,}",
        "rows": ", ".join(f"{n:,} {part}" for part, n in data["rows"].items()),
        "split": split["how"],
        "split options": ", ".join(f"{name} {value}" for name, value in asked.items()),
        "rows scaled to unit length": "no" if data["normalize"] == "none" else "yes, first",
        "standardised": protocol["preprocessing"],
    }
    return Table.of_fields("Rows, the same for all feature sets.", rows)


def _make_grid_table(facts: Facts) -> Table:
    """The grids, one row for each feature set and number of shots."""
    fields = list(facts["features"][0]["grid"])
    lines = [(one["name"], one["n_recipes"], one["grid"]) for one in facts["features"]]
    winner = facts["winner"]["features"]
    lines += [(f"{winner}, {few['shots']} per class", few["n_recipes"], few["grid"]) for few in facts["few_shot"]]
    rows = tuple(
        (name, str(n), *(", ".join(str(value) for value in grid[field]) for field in fields)) for name, n, grid in lines
    )
    columns = ("features", "recipes", *(name.replace("_", " ") for name in fields))
    return Table("Grids: all combinations of these values.", columns, rows, "plain", note=_describe_rates(facts))


def _describe_rates(facts: Facts) -> str:
    multiples = facts["protocol"]["rates_as_multiples_of_stable"]
    if not multiples:
        return ""
    return (
        f"Learning rates are {', '.join(f'{m:g}' for m in multiples)} times the stable rate 1 / L of the training rows "
        "(for the largest l2, and the lowest of several draws), to three digits."
    )


def _make_selection_table(facts: Facts) -> Table:
    protocol, winner = facts["protocol"], facts["winner"]
    rows = {
        "candidates": f"{protocol['n_candidates']:,}",
        "selected by": protocol["selection"],
        "compared by": protocol["comparison"],
        "winner": winner["features"],
        **{f"{name} of the winner": value for name, value in winner["recipe"].items()},
    }
    return Table.of_fields("Selection of the winner, and its recipe.", rows)


def _make_rules_table(facts: Facts) -> Table:
    asked = facts["protocol"]["few_shot"]
    rows = {**{name: asked[name] for name in ("seed", "draw", "training")}, "recipe selected by": asked["selection"]}
    return Table.of_fields("Drawing of rows, and recipes.", rows)


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
    columns = ("rows per class", "repeat", "validation accuracy %", "test accuracy %", "SHA-256 of the row numbers")
    return Table("All draws.", columns, rows)


def _format(metrics: Facts) -> str:
    return format_accuracy(metrics["accuracy"], metrics["n"])


def _format_spread(spread: Facts) -> str:
    sd = "" if spread["sd"] is None else f" ± {100 * spread['sd']:.2f}"
    return f"{100 * spread['mean']:.2f}{sd}"
