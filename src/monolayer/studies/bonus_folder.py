"""The folder of the study: report.html, report.md, results.json, figures and networks."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

from monolayer.folder import MARKDOWN, NETWORKS, REPORT, RESULTS, write_json, write_text
from monolayer.report.html import render_html
from monolayer.report.markdown import render_markdown
from monolayer.report.pictures import save_pictures
from monolayer.report.provenance import collect_provenance
from monolayer.studies import printed
from monolayer.studies.bonus_assignment import StudyResult
from monolayer.studies.bonus_report import draw_study, make_study_document
from monolayer.studies.ladder_report import draw_ladder, load_ladder_of


def save_study(result: StudyResult, folder: Path, ladder: Path | None = None) -> dict[str, Any]:
    """Write everything into ``folder`` and give back what results.json holds.

    Args:
        result: of the study.
        folder: an empty folder.
        ladder: the folder of a ladder of the same dataset, which becomes a section of the page.

    Raises:
        BadData: if that folder holds no ladder.
        BadInput: if the ladder is of another dataset.
    """
    pictures, provenance = draw_study(result), collect_provenance()
    climbed = load_ladder_of(result.dataset, ladder) if ladder else None
    pictures["ladder"] = draw_ladder(climbed, ladder) if ladder and climbed else []
    document = make_study_document(result, pictures, provenance, climbed)
    paths = save_pictures(chain.from_iterable(pictures.values()), folder)
    write_text(folder / REPORT, render_html(document))
    write_text(folder / MARKDOWN, render_markdown(document, paths))
    results = {
        **result.to_dict(),
        "ladder": climbed and climbed["steps"],
        "printed": _collect_printed(),
        "provenance": provenance,
    }
    write_json(folder / RESULTS, results)
    networks = folder / NETWORKS
    networks.mkdir()
    for key, run in result.runs.items():
        run.network.save(networks / f"{key}.safetensors")
    return results


def _collect_printed() -> dict[str, Any]:
    """What the original prints, in a place of its own so that nobody takes it for measured."""
    return {
        "source": printed.SOURCE,
        "accuracies_percent": {
            key: {"train": row.train, "val": row.val, "test": row.test} for key, row in printed.ACCURACIES.items()
        },
        "grid": [vars(row) for row in printed.GRID],
        "step_decay": {str(epoch): {"loss": loss, "accuracy_percent": accuracy}
                       for epoch, (loss, accuracy) in printed.STEP_DECAY.items()},
    }  # fmt: skip
