"""The head of a model card: YAML as Hugging Face reads it, from the card's facts."""

from __future__ import annotations

import json
import re
from typing import Any

from monolayer.evaluate.metrics import ROW_NAMES
from monolayer.recipe.losses import get_loss

# Identifiers that Hugging Face knows; any other licence is "other", with its name beside.
LICENCES = frozenset(
    {"apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "gpl-2.0", "gpl-3.0", "lgpl-2.1", "lgpl-3.0", "agpl-3.0",
     "mpl-2.0", "isc", "unlicense", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0"}
)  # fmt: skip
# What YAML does not take as it is, though JSON does: control characters, line separators, a byte order mark.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


def render_front_matter(facts: dict[str, Any], not_stated: str) -> str:
    """The facts that Hugging Face indexes, between lines of three hyphens.

    Every value is written as JSON, which YAML takes, so that no name can be read as anything but text.
    """
    fields: dict[str, Any] = {
        **_name_licence(facts["licence"], not_stated),
        "library_name": "monolayer",
        "pipeline_tag": facts["task"],
        "tags": [facts["task"], "linear-classifier", get_loss(facts["loss"]).name.replace("_", "-")],
        "metrics": ["accuracy"],
    }
    if results := _list_results(facts):
        fields["model-index"] = [{"name": f"one-layer network on {facts['data']['name']}", "results": results}]
    lines = (f"{name}: {_write(value)}" for name, value in fields.items())
    return "\n".join(["---", *lines, "---"])


def _name_licence(licence: str, not_stated: str) -> dict[str, str]:
    if licence == not_stated:
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


def _write(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
